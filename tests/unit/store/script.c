// Random calls on store_mem and store_pg. See script.h.
//
// Keys come from small sets, so that rows collide; values are bad now and then. Two lanes take turns and claim each other's
// slots, so that fences fail. A lane's transaction is always ended before the other has its turn: waiting for locks is
// tested apart (test_store_pg.c).
#include "unit/store/script.h"

#include "lane/store_pg.h"
#include "lane/store_sql.h"
#include "sim/store_mem.h"
#include "unit/store/test_tables.h"

#include <stdio.h>
#include <stdlib.h>

#define LANES    2
#define SLOTS    4
#define ROWS_MAX 6
#define PAST     (1600000000 * INSTANT_SECOND)
#define FUTURE   (4000000000 * INSTANT_SECOND)

struct lane_pair {
    struct store_port *mem, *pg;
    bool connected;
    struct slot_fence slots[SLOTS]; // what it believes to own
    size_t slot_count;
};

struct script {
    uint64_t seed, state;
    unsigned step, differences;
    struct arena *arena; // of one step
    struct store_mem_db *db;
    struct pg *reader;
    struct store_sql *sql;
    struct lane_pair lanes[LANES];
    struct script_totals *totals;
};

static const struct table *const all_tables[] = {&kinds_table, &pair_table, &journal_table, &key_state_table,
                                                 &seen_table,  &held_table, &effect_table,  &outbox_table};
#define TABLES (sizeof all_tables / sizeof all_tables[0])

static uint32_t roll(struct script *s, uint32_t below)
{
    s->state += 0x9e3779b97f4a7c15u;
    uint64_t z = s->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

static bool chance(struct script *s, uint32_t percent)
{
    return roll(s, 100) < percent;
}

static void differ(struct script *s, const char *what, const char *mem, const char *pg)
{
    s->differences++;
    fprintf(stderr, "seed %llu step %u: %s\n  memory:     %s\n  PostgreSQL: %s\n",
            (unsigned long long)s->seed, s->step, what, mem, pg);
}

static const char *sqlstate(const char *text)
{
    const char *at = strstr(text, "(SQLSTATE ");
    return at == NULL ? "" : at;
}

// True when both went well.
static bool same_err(struct script *s, const char *what, struct err mem, struct err pg)
{
    if (mem.class != pg.class || strcmp(sqlstate(mem.text), sqlstate(pg.text)) != 0)
        differ(s, what, err_is(&mem) ? mem.text : "ok", err_is(&pg) ? pg.text : "ok");
    return !err_is(&mem) && !err_is(&pg);
}

static void same_number(struct script *s, const char *what, int64_t mem, int64_t pg)
{
    if (mem != pg)
        differ(s, what, arena_printf(s->arena, "%lld", (long long)mem),
               arena_printf(s->arena, "%lld", (long long)pg));
}

static void same_bytes(struct script *s, const char *what, struct bytes mem, struct bytes pg)
{
    bool same = mem.data == NULL || pg.data == NULL ? mem.data == pg.data : bytes_equal(mem, pg);
    if (!same)
        differ(s, what, mem.data == NULL ? "NULL" : arena_str(s->arena, mem),
               pg.data == NULL ? "NULL" : arena_str(s->arena, pg));
}

static void same_rows(struct script *s, const struct table *table, const void *mem, size_t mem_count,
                      const void *pg, size_t pg_count)
{
    same_number(s, arena_printf(s->arena, "rows of %s", table->name), (int64_t)mem_count, (int64_t)pg_count);
    for (size_t i = 0; i < mem_count && i < pg_count; i++) {
        const void *a = (const char *)mem + i * table->row_size;
        const void *b = (const char *)pg + i * table->row_size;
        if (!test_rows_equal(table, a, b))
            differ(s, "a row", test_row_text(s->arena, table, a), test_row_text(s->arena, table, b));
    }
}

// ---- values

static struct uuid some_uuid(struct script *s)
{
    uint8_t n = (uint8_t)(roll(s, 12));
    return uuid_derive((struct uuid){.b = {n, 7, 1, 1, 1}}, "test", bytes_of(&n, 1));
}

static struct bytes some_text(struct script *s, uint32_t null_percent)
{
    static const char *const words[] = {"",  "a",         "A",  "ab", "\xe8\xae\xa2\xe5\x8d\x95",
                                        "b", "z\xc3\xa9", "10", "9",  "{\"x\": 1}"};
    if (chance(s, null_percent))
        return (struct bytes){0};
    if (chance(s, 1))
        return bytes_str("bad \xff text");
    return bytes_str(words[roll(s, sizeof words / sizeof words[0])]);
}

static struct bytes some_key(struct script *s)
{
    static const char *const keys[] = {"k1", "k2", "k3", "K1", "\xe8\xae\xa2", "k10"};
    return bytes_str(keys[roll(s, sizeof keys / sizeof keys[0])]);
}

static struct bytes some_bytes(struct script *s)
{
    if (chance(s, 20))
        return (struct bytes){0};
    size_t size = chance(s, 10) ? 20000 : roll(s, 20);
    unsigned char *data = arena_alloc(s->arena, size);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)roll(s, 256);
    return bytes_of(data, size);
}

