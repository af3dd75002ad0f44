# The store: descriptors of the lane's own tables, their migrations (lane_migrations), and PostgreSQL behind the port.
include_guard(GLOBAL)
oc_library(oc_store
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/lane_tables.c ${CMAKE_CURRENT_LIST_DIR}/store_pg.c ${CMAKE_CURRENT_LIST_DIR}/store_pg_claim.c
  ${CMAKE_CURRENT_LIST_DIR}/store_sql.c
  DEPS oc_pg oc_base oc_proto)
# The path is taken from the including folder, a neighbour of this one or this one itself.
oc_embed(oc_store lane_migrations ../lane/sql)
