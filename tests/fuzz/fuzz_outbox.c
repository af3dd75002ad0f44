// Outbox rows: what is packed comes out again as it went in; other bytes are refused and never handed to the bus.
#include "fuzz/fuzz.h"
#include "lane/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTS_MAX 8

static struct lane *lane_make(struct arena *arena)
{
    static const struct lane_service service = {.name = "fuzz"};
    struct lane *lane = calloc(1, sizeof *lane);
    FUZZ_CHECK(lane != NULL);
    lane->service = &service;
    lane->batch_arena = arena;
    lane->pending_arena = arena;
    return lane;
}

static void lane_end(struct lane *lane)
{
    for (int i = 0; i < SLOT_MAX; i++)
        free(lane->slots[i].inflight);
    free(lane->pending);
    free(lane);
}

static void check_pending(const struct lane *lane)
{
    for (size_t i = 0; i < lane->pending_count; i++) {
        const struct bus_out *out = &lane->pending[i];
        bool known = false;
        for (size_t t = 0; topic_at(t) != NULL; t++)
            known = known || topic_at(t)->number == out->topic;
        FUZZ_CHECK(known);
        FUZZ_CHECK(out->type != NULL && out->event_id != NULL);
    }
}

static void check_bytes(struct arena *arena, struct bytes records)
{
    struct lane *lane = lane_make(arena);
    const struct outbox_row row = {.slot = 3, .batch_no = 7, .records = records};
    struct err e = publish_queue_stored(lane, &row, 1);
    FUZZ_CHECK(!err_is(&e) || e.class == ERR_CONFIG);
    if (!err_is(&e))
        check_pending(lane);
    lane_end(lane);
}

static size_t make_outs(struct fuzz_source *source, struct arena *arena, struct out outs[static OUTS_MAX])
{
    const size_t count = fuzz_below(source, OUTS_MAX);
    size_t topics = 0;
    while (topic_at(topics) != NULL)
        topics++;
    for (size_t i = 0; i < count; i++) {
        outs[i] = (struct out){.slot = (int32_t)fuzz_below(source, 2),
                               .topic = topic_at(fuzz_below(source, (uint32_t)topics))->number,
                               .key = fuzz_piece(source, arena, 64),
                               .value = fuzz_piece(source, arena, 1024),
                               .type = fuzz_string(source, arena, 40),
                               .sequence = (uint64_t)fuzz_number(source),
                               .causation_id = fuzz_string(source, arena, 40),
                               .traceparent = fuzz_string(source, arena, 60),
                               .at = fuzz_number(source)};
        snprintf(outs[i].event_id, sizeof outs[i].event_id, "%s", fuzz_string(source, arena, 36));
    }
    return count;
}

static void check_round(struct fuzz_source *source, struct arena *arena)
{
    struct out outs[OUTS_MAX];
    const size_t count = make_outs(source, arena, outs);
    struct lane *lane = lane_make(arena);
    const struct outbox_row row = {.slot = 0, .batch_no = 1, .records = publish_pack(arena, outs, count, 0)};
    struct err e = publish_queue_stored(lane, &row, 1);
    FUZZ_CHECK(!err_is(&e));
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        if (outs[i].slot != 0)
            continue;
        FUZZ_CHECK(next < lane->pending_count);
        const struct bus_out *out = &lane->pending[next++];
        FUZZ_CHECK(out->topic == outs[i].topic && out->at == outs[i].at);
        FUZZ_CHECK(bytes_equal(out->key, outs[i].key) && bytes_equal(out->value, outs[i].value));
        FUZZ_CHECK(strcmp(out->type, outs[i].type) == 0 && strcmp(out->event_id, outs[i].event_id) == 0);
        FUZZ_CHECK(strcmp(out->traceparent, outs[i].traceparent) == 0);
    }
    FUZZ_CHECK(next == lane->pending_count);
    lane_end(lane);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    if (fuzz_byte(&source) % 2 == 0)
        check_bytes(arena, fuzz_rest(&source));
    else
        check_round(&source, arena);
    arena_free(arena);
    return 0;
}