static int64_t some_number(struct script *s, uint32_t bad_percent)
{
    static const int64_t numbers[] = {0, 1, 2, 3, 1000, INT64_MAX};
    return chance(s, bad_percent) ? -1 : numbers[roll(s, sizeof numbers / sizeof numbers[0])];
}

static instant some_instant(struct script *s, uint32_t null_percent)
{
    if (chance(s, null_percent))
        return INSTANT_NONE;
    if (chance(s, 1))
        return INSTANT_NONE + 1 + (int64_t)roll(s, 1000);
    if (chance(s, 5))
        return -210866803200000000LL;
    return chance(s, 50) ? PAST + (int64_t)roll(s, 20) : FUTURE + (int64_t)roll(s, 20);
}

static void *some_lane_row(struct script *s, const struct table *table)
{
    int32_t slot = (int32_t)roll(s, SLOTS) - (chance(s, 1) ? SLOTS : 0);
    static const char *const holds[] = {"GAP", "UNKNOWN", "REJECTED", "PAUSED", "OTHER"};
    void *row = arena_alloc(s->arena, table->row_size);
    if (table == &key_state_table)
        *(struct key_state_row *)row = (struct key_state_row){
            .key = some_key(s),
            .slot = slot,
            .read = some_text(s, 50),
            .written = some_text(s, 50),
            .recent = some_text(s, 50),
            .held = chance(s, 70) ? (struct bytes){0} : bytes_str(holds[roll(s, chance(s, 10) ? 5 : 4)]),
            .held_since = some_instant(s, 50),
            .held_next = some_number(s, 1),
            .service_due = some_instant(s, 50),
            .due = some_instant(s, 30)};
    else if (table == &seen_table)
        *(struct seen_row *)row =
            (struct seen_row){.id = some_uuid(s), .key = some_key(s), .at = some_instant(s, 2)};
    else if (table == &held_table)
        *(struct held_row *)row = (struct held_row){.key = some_key(s),
                                                    .ordinal = roll(s, 4),
                                                    .topic = (int32_t)roll(s, 20),
                                                    .partition = (int32_t)roll(s, 6),
                                                    .record_offset = some_number(s, 10),
                                                    .event_id = some_text(s, 20),
                                                    .value = some_bytes(s),
                                                    .reason = some_text(s, 20),
                                                    .at = some_instant(s, 2)};
    else if (table == &effect_table)
        *(struct effect_row *)row = (struct effect_row){.id = some_uuid(s),
                                                        .slot = slot,
                                                        .key = some_key(s),
                                                        .target = some_text(s, 1),
                                                        .attempt = (int32_t)roll(s, 3),
                                                        .due = some_instant(s, 1),
                                                        .created_at = some_instant(s, 1),
                                                        .request = some_bytes(s),
                                                        .causation_id = some_text(s, 50)};
    else
        *(struct outbox_table_row *)row = (struct outbox_table_row){
            .slot = slot, .batch_no = roll(s, 9), .created_at = PAST + roll(s, 2), .records = some_bytes(s)};
    return row;
}

