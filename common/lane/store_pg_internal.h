// What store_pg.c and store_pg_claim.c share.
#pragma once

#include "lane/store.h"
#include "lane/store_sql.h"
#include "pg/pg.h"

struct store_pg {
    struct store_port port;
    char *dsn;
    char *application;
    char owner[128];
    struct store_sql *sql;
    struct pg *pg;         // NULL: not connected
    bool open;             // a transaction
    struct arena *scratch; // parameters of the round trip being made
};

// Leaves no transaction behind, and no connection that can't be used.
void store_pg_settle(struct store_pg *s);
// The next answer, which nobody wants to see.
struct err store_pg_receive_done(struct store_pg *s);

struct err store_pg_claim(void *self, const int32_t *slots, size_t count, struct arena *arena,
                          struct slot_claim *ret_claims);
