// One service's lane over memory (FUZZ_LANE), under any messages of its topics, foreign bytes, lost and doubled records, answers
// of effects, and passing time. The lane must stay up, and whatever it sends must be readable and in order.
#include "fuzz/fuzz.h"
#include "sim/harness.h"
#ifdef FUZZ_NOTIFIER
#include "notifier/notifier.h"
#endif
#ifdef FUZZ_ORCHESTRATOR
#include "orchestrator/orchestrator.h"
#endif

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 40
#define KEYS_MAX  64

extern const struct lane_service FUZZ_LANE;

// The services that need it are told apart by what they need: see CMakeLists.txt.
static void prepare(void)
{
    static bool done;
    FUZZ_CHECK(done || sodium_init() >= 0);
#ifdef FUZZ_NOTIFIER
    struct err e = done ? err_ok() : notifier_prepare();
    FUZZ_CHECK(!err_is(&e));
#endif
#ifdef FUZZ_ORCHESTRATOR
    orchestrator_context();
#endif
    done = true;
}

// clang-format off
static const char *const words[] = {
    "0192f0c0-0000-7000-8000-000000000001", "0192f0c0-0000-7000-8000-0000000000aa", "0192f0c0-0000-8000-8000-0000000000ab",
    "A-100", "B-200", "SH1", "GZ1", "AUTO", "CNY", "USD", "Asia/Shanghai", "2026-09-25", "9999-12-31", "production",
    "warehouse", "logistics", "finance", "sales", "qa", "operator", "PRODUCTION", "CODE@field", "remarks", "lines[1].quantity",
    "li@customer.example", "zh-CN", "en", "http", "auto", "http://warehouse.example:9000", "SF", "SF1234567890123",
    "accepted", "packed", "handed_over", "in_transit", "delivered", "cancel_accepted", "rejected", "exception", "lost",
    "received", "confirmed", "shipped", "reminder", "clarification", "CN", "GD", "+86 199 0000 0001", "CN-STD", "C0001", "pc",
    "BOX", "10", "", "上海", NULL};
static const char *const keys[] = {
    "0192f0c0-0000-7000-8000-000000000001", "0192f0c0-0000-7000-8000-000000000002", "A-100@SH1", "B-200@GZ1", "A-100", "SH1",
    "AUTO", "CN-STD/A-100", "C0001", "CN", "no key"};
// clang-format on

// ---- what it sends

static bool is_input(enum topic topic)
{
    bool found = false;
    for (size_t i = 0; i < FUZZ_LANE.input_count; i++)
        found = found || FUZZ_LANE.inputs[i] == topic;
    return found;
}

static void check_sent(struct harness *h)
{
    struct {
        enum topic topic;
        char key[64];
        uint64_t last;
    } known[KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < FUZZ_LANE.output_count; i++) {
        struct head head;
        if (is_input(FUZZ_LANE.outputs[i])) // what was sent to itself has been read, beside foreign bytes
            continue;
        const struct topic_info *info = topic_info(FUZZ_LANE.outputs[i]);
        for (const ProtobufCMessage *message; (message = harness_take(h, info->number, &head)) != NULL;) {
            FUZZ_CHECK(!uuid_is_nil(head.id) && message_not_utf8(message) == NULL);
            if (info->mode != TOPIC_SEQUENCED || head.again || head.key.size >= sizeof known[0].key)
                continue;
            size_t k = 0;
            while (k < count && (known[k].topic != info->number || !bytes_is(head.key, known[k].key)))
                k++;
            if (k == KEYS_MAX)
                continue;
            if (k == count) {
                known[count].topic = info->number;
                memcpy(known[count].key, head.key.data, head.key.size);
                known[count].key[head.key.size] = '\0';
                known[count++].last = 0;
            }
            FUZZ_CHECK(head.sequence == known[k].last + 1);
            known[k].last = head.sequence;
        }
    }
    while (!is_input(TOPIC_DEAD_LETTERS) && harness_take(h, TOPIC_DEAD_LETTERS, NULL) != NULL) { // readable
    }
}

// ---- steps

// Our own services, and intake's limits, keep numbers within bounds; on these topics they are anybody's.
static int64_t limit_of(enum topic topic)
{
    switch ((int)topic) {
    case TOPIC_DEPARTMENT_REPLIES:
    case TOPIC_STOCK_CHANGES:
    case TOPIC_CONTROL:
        return 0;
    case TOPIC_WAREHOUSE_REPLIES:
        return 1000000000000;
    default:
        return 4000000;
    }
}

static void send_message(struct harness *h, struct fuzz_source *source, struct arena *arena, bool foreign)
{
    enum topic topic = fuzz_byte(source) % 16 == 0
                           ? TOPIC_CONTROL
                           : FUZZ_LANE.inputs[fuzz_below(source, (uint32_t)FUZZ_LANE.input_count)];
    const char *key = keys[fuzz_byte(source) % (sizeof keys / sizeof keys[0])];
    if (topic != TOPIC_CONTROL && topic_written_by(topic, FUZZ_LANE.name))
        return; // what it says to itself is nobody else's to say
    source->limit = limit_of(topic);
    if (foreign) {
        harness_send_raw(h, topic, key, fuzz_piece(source, arena, 200));
        return;
    }
    struct head head = {.sequence = 0};
    const uint8_t how = fuzz_byte(source);
    if (how >= 224)
        head.sequence = 1 + how % 8; // a copy, or a gap
    head.again = how >= 240;
    ProtobufCMessage *message = fuzz_message(source, arena, topic_info(topic)->descriptor, words);
    // The common fields are the lane's.
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->id > 8 || field->id == 7)
            continue;
        void *at = (char *)message + field->offset;
        if (field->type == PROTOBUF_C_TYPE_STRING)
            *(const char **)at = protobuf_c_empty_string;
        else if (field->type == PROTOBUF_C_TYPE_BOOL)
            *(protobuf_c_boolean *)at = 0;
        else
            *(uint64_t *)at = 0;
    }
    harness_send_head(h, topic, key, message, &head);
}

static void answer_effect(struct harness *h, struct fuzz_source *source, struct arena *arena)
{
    static const enum effect_outcome outcomes[] = {EFFECT_OK, EFFECT_REFUSED, EFFECT_FAILED};
    struct effect_call call;
    const Orderclerk__V1__EffectRequest *request;
    if (!harness_effect(h, &call, &request))
        return;
    const uint8_t how = fuzz_byte(source);
    harness_answer(h, call.id, outcomes[how % 3], how * 3, fuzz_piece(source, arena, 300));
}

static void step(struct harness *h, struct fuzz_source *source, struct arena *arena)
{
    const uint8_t what = fuzz_byte(source) % 16;
    if (what < 9)
        send_message(h, source, arena, false);
    else if (what < 11)
        send_message(h, source, arena, true);
    else if (what < 13)
        answer_effect(h, source, arena);
    else if (what < 15)
        harness_advance(h, (int64_t)fuzz_below(source, 100000) * INSTANT_SECOND);
    else
        harness_run(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    struct arena *arena = arena_new(1 << 14);
    struct fuzz_source source = fuzz_source_of(data, size);
    struct harness *h = harness_new(&FUZZ_LANE);
    for (int i = 0; i < STEPS_MAX && fuzz_more(&source); i++)
        step(h, &source, arena);
    harness_run(h);
    check_sent(h);
    harness_free(h);
    arena_free(arena);
    return 0;
}