static void *some_row(struct script *s, const struct table *table)
{
    void *row = arena_alloc(s->arena, table->row_size);
    if (table == &kinds_table)
        *(struct kinds_row *)row = (struct kinds_row){.id = chance(s, 1) ? (struct uuid){{0}} : some_uuid(s),
                                                      .number = some_number(s, 2),
                                                      .small = (int32_t)roll(s, 8),
                                                      .flag = chance(s, 40),
                                                      .name = some_text(s, 30),
                                                      .data = some_bytes(s),
                                                      .at = some_instant(s, 30),
                                                      .team = some_text(s, 1),
                                                      .decoded = row};
    else if (table == &pair_table)
        *(struct pair_row *)row =
            (struct pair_row){.code = some_text(s, 1),
                              .ordinal = some_number(s, 20),
                              .badge = (int32_t)roll(s, 103),
                              .word = some_text(s, 60),
                              .other = chance(s, 50) ? (struct uuid){{0}} : some_uuid(s)};
    else if (table == &journal_table)
        *(struct journal_row *)row = (struct journal_row){.id = some_uuid(s),
                                                          .ordinal = (int32_t)roll(s, 100),
                                                          .amount = (int64_t)roll(s, 60) - 1,
                                                          .note = some_text(s, 50)};
    else
        return some_lane_row(s, table);
    return row;
}

// ---- calls

static void do_claim(struct script *s, struct lane_pair *lane)
{
    int32_t slots[SLOTS];
    size_t count = 0;
    for (int32_t i = SLOTS; i-- > 0;) { // unsorted
        if (chance(s, 50))
            slots[count++] = i;
    }
    struct slot_claim mem[SLOTS], pg[SLOTS];
    struct err mem_e = lane->mem->claim(lane->mem->self, slots, count, s->arena, mem);
    struct err pg_e = lane->pg->claim(lane->pg->self, slots, count, s->arena, pg);
    if (!same_err(s, "claim", mem_e, pg_e))
        return;
    lane->connected = true;
    lane->slot_count = count;
    for (size_t i = 0; i < count; i++) {
        same_number(s, "claim: slot", mem[i].slot, pg[i].slot);
        same_number(s, "claim: epoch", mem[i].epoch, pg[i].epoch);
        same_number(s, "claim: batch_no", mem[i].batch_no, pg[i].batch_no);
        same_number(s, "claim: published_no", mem[i].published_no, pg[i].published_no);
        same_number(s, "claim: dirty", mem[i].dirty, pg[i].dirty);
        same_bytes(s, "claim: suspect", mem[i].suspect, pg[i].suspect);
        same_number(s, "claim: suspect_tries", mem[i].suspect_tries, pg[i].suspect_tries);
        same_number(s, "claim: positions", (int64_t)mem[i].position_count, (int64_t)pg[i].position_count);
        for (size_t p = 0; p < mem[i].position_count && p < pg[i].position_count; p++) {
            same_number(s, "claim: position slot", mem[i].positions[p].slot, pg[i].positions[p].slot);
            same_number(s, "claim: position topic", mem[i].positions[p].topic, pg[i].positions[p].topic);
            same_number(s, "claim: position", mem[i].positions[p].next_offset,
                        pg[i].positions[p].next_offset);
        }
        lane->slots[i] = (struct slot_fence){.slot = slots[i],
                                             .epoch = mem[i].epoch,
                                             .batch_no = mem[i].batch_no,
                                             .published_no = mem[i].published_no};
    }
}

static struct value some_value(struct script *s, const struct table *table, size_t column)
{
    switch (table->columns[column].type) {
    case COLUMN_UUID:
        return value_uuid(some_uuid(s));
    case COLUMN_I64:
        return value_i64(some_number(s, 20));
    case COLUMN_I32:
        return value_i32((int32_t)roll(s, 8));
    case COLUMN_TEXT:
    case COLUMN_BOOL:
    case COLUMN_BYTES:
    case COLUMN_INSTANT:
        break;
    }
    return value_text(table == &key_state_table || table == &held_table ? some_key(s) : some_text(s, 2));
}

static size_t some_queries(struct script *s, struct store_query *queries)
{
    static const struct {
        const struct table *table;
        size_t column;
    } columns[] = {
        {&kinds_table, KINDS_ID},          {&kinds_table, KINDS_NUMBER},  {&kinds_table, KINDS_SMALL},
        {&kinds_table, KINDS_TEAM},        {&pair_table, PAIR_CODE},      {&pair_table, PAIR_ORDINAL},
        {&key_state_table, KEY_STATE_KEY}, {&key_state_table, STORE_DUE}, {&seen_table, SEEN_ID},
        {&held_table, HELD_KEY},           {&effect_table, EFFECT_ID},    {&effect_table, EFFECT_SLOT}};
    size_t count = roll(s, 6);
    for (size_t i = 0; i < count; i++) {
        size_t which = roll(s, sizeof columns / sizeof columns[0]);
        size_t values = roll(s, 5);
        struct value *value = arena_new_array(s->arena, struct value, values);
        for (size_t v = 0; v < values; v++)
            value[v] = columns[which].column == STORE_DUE
                           ? value_i32((int32_t)v)
                           : some_value(s, columns[which].table, columns[which].column);
        queries[i] = (struct store_query){.table = columns[which].table,
                                          .column = columns[which].column,
                                          .values = value,
                                          .value_count = values,
                                          .limit = 1 + roll(s, 4)};
    }
    return count;
}

