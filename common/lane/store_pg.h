// The store port (lane/store.h) on PostgreSQL. Every statement is made from the table descriptors and set-based: its text,
// and the number of statements, depend on which tables a batch touches, never on how many rows.
#pragma once

#include "lane/store.h"
#include "pg/migrate.h"

// The lane's own tables (lane/sql), title "lane": apply it before the service's migrations.
extern const struct migration lane_migrations[];
extern const unsigned lane_migrations_count;

// A store for one lane. service: its schema. tables: what the service owns (the lane's own are known); the array's tables must
// outlive the store. Doesn't connect: claim does. CONFIG: dsn isn't a connection string.
struct err store_pg_open(const char *dsn, const char *service, const struct table *const *tables,
                         size_t table_count, struct store_port **ret_store) ERR_MUST_CHECK;
void store_pg_close(struct store_port *store); // NULL is fine; an open transaction is rolled back

// Upkeep, outside a transaction: makes the outbox's partitions for the coming days, drops what is published and older than
// the topics' retention, deletes ids seen long ago (bounded: *ret_more says that some are left). Call it after the first
// claim and then each day. RETRY: locks; harmless, again later.
struct err store_pg_maintain(struct store_port *store, bool *ret_more) ERR_MUST_CHECK;
