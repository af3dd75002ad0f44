// The short texts in key_state.
#include "fuzz/fuzz.h"
#include "lane/sequences.h"

static void check_sequences(struct arena *arena, struct bytes text, enum topic topic, uint64_t sequence)
{
    const struct bytes set = sequences_set(arena, text, topic, sequence);
    FUZZ_CHECK(sequences_get(set, topic) == sequence);
    for (size_t i = 0; topic_at(i) != NULL; i++) {
        const enum topic other = topic_at(i)->number;
        if (other != topic)
            FUZZ_CHECK(sequences_get(set, other) == sequences_get(text, other));
    }
    FUZZ_CHECK(bytes_equal(sequences_set(arena, set, topic, sequence), set));
}

static void check_recent(struct arena *arena, struct bytes text, int64_t batch_no)
{
    int64_t before[RECENT_MAX], after[RECENT_MAX];
    const size_t count = recent_get(text, before);
    FUZZ_CHECK(count <= RECENT_MAX);
    struct bytes earlier = bytes_of(NULL, 0);
    int64_t moved[RECENT_MAX];
    const struct bytes added = recent_add(arena, text, batch_no, &earlier);
    const size_t then = recent_get(added, after);
    FUZZ_CHECK(then > 0 && then <= RECENT_MAX && after[then - 1] == batch_no);
    const size_t older = recent_get(earlier, moved);
    const size_t is_new = count > 0 && before[count - 1] == batch_no ? 0 : 1;
    FUZZ_CHECK(older + then == count + is_new); // none is lost, in order
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(before[i] == (i < older ? moved[i] : after[i - older]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(256);
    struct fuzz_source source = fuzz_source_of(data, size);
    size_t topics = 0;
    while (topic_at(topics) != NULL)
        topics++;
    const enum topic topic = topic_at(fuzz_below(&source, (uint32_t)topics))->number;
    const int64_t number = fuzz_number(&source) & INT64_MAX;
    const struct bytes text = fuzz_rest(&source);
    check_sequences(arena, text, topic, (uint64_t)number);
    check_recent(arena, text, number);
    arena_free(arena);
    return 0;
}