static void same_queries(struct script *s, const struct store_query *mem, const struct store_query *pg,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        same_rows(s, mem[i].table, mem[i].rows, mem[i].row_count, pg[i].rows, pg[i].row_count);
        s->totals->rows_read += (unsigned)mem[i].row_count;
    }
}

static bool do_begin(struct script *s, struct lane_pair *lane)
{
    struct slot_fence mem[SLOTS], pg[SLOTS];
    size_t count = 0;
    for (size_t i = 0; i < lane->slot_count; i++) {
        if (chance(s, 10))
            continue;
        mem[count] = lane->slots[i];
        if (chance(s, 5))
            mem[count].batch_no++;
        else if (chance(s, 50))
            mem[count].published_no = mem[count].batch_no;
        pg[count] = mem[count];
        count++;
    }
    struct store_query mem_q[8], pg_q[8];
    size_t queries = some_queries(s, mem_q);
    memcpy(pg_q, mem_q, sizeof pg_q);
    instant mem_now = 0, pg_now = 0;
    struct err mem_e = lane->mem->begin(lane->mem->self, mem, count, mem_q, queries, s->arena, &mem_now);
    struct err pg_e = lane->pg->begin(lane->pg->self, pg, count, pg_q, queries, s->arena, &pg_now);
    s->totals->begins++;
    if (!same_err(s, "begin", mem_e, pg_e))
        return false;
    if (pg_now - mem_now > INSTANT_MINUTE || mem_now - pg_now > INSTANT_MINUTE)
        differ(s, "now", "", "");
    for (size_t i = 0; i < count; i++) {
        same_number(s, "owned", mem[i].ret_owned, pg[i].ret_owned);
        s->totals->owned += mem[i].ret_owned;
        for (size_t k = 0; k < lane->slot_count; k++) {
            if (lane->slots[k].slot == mem[i].slot)
                lane->slots[k] = mem[i];
        }
    }
    same_queries(s, mem_q, pg_q, queries);
    return true;
}

static bool do_load(struct script *s, struct lane_pair *lane)
{
    struct store_query mem_q[8], pg_q[8];
    size_t queries = some_queries(s, mem_q);
    memcpy(pg_q, mem_q, sizeof pg_q);
    struct err mem_e = lane->mem->load(lane->mem->self, mem_q, queries, s->arena);
    struct err pg_e = lane->pg->load(lane->pg->self, pg_q, queries, s->arena);
    if (!same_err(s, "load", mem_e, pg_e))
        return false;
    same_queries(s, mem_q, pg_q, queries);
    return true;
}

// UPDATE and DELETE name each row once.
static bool key_is_there(const struct table *table, void *const *rows, size_t count, const void *row)
{
    struct table keys = *table;
    keys.column_count = table->key_count;
    for (size_t i = 0; i < count; i++) {
        if (test_rows_equal(&keys, rows[i], row))
            return true;
    }
    return false;
}

static struct store_changes some_changes(struct script *s)
{
    size_t count = roll(s, 5);
    struct store_change *changes = arena_new_array(s->arena, struct store_change, count);
    for (size_t c = 0; c < count; c++) {
        const struct table *table = all_tables[roll(s, TABLES)];
        enum change_kind kind = (enum change_kind)roll(s, 3);
        if (table->kind == TABLE_APPEND || table == &seen_table) // no right to change what was seen
            kind = CHANGE_INSERT;
        void **rows = arena_new_array(s->arena, void *, ROWS_MAX);
        size_t row_count = 0;
        for (size_t i = roll(s, ROWS_MAX + 1); i-- > 0;) {
            void *row = some_row(s, table);
            if (kind == CHANGE_INSERT ? chance(s, 10) || !key_is_there(table, rows, row_count, row)
                                      : !key_is_there(table, rows, row_count, row))
                rows[row_count++] = row;
        }
        changes[c] =
            (struct store_change){.table = table, .kind = kind, .rows = rows, .row_count = row_count};
    }
    size_t position_count = roll(s, 4);
    struct store_position *positions = arena_new_array(s->arena, struct store_position, position_count);
    for (size_t i = 0; i < position_count; i++)
        positions[i] = (struct store_position){.slot = (int32_t)i,
                                               .topic = (enum topic)(1 + roll(s, 3)),
                                               .next_offset = chance(s, 2) ? -1 : (int64_t)roll(s, 1000)};
    return (struct store_changes){
        .changes = changes, .change_count = count, .positions = positions, .position_count = position_count};
}

