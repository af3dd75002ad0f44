// The outside world of a bench, as cheap as it can be: what the Python doubles do for tests, without their cost.
//
// Each part is one thread of bench_peers. They know Kafka, SMTP, HTTP and proto/ only. A part that can't go on ends the
// program.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peers_options {
    const char *brokers;
    const char *prefix;  // of topic names: "t1."
    const char *counted; // file of "order_id microseconds type" lines, one per event counted
    const char *types;   // which are, e.g. "OrderCompleted,OrderCancelled"
    const char *intake;  // http://host:port, where the person cancels; NULL: nobody does
};

// Never return.
void *peers_mail(void *listener);      // int *: a listening socket; takes every message, keeps none
void *peers_warehouse(void *listener); // int *: likewise; refuses whatever it is to ship
void *peers_finance(void *options);    // hand-over to the ERP, invoices and payments, answered at once
void *peers_person(void *options);     // cancels every order that a person is called for
void *peers_count(void *options);

// ---- servers

#define PEERS_BUFFER_MAX 65536

struct peers_session {
    int fd;
    bool in_text; // the protocol's own: between DATA and the line with a dot
    size_t size;
    char buffer[PEERS_BUFFER_MAX]; // what has come and wasn't taken yet
};

// Takes what is whole from the front of a session's buffer. False: the session is over.
typedef bool peers_take(struct peers_session *session);

// Serves every session that comes, on this thread, for ever. greeting: what each is told first; "" for nothing.
_Noreturn void peers_serve(int listener, const char *greeting, peers_take *take);
void peers_say(struct peers_session *session, const char *text);
void peers_taken(struct peers_session *session, size_t size); // so many bytes from the front

// ---- Kafka

struct rd_kafka_s;
struct rd_kafka_message_s;

// A consumer of all partitions of a topic, from its beginning.
struct rd_kafka_s *peers_consumer(const struct peers_options *options, const char *topic);
struct rd_kafka_s *peers_producer(const struct peers_options *options);
void peers_topic_name(const struct peers_options *options, const char *topic, char ret_name[static 256]);
// The message's type without its package, e.g. "OrderCompleted", as long as the message lives; size 0: it has none.
const char *peers_event_type(const struct rd_kafka_message_s *message, size_t *ret_size);
_Noreturn void peers_fail(const char *what, const char *why);

// ---- HTTP

#define PEERS_ANSWER_MAX 4096

struct peers_calls;

struct peers_answer {
    void *context;
    long status;      // 0: none
    bool says_when;   // it has Retry-After
    const char *body; // zero-terminated, cut off at PEERS_ANSWER_MAX; valid until the next call
};

// POSTs of JSON, so many at a time on kept connections; one thread.
struct peers_calls *peers_calls_open(size_t at_once);
bool peers_calls_room(const struct peers_calls *calls);
bool peers_calls_open_ones(const struct peers_calls *calls); // some are unanswered
// body must live until the answer. Needs room.
void peers_calls_post(struct peers_calls *calls, const char *url, const char *body, size_t size,
                      void *context);
// The next answer; false: none within wait_ms.
bool peers_calls_next(struct peers_calls *calls, int wait_ms, struct peers_answer *ret_answer);
