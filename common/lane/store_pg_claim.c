// Claiming slots: connects, ends whoever stands in the way, raises the epochs. See lane/store.h.
#include "lane/store_pg_internal.h"

// How long a claim waits for a lock before it ends whoever holds it: far longer than a batch, and shorter than
// lock_timeout, since a backend's blockers are known only while it waits.
#define CLAIM_PATIENCE_US (1 * INSTANT_SECOND)
// Blockers one behind the other are met one by one.
#define CLAIM_ROUNDS_MAX 5

// Every statement finds its rows by key: a plan made once is right for all sizes, and a plan that reads a whole table is
// never right, not even while the table is small, since it would be kept while the table grows.
#define LANE_SETTINGS                                                                                        \
    "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c "                 \
    "enable_mergejoin=off"

static struct err connect_store(struct store_pg *s)
{
    store_pg_settle(s);
    if (s->pg != NULL)
        return err_ok();
    return pg_open(s->dsn, s->application, LANE_SETTINGS, &s->pg);
}

// Ends the backends of our own role that ours waits for. They are stopped processes, or lanes that will find themselves fenced.
static struct err end_blockers(struct store_pg *s)
{
    struct pg *helper = NULL;
    struct err e = pg_open(s->dsn, s->application, NULL, &helper);
    if (err_is(&e))
        return err_within(e, "to end a claim's blockers");
    struct pg_param pid = pg_i32(s->scratch, pg_backend(s->pg));
    e = pg_run(helper,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
               "WHERE pid = ANY (pg_blocking_pids($1)) AND usename = current_user",
               &pid, 1, NULL);
    pg_close(helper);
    return e;
}

static struct err claim_send(struct store_pg *s, const int32_t *slots, size_t count)
{
    const struct store_fixed_sql *f = store_sql_fixed(s->sql);
    struct pg_param params[2] = {pg_i32_array(s->scratch, slots, count), pg_text(bytes_str(s->owner))};
    struct err e = pg_send(s->pg, "BEGIN", NULL, 0);
    if (!err_is(&e))
        e = pg_send(s->pg, f->claim_make, params, 1);
    if (!err_is(&e))
        e = pg_send(s->pg, f->claim_lock, params, 1);
    if (!err_is(&e))
        e = pg_send(s->pg, f->claim_raise, params, 2);
    if (!err_is(&e))
        e = pg_send(s->pg, f->claim_positions, params, 1);
    if (!err_is(&e))
        e = pg_send(s->pg, "COMMIT", NULL, 0);
    return err_is(&e) ? e : pg_sync(s->pg);
}

static struct err claim_wait(struct store_pg *s)
{
    for (int round = 0; !pg_answered(s->pg, CLAIM_PATIENCE_US); round++) {
        if (round == CLAIM_ROUNDS_MAX)
            return err_make(ERR_RETRY, "slots stay locked");
        struct err e = end_blockers(s);
        if (err_is(&e))
            return e;
    }
    return err_ok();
}

static struct err claim_slots(const PGresult *result, const int32_t *slots, size_t count, struct arena *arena,
                              struct slot_claim *claims)
{
    static const uint32_t types[] = {PG_INT4, PG_INT8, PG_INT8, PG_INT8, PG_INT4, PG_TEXT, PG_INT4};
    struct err e = pg_expect(result, types, sizeof types / sizeof types[0]);
    if (err_is(&e))
        return e;
    if ((size_t)PQntuples(result) != count)
        return err_make(ERR_RETRY, "%d of %zu slots claimed", PQntuples(result), count);
    for (int row = 0; row < PQntuples(result); row++) {
        for (size_t i = 0; i < count; i++) {
            if (slots[i] == pg_get_i32(result, row, 0))
                claims[i] = (struct slot_claim){.slot = slots[i],
                                                .epoch = pg_get_i64(result, row, 1),
                                                .batch_no = pg_get_i64(result, row, 2),
                                                .published_no = pg_get_i64(result, row, 3),
                                                .dirty = pg_get_i32(result, row, 4),
                                                .suspect = arena_bytes(arena, pg_get_bytes(result, row, 5)),
                                                .suspect_tries = pg_get_i32(result, row, 6)};
        }
    }
    return err_ok();
}

// The result is sorted by slot.
static struct err claim_positions(const PGresult *result, size_t count, struct arena *arena,
                                  struct slot_claim *claims)
{
    static const uint32_t types[] = {PG_INT4, PG_INT4, PG_INT8};
    struct err e = pg_expect(result, types, sizeof types / sizeof types[0]);
    if (err_is(&e))
        return e;
    int rows = PQntuples(result);
    struct store_position *positions = arena_new_array(arena, struct store_position, (size_t)rows);
    for (int row = 0; row < rows; row++) {
        positions[row] = (struct store_position){.slot = pg_get_i32(result, row, 0),
                                                 .topic = (enum topic)pg_get_i32(result, row, 1),
                                                 .next_offset = pg_get_i64(result, row, 2)};
        for (size_t i = 0; i < count; i++) {
            if (claims[i].slot != positions[row].slot)
                continue;
            if (claims[i].position_count++ == 0)
                claims[i].positions = &positions[row];
        }
    }
    return err_ok();
}

static struct err claim_receive(struct store_pg *s, const int32_t *slots, size_t count, struct arena *arena,
                                struct slot_claim *claims)
{
    PGresult *raised = NULL;
    PGresult *positions = NULL;
    struct err e = err_ok();
    for (int i = 0; i < 3 && !err_is(&e); i++) // BEGIN, make, lock
        e = store_pg_receive_done(s);
    if (!err_is(&e))
        e = pg_receive(s->pg, &raised);
    if (!err_is(&e))
        e = pg_receive(s->pg, &positions);
    if (!err_is(&e))
        e = pg_drain(s->pg);
    if (!err_is(&e))
        e = claim_slots(raised, slots, count, arena, claims);
    if (!err_is(&e))
        e = claim_positions(positions, count, arena, claims);
    PQclear(raised);
    PQclear(positions);
    return e;
}

struct err store_pg_claim(void *self, const int32_t *slots, size_t count, struct arena *arena,
                          struct slot_claim *ret_claims)
{
    struct store_pg *s = self;
    struct err e = connect_store(s);
    if (err_is(&e))
        return e;
    struct slot_claim *claims = arena_new_array(arena, struct slot_claim, count);
    e = claim_send(s, slots, count);
    if (!err_is(&e))
        e = claim_wait(s);
    if (!err_is(&e))
        e = claim_receive(s, slots, count, arena, claims);
    if (err_is(&e)) {
        store_pg_settle(s);
        return e.class == ERR_FENCED ? err_make(ERR_RETRY, "%s", e.text) : e;
    }
    arena_reset(s->scratch);
    for (size_t i = 0; i < count; i++)
        ret_claims[i] = claims[i];
    return e;
}