static void do_commit(struct script *s, struct lane_pair *lane)
{
    struct store_changes changes = some_changes(s);
    struct err mem_e = lane->mem->commit(lane->mem->self, &changes);
    struct err pg_e = lane->pg->commit(lane->pg->self, &changes);
    s->totals->commits++;
    bool good = same_err(s, "commit", mem_e, pg_e);
    s->totals->committed += good;
    s->totals->rejected += mem_e.class == ERR_REJECT;
    for (size_t i = 0; i < lane->slot_count; i++) {
        lane->slots[i].batch_no += good && lane->slots[i].ret_owned;
        lane->slots[i].ret_owned = false;
    }
}

static void do_transaction(struct script *s, struct lane_pair *lane)
{
    for (size_t i = 0; i < lane->slot_count; i++)
        lane->slots[i].ret_owned = false;
    if (!do_begin(s, lane))
        return;
    bool going = true;
    while (going && chance(s, 25))
        going = do_load(s, lane);
    if (going && chance(s, 90)) {
        do_commit(s, lane);
        return;
    }
    lane->mem->rollback(lane->mem->self);
    lane->pg->rollback(lane->pg->self);
    for (size_t i = 0; i < lane->slot_count; i++)
        lane->slots[i].ret_owned = false;
}

static void do_outbox(struct script *s, struct lane_pair *lane)
{
    struct outbox_row *mem = NULL, *pg = NULL;
    size_t mem_count = 0, pg_count = 0;
    int32_t slot = (int32_t)roll(s, SLOTS);
    int64_t numbers[] = {roll(s, 9), 100, roll(s, 9)};
    size_t count = roll(s, 4);
    struct err mem_e, pg_e;
    if (chance(s, 50)) {
        mem_e = lane->mem->outbox_after(lane->mem->self, slot, numbers[0], count, s->arena, &mem, &mem_count);
        pg_e = lane->pg->outbox_after(lane->pg->self, slot, numbers[0], count, s->arena, &pg, &pg_count);
    } else {
        mem_e = lane->mem->outbox_get(lane->mem->self, slot, numbers, count, s->arena, &mem, &mem_count);
        pg_e = lane->pg->outbox_get(lane->pg->self, slot, numbers, count, s->arena, &pg, &pg_count);
    }
    if (!same_err(s, "outbox", mem_e, pg_e))
        return;
    same_number(s, "outbox rows", (int64_t)mem_count, (int64_t)pg_count);
    for (size_t i = 0; i < mem_count && i < pg_count; i++) {
        same_number(s, "outbox slot", mem[i].slot, pg[i].slot);
        same_number(s, "outbox batch_no", mem[i].batch_no, pg[i].batch_no);
        same_bytes(s, "outbox records", mem[i].records, pg[i].records);
    }
}

