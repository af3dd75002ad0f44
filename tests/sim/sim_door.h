// Where the linker sends common/ingress's calls of its database (--wrap).
#pragma once

#include "ingress/ingress_internal.h"

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
struct err __wrap_ingress_store_open(const char *dsn, int32_t slots, struct pg **ret_pg);
struct err __wrap_ingress_store_hold(struct pg *pg, int32_t i, bool *ret_held);
struct err __wrap_ingress_store_claim(struct pg *pg, int32_t i, struct held_slot *ret_slot);
struct err __wrap_ingress_store_give_back(struct pg *pg, int32_t i);
struct err __wrap_ingress_store_left(struct pg *pg, struct arena *arena, int32_t **ret_slots,
                                     bool **ret_stale, size_t *ret_count);
struct err __wrap_ingress_store_end_holder(struct pg *pg, int32_t i);
struct err __wrap_ingress_store_mark(struct pg *pg, const struct held_slot *slot, int64_t published_no);
struct err __wrap_ingress_store_outbox(struct pg *pg, struct arena *arena, int32_t slot, int64_t after_no,
                                       struct store_outbox_row **ret_rows, size_t *ret_count);
struct err __wrap_ingress_store_maintain(struct pg *pg);
struct err __wrap_ingress_store_begin(struct pg *pg, const struct held_slot *slot, int64_t published_no,
                                      struct submission *const *items, size_t count, struct arena *arena,
                                      struct store_stored **ret_stored, size_t *ret_count);
struct err __wrap_ingress_store_find(struct pg *pg, struct submission *const *items, size_t count,
                                     struct arena *arena, struct store_found **ret_found, size_t *ret_count);
struct err __wrap_ingress_store_versions(struct pg *pg, struct store_version *versions, size_t count,
                                         struct arena *arena);
struct err __wrap_ingress_store_commit(struct pg *pg, const struct held_slot *slot, struct bytes records,
                                       struct arena *arena);
void __wrap_pg_close(struct pg *pg);
bool __wrap_pg_alive(const struct pg *pg);
struct err __wrap_pg_rollback(struct pg *pg);
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
