// Three tables with every column type, for the tests of both stores, and where they are in PostgreSQL.
#pragma once

#include "lane/store.h"
#include "lane/store_pg.h"

struct kinds_row {
    struct uuid id; // primary key
    int64_t number; // CHECK >= 0
    int32_t small;
    bool flag;
    struct bytes name;
    struct bytes data;
    instant at;
    struct bytes team; // UNIQUE (team, small) WHERE flag
    void *decoded;     // no column: never stored
};
#define KINDS_ID     0
#define KINDS_NUMBER 1
#define KINDS_SMALL  2
#define KINDS_TEAM   7

struct pair_row {      // TABLE_REFERENCE
    struct bytes code; // primary key (code, ordinal)
    int64_t ordinal;
    int32_t badge;     // CHECK 0 to 100
    struct bytes word; // UNIQUE
    struct uuid other;
};
#define PAIR_CODE    0
#define PAIR_ORDINAL 1

struct journal_row { // TABLE_APPEND
    struct uuid id;  // primary key (id, ordinal)
    int32_t ordinal;
    int64_t amount; // CHECK <> 0
    struct bytes note;
};

extern const struct table kinds_table, pair_table, journal_table;
extern const struct table *const test_tables[3];
#define TEST_TABLES (sizeof test_tables / sizeof test_tables[0])

bool test_rows_equal(const struct table *table, const void *a, const void *b);
const char *test_row_text(struct arena *arena, const struct table *table, const void *row); // for messages

// The private cluster's addresses, from the environment that tests/lib/with_stack.py sets; ends the program without them.
#define TEST_SCHEMA "inventory"
#define TEST_OWNER  "orderclerk_owner"
const char *test_dsn(void);         // as the service's role
const char *test_dsn_admin(void);   // superuser
const char *test_dsn_migrate(void); // may become the owner
void test_migrate_all(void);        // the lane's tables and these, from whatever is there
void test_admin(const char *sql);   // several statements allowed; search_path is the schema