static void do_small(struct script *s, struct lane_pair *lane)
{
    struct store_port *mem = lane->mem, *pg = lane->pg;
    int32_t slots[SLOTS] = {3, 1, 0, 2};
    instant mem_due[SLOTS], pg_due[SLOTS];
    struct slot_fence fences[SLOTS];
    memcpy(fences, lane->slots, sizeof fences);
    for (size_t i = 0; i < lane->slot_count; i++)
        fences[i].published_no = chance(s, 5) ? fences[i].batch_no + 1 : fences[i].batch_no;
    struct bytes suspect = some_text(s, 10);
    struct store_position starts[2];
    for (size_t i = 0; i < 2 && lane->slot_count > 0; i++)
        starts[i] = (struct store_position){.slot = fences[roll(s, (uint32_t)lane->slot_count)].slot,
                                            .topic = i == 0 ? TOPIC_CONTROL : TOPIC_ORDERS,
                                            .next_offset = (int64_t)roll(s, 3)};
    switch (roll(s, 7)) {
    case 5:
        same_err(s, "mark_begun", mem->mark_begun(mem->self, fences, lane->slot_count),
                 pg->mark_begun(pg->self, fences, lane->slot_count));
        break;
    case 4:
        if (lane->slot_count > 0)
            same_err(s, "start", mem->start(mem->self, fences, lane->slot_count, starts, 2),
                     pg->start(pg->self, fences, lane->slot_count, starts, 2));
        break;
    case 0:
        same_err(s, "release", mem->release(mem->self, fences, lane->slot_count),
                 pg->release(pg->self, fences, lane->slot_count));
        break;
    case 1:
        same_err(s, "mark_published", mem->mark_published(mem->self, fences, lane->slot_count),
                 pg->mark_published(pg->self, fences, lane->slot_count));
        break;
    case 2:
        if (lane->slot_count > 0 && bytes_is_utf8(suspect)) {
            struct err mem_e = mem->mark_suspect(mem->self, fences[0].slot, fences[0].epoch, suspect, 2);
            same_err(s, "mark_suspect", mem_e,
                     pg->mark_suspect(pg->self, fences[0].slot, fences[0].epoch, suspect, 2));
        }
        break;
    case 3:
        if (same_err(s, "next_due", mem->next_due(mem->self, slots, SLOTS, mem_due),
                     pg->next_due(pg->self, slots, SLOTS, pg_due)))
            for (size_t i = 0; i < SLOTS; i++)
                same_number(s, "next_due", mem_due[i], pg_due[i]);
        break;
    default:
        do_outbox(s, lane);
        break;
    }
}

// ---- everything that is stored, by another connection

static void same_table(struct script *s, const struct table *table)
{
    char order[64] = "";
    for (size_t i = 0; i < table->key_count; i++)
        snprintf(order + strlen(order), sizeof order - strlen(order), "%s%zu", i == 0 ? "" : ", ", i + 1);
    const char *columns = "";
    for (size_t i = 0; i < table->column_count; i++)
        columns = arena_printf(s->arena, "%s%s\"%s\"", columns, i == 0 ? "" : ", ", table->columns[i].name);
    const char *sql =
        arena_printf(s->arena, "SELECT %s FROM " TEST_SCHEMA ".%s ORDER BY %s", columns, table->name, order);
    PGresult *result = NULL;
    struct store_query q = {.table = table};
    struct err e = pg_run(s->reader, sql, NULL, 0, &result);
    if (!err_is(&e))
        e = store_sql_rows(table, result, s->arena, &q);
    PQclear(result);
    if (err_is(&e))
        differ(s, table->name, "", e.text);
    void *rows = NULL;
    size_t count = store_mem_all(s->db, table, s->arena, &rows);
    same_rows(s, table, rows, count, q.rows, q.row_count);
}

static void open_all(struct script *s)
{
    test_admin("TRUNCATE slot, position, kinds, pair, journal, key_state, seen, held, effect, outbox");
    s->db = store_mem_db_new(test_tables, TEST_TABLES, clock_system());
    for (size_t i = 0; i < LANES; i++) {
        s->lanes[i].mem = store_mem_open(s->db);
        struct err e = store_pg_open(test_dsn(), TEST_SCHEMA, test_tables, TEST_TABLES, &s->lanes[i].pg);
        if (err_is(&e))
            differ(s, "open", "", e.text);
    }
    struct err e = pg_open(test_dsn(), "test", NULL, &s->reader);
    if (err_is(&e))
        differ(s, "open", "", e.text);
}

unsigned script_run(uint64_t seed, unsigned steps, struct script_totals *totals)
{
    struct script s = {.seed = seed, .state = seed, .arena = arena_new(65536), .totals = totals};
    open_all(&s);
    for (s.step = 0; s.step < steps && s.differences == 0; s.step++) {
        struct lane_pair *lane = &s.lanes[roll(&s, LANES)];
        arena_reset(s.arena);
        uint32_t which = roll(&s, 100);
        if (!lane->connected || which < 8)
            do_claim(&s, lane);
        else if (which < 80)
            do_transaction(&s, lane);
        else
            do_small(&s, lane);
    }
    arena_reset(s.arena);
    for (size_t t = 0; t < TABLES && s.differences == 0; t++)
        same_table(&s, all_tables[t]);
    for (size_t i = 0; i < LANES; i++) {
        store_mem_close(s.lanes[i].mem);
        store_pg_close(s.lanes[i].pg);
    }
    pg_close(s.reader);
    store_mem_db_free(s.db);
    arena_free(s.arena);
    return s.differences;
}
