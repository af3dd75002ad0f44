// The outside world of a bench, as cheap as it can be: what the Python doubles do for tests, without their cost.
//
// Each part is one thread of bench_peers. They know Kafka, SMTP and proto/ only. A part that can't go on ends the program.
#pragma once

#include <stdint.h>

struct peers_options {
    const char *brokers;
    const char *prefix;    // of topic names: "t1."
    const char *completed; // file of "order_id microseconds" lines, one per OrderCompleted read
};

// Never return.
void *peers_mail(void *socket);     // int *: a listening socket; takes every message, keeps none
void *peers_finance(void *options); // hand-over to the ERP, invoices and payments, answered at once
void *peers_count(void *options);

uint64_t peers_mails(void); // taken so far

// ---- Kafka

struct rd_kafka_s;
struct rd_kafka_message_s;

// A consumer of all partitions of a topic, from its beginning.
struct rd_kafka_s *peers_consumer(const struct peers_options *options, const char *topic);
struct rd_kafka_s *peers_producer(const struct peers_options *options);
void peers_topic_name(const struct peers_options *options, const char *topic, char ret_name[static 256]);
_Noreturn void peers_fail(const char *what, const char *why);
