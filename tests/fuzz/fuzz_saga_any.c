// The saga's stepper under any message of its topics, sensible or not: lines that don't exist, answers that nobody has asked for,
// departments' numbers at their edges.
//
// After each step: the state is a known one, the revision has risen by one with each transition told, a waiting state has an
// owner and a deadline, nothing leaves a final state, what has ended undone holds nothing, and the document is the same after it
// has been packed and unpacked.
#include "fuzz/fuzz.h"
#include "orchestrator/saga/saga.h"

#include <string.h>

#define ORDER     "0192f0c0-0000-7000-8000-000000000001"
#define BEGIN     (INSTANT_DAY * 20780 + 2 * INSTANT_HOUR)
#define STEPS_MAX 60

#define OWN_NUMBER_MAX 4000000

struct walk {
    struct arena *arena;
    struct saga_context context;
    struct saga_settings settings;
    Orderclerk__V1__OrderState *doc;
    struct fuzz_source source;
    instant now;
    uint64_t number;
    uint64_t revision; // of the last transition told
    uint64_t commands;
    const char *shipment; // the newest one asked for
};

// ---- what the saga sends

static void take_event(void *self, const Orderclerk__V1__OrderEvent *event)
{
    struct walk *walk = self;
    FUZZ_CHECK(event->transition != NULL && event->transition->rule_id != 0);
    FUZZ_CHECK(event->saga_revision == walk->doc->saga_revision);
    fuzz_pack(walk->arena, &event->base);
}

static struct uuid take_command(void *self, enum saga_peer peer, const ProtobufCMessage *command)
{
    struct walk *walk = self;
    FUZZ_CHECK(peer < SAGA_PEER_COUNT);
    fuzz_pack(walk->arena, command);
    walk->commands++;
    return uuid_from_name("fuzz", bytes_of(&walk->commands, sizeof walk->commands));
}

static void take_again(void *self, enum saga_peer peer, struct uuid event_id)
{
    (void)self;
    FUZZ_CHECK(peer < SAGA_PEER_COUNT && !uuid_is_nil(event_id));
}

static uint64_t take_number(void *self)
{
    return ++((struct walk *)self)->number;
}

static void take_transition(void *self, const struct saga_transition *transition)
{
    struct walk *walk = self;
    FUZZ_CHECK(transition->revision == walk->revision + 1);
    FUZZ_CHECK(saga_state_find(transition->from) != SAGA_STATE_NONE);
    // A request may be refused there.
    FUZZ_CHECK(saga_state_info(saga_state_find(transition->from))->kind != SAGA_FINAL ||
               strcmp(transition->from, transition->to) == 0);
    walk->revision = transition->revision;
}

static struct saga_sink sink_of(struct walk *walk)
{
    return (struct saga_sink){.self = walk,
                              .order_event = take_event,
                              .command = take_command,
                              .again = take_again,
                              .number = take_number,
                              .transition = take_transition};
}

// ---- what must hold

static void reload(struct walk *walk)
{
    const struct bytes packed = fuzz_pack(walk->arena, &walk->doc->base);
    ProtobufCMessage *copy = protobuf_c_message_unpack(&orderclerk__v1__order_state__descriptor,
                                                       arena_protobuf(walk->arena), packed.size, packed.data);
    FUZZ_CHECK(copy != NULL && bytes_equal(fuzz_pack(walk->arena, copy), packed));
    walk->doc = (Orderclerk__V1__OrderState *)(void *)copy;
}

static void check_undone(const Orderclerk__V1__OrderState *doc)
{
    FUZZ_CHECK(doc->n_allocations == 0);
    for (size_t i = 0; i < doc->n_steps; i++)
        FUZZ_CHECK(strcmp(doc->steps[i]->name, "reserve") != 0 ||
                   strcmp(doc->steps[i]->state, "UNDONE") == 0 ||
                   strcmp(doc->steps[i]->state, "UNDOING") == 0);
}

