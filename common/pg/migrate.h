// Numbered, forward-only migrations, embedded in the binary (deploy/cmake/targets.cmake: oc_embed).
#pragma once

#include "base/err.h"

struct migration {
    unsigned number;
    const char *name;
    const char *sql; // one or more statements; run in one transaction with search_path = the schema
};

struct migration_set {
    const char *title; // "lane", "inventory": numbered apart from other sets
    const struct migration *migrations;
    unsigned count;
};

// Applies what is missing of each set, in order, in `schema`, under an advisory lock; records number, name and checksum in
// <schema>.migration. CONFIG: an applied migration has another checksum now, or the database is newer than this binary.
// The role of dsn must be able to SET ROLE to the owner.
struct err migrate(const char *dsn, const char *schema, const char *owner, const struct migration_set *sets,
                   unsigned set_count) ERR_MUST_CHECK;
// CONFIG unless everything is applied (checked by services at start).
struct err migrate_check(const char *dsn, const char *schema, const struct migration_set *sets,
                         unsigned set_count) ERR_MUST_CHECK;
