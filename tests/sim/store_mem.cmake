# The store over memory, for the simulator and for tests of services. Include it where tests' targets are made.
include_guard(GLOBAL)
oc_library(oc_store_mem SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_mem.c ${CMAKE_CURRENT_LIST_DIR}/store_mem_rows.c
  ${CMAKE_CURRENT_LIST_DIR}/store_mem_slots.c
  DEPS oc_store oc_base)
target_include_directories(oc_store_mem PUBLIC ${PROJECT_SOURCE_DIR}/tests)