static void check_doc(struct walk *walk)
{
    const Orderclerk__V1__OrderState *doc = walk->doc;
    const enum saga_state state = saga_state_find(doc->state);
    FUZZ_CHECK(state != SAGA_STATE_NONE);
    FUZZ_CHECK(doc->saga_revision == walk->revision);
    const struct saga_state_info *info = saga_state_info(state);
    if (doc->saga_revision > 0 && info->kind == SAGA_WAITING)
        FUZZ_CHECK(doc->waiting_on[0] != '\0' && doc->deadline_us != 0);
    if (info->kind == SAGA_FINAL)
        FUZZ_CHECK(saga_due(&walk->context, doc) == INSTANT_NONE);
    if (strcmp(doc->state, "CANCELLED") == 0 || strcmp(doc->state, "REJECTED") == 0)
        check_undone(doc);
    for (size_t i = 0; i < doc->n_shipments; i++)
        walk->shipment = doc->shipments[i]->shipment_id;
    reload(walk);
}

// ---- steps

static const ProtobufCMessageDescriptor *const types[] = {
    &orderclerk__v1__order_request__descriptor,    &orderclerk__v1__validation_event__descriptor,
    &orderclerk__v1__inventory_event__descriptor,  &orderclerk__v1__shipment_event__descriptor,
    &orderclerk__v1__department_reply__descriptor,
};

static void send(struct walk *walk, const ProtobufCMessageDescriptor *type)
{
    const char *const words[] = {walk->shipment,
                                 "A-100",
                                 "SH1",
                                 "AUTO",
                                 "CNY",
                                 "Asia/Shanghai",
                                 "2026-11-25",
                                 "9999-12-31",
                                 "production",
                                 "warehouse",
                                 "logistics",
                                 "finance",
                                 "sales",
                                 "qa",
                                 "PRODUCTION",
                                 "WAREHOUSE",
                                 "TRANSPORT",
                                 "remarks",
                                 "lines[1].quantity",
                                 "1",
                                 "delivery.city",
                                 "CODE",
                                 "",
                                 NULL};
    // Intake and our own services keep theirs within bounds; departments write to the topic themselves.
    walk->source.limit = type == &orderclerk__v1__department_reply__descriptor ? 0 : OWN_NUMBER_MAX;
    const ProtobufCMessage *message = fuzz_message(&walk->source, walk->arena, type, words);
    const struct bytes packed = fuzz_pack(walk->arena, message);
    message = protobuf_c_message_unpack(type, arena_protobuf(walk->arena), packed.size, packed.data);
    FUZZ_CHECK(message != NULL);
    struct saga_input input;
    if (!saga_input_of(message, &input))
        return;
    const uint64_t revision = walk->doc->saga_revision;
    const struct saga_sink sink = sink_of(walk);
    const struct saga_result result =
        saga_step(&walk->context, walk->arena, walk->doc, &input, walk->now, &sink);
    const bool changed = result.outcome == SAGA_MOVED || result.outcome == SAGA_REFUSED;
    FUZZ_CHECK(changed == (walk->doc->saga_revision > revision));
    check_doc(walk);
}

static void pass_time(struct walk *walk)
{
    const instant due = saga_due(&walk->context, walk->doc);
    const struct saga_sink sink = sink_of(walk);
    if (due != INSTANT_NONE && due > walk->now && due < walk->now + 400 * INSTANT_DAY)
        walk->now = due;
    saga_run_due(&walk->context, walk->arena, walk->doc, walk->now, &sink);
    check_doc(walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct walk walk = {.arena = arena_new(1 << 16),
                        .settings = saga_settings_default(),
                        .source = fuzz_source_of(data, size),
                        .now = BEGIN,
                        .shipment = ORDER};
    walk.context = (struct saga_context){.settings = &walk.settings, .book = saga_book()};
    walk.doc = saga_new(&walk.context, walk.arena, ORDER);
    send(&walk, types[0]);
    for (int i = 0; i < STEPS_MAX && fuzz_more(&walk.source); i++) {
        const uint8_t what = fuzz_byte(&walk.source);
        if (what % 8 == 7)
            pass_time(&walk);
        else
            send(&walk, types[what % (sizeof types / sizeof types[0])]);
    }
    arena_free(walk.arena);
    return 0;
}
