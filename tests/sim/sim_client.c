// Clients of the doors: each sends its submission until it has a definite answer, with the same key, to whichever instance is
// there; some ask again though they have been answered.
#include "sim/sim.h"

#include "base/hash.h"
#include "ingress/ingress.h"
#include "intake/intake_http.h"
#include "orderclerk/v1/orders.pb-c.h"

#include <assert.h>
#include <stdio.h>

#define ANSWER_US (8 * INSTANT_SECOND) // a client waits so long
#define AGAIN_MS  1500
#define TRIES_MAX 2000 // of one submission: more is a door that never opens

struct sim_try {
    struct sim_client *client;
    struct arena *arena;
    bool over;
};

static void send_try(void *self);

static void take_answer(void *self, const struct ingress_answer *answer)
{
    struct sim_try *t = self;
    struct sim_client *c = t->client;
    t->over = true;
    int64_t again = (int64_t)sim_below(&sim->schedule, AGAIN_MS) * INSTANT_MS;
    if (answer->status == INGRESS_FAILED || answer->status == INGRESS_UNKNOWN) {
        sim_after(again, send_try, c);
        return;
    }
    if (answer->status == INGRESS_CONFLICT)
        sim_fail(I3_ONE_ANSWER, "a client's own submission is said to conflict with another");
    if (c->definite) {
        SIM_CHECK(I3_ONE_ANSWER,
                  uuid_equal(c->subject, answer->subject) && uuid_equal(c->submission, answer->submission),
                  "a repeated submission got another answer than its first try");
    }
    bool first = !c->definite;
    c->definite = true;
    c->subject = answer->subject;
    c->submission = answer->submission;
    if (first && c->stored != NULL)
        c->stored(c, answer->subject);
    if (c->extra_tries > 0) {
        c->extra_tries--;
        sim_after(again, send_try, c);
    }
}

static void time_out(void *self)
{
    struct sim_try *t = self;
    if (t->over)
        return;
    t->over = true; // an answer that comes later is read as well
    send_try(t->client);
}

static void send_try(void *self)
{
    struct sim_client *c = self;
    assert(c->tries < TRIES_MAX);
    c->tries++;
    struct sim_process *p = sim_some_process(&sim->schedule, c->service);
    int retry_after_s;
    if (p == NULL || p->ingress == NULL || p->stopped_until > sim->now ||
        !ingress_accepts(p->ingress, &retry_after_s)) {
        sim_after(INSTANT_SECOND + (int64_t)sim_below(&sim->schedule, AGAIN_MS) * INSTANT_MS, send_try, c);
        return;
    }
    struct ingress_item item;
    sim->ids_of = c->random;
    bool made = c->make(c, sim->arena, &item);
    sim->ids_of = NULL;
    if (!made) {
        c->refused = true;
        return;
    }
    struct sim_try *t = arena_new_object(sim->arena, struct sim_try);
    t->client = c;
    sim_after(ANSWER_US, time_out, t);
    ingress_submit(p->ingress, &item, take_answer, t);
}

void sim_client_send(struct sim_client *client, instant at)
{
    sim_at(at, send_try, client);
}

// ---- one record

static bool make_note(struct sim_client *client, struct arena *arena, struct ingress_item *ret_item)
{
    const struct sim_note *note = client->what;
    struct ingress_record *record = arena_new_object(arena, struct ingress_record);
    *record =
        (struct ingress_record){.topic = note->topic, .key = bytes_str(note->key), .message = note->message};
    char *id = arena_alloc(arena, UUID_TEXT_SIZE);
    struct ingress_item item = {.id = uuid_v7(sim->now),
                                .scope = bytes_str("id"),
                                .client_key =
                                    intake_client_key(arena, note->endpoint, "sim", bytes_str(note->name)),
                                .kind = bytes_str("request"),
                                .content_type = bytes_str(INTAKE_JSON),
                                .raw = bytes_str(note->name),
                                .subject = note->subject,
                                .records = record,
                                .record_count = 1};
    uuid_format(item.id, id);
    item.key = bytes_str(id);
    hash_sha256(bytes_str(arena_printf(arena, "%s %s", note->name, note->key)), item.fingerprint);
    // A request's id is its submission's, as intake_request.c has it.
    if (note->topic == TOPIC_ORDERS)
        ((Orderclerk__V1__OrderRequest *)(void *)(uintptr_t)note->message)->request_id = id;
    *ret_item = item;
    return true;
}

struct sim_client *sim_client_note(enum sim_service_id service, const struct sim_note *note, instant at)
{
    struct sim_client *client = arena_new_object(sim->arena, struct sim_client);
    client->service = service;
    client->make = make_note;
    client->what = arena_copy(sim->arena, note, sizeof *note);
    struct sim_random *random = arena_new_object(sim->arena, struct sim_random);
    *random = sim_stream(sim->options.seed, 77, hash_fnv1a(bytes_str(note->name)));
    client->random = random;
    client->extra_tries = sim_chance(random, 8) ? 1 : 0;
    sim_client_send(client, at);
    return client;
}
