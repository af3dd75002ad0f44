// The bus's events: what consumer and producer have to say, one at a time.
//
// Both speak in events, polled by the lane's thread; no callback runs but the log's. Record views point into the event
// that holds the record, which is kept until the next poll.
#include "kafka/bus_kafka_internal.h"

#include <stdio.h>
#include <string.h>

// Longest sleep without telling librdkafka that this member is alive (max.poll.interval.ms).
#define SLEEP_MAX_US 1000000
// Longest sleep while reports are to come. Nobody waits for one: being woken by each, several a batch, would cost more than
// they are worth.
#define REPORT_LOOK_US 20000
// One poll in so many looks first for what begins work, so that it can't wait for ever.
#define BEGINNING_EACH 16

size_t bus_kafka_cells(const struct bus_kafka *b)
{
    return (size_t)b->partitions * b->settings.input_count;
}

int64_t *bus_kafka_next(struct bus_kafka *b, int32_t slot, size_t input)
{
    return &b->next[(size_t)slot * b->settings.input_count + input];
}

void bus_kafka_read_nothing(struct bus_kafka *b)
{
    for (size_t i = 0; i < bus_kafka_cells(b); i++)
        b->next[i] = BUS_KAFKA_NOT_READ;
    b->trouble_count = 0;
}

void bus_kafka_add_trouble(struct bus_kafka *b, int32_t slot, size_t input, int64_t offset, const char *why)
{
    if (b->trouble_count == bus_kafka_cells(b))
        return; // every place has told its trouble
    struct bus_kafka_trouble *t = &b->troubles[b->trouble_count++];
    *t = (struct bus_kafka_trouble){.slot = slot, .input = input, .offset = offset};
    snprintf(t->text, sizeof t->text, "%s [%d]: %s", b->names[input], slot, why);
}

void bus_kafka_drop_held(struct bus_kafka *b)
{
    if (b->held != NULL)
        rd_kafka_event_destroy(b->held);
    b->held = NULL;
}

// SIZE_MAX: none
static size_t input_of_name(const struct bus_kafka *b, const char *name)
{
    for (size_t i = 0; i < b->settings.input_count; i++) {
        if (strcmp(b->names[i], name) == 0)
            return i;
    }
    return SIZE_MAX;
}

static void fail(struct bus_kafka *b, const char *text)
{
    if (b->failed)
        return;
    b->failed = true;
    snprintf(b->text, sizeof b->text, "Kafka consumer: %s", text);
}

// ---- membership

// Answers a new assignment with an empty one: a full member from now on, that reads nothing until the lane says where.
static void take_assignment(struct bus_kafka *b, const rd_kafka_topic_partition_list_t *list)
{
    memset(b->seen, 0, (size_t)b->partitions);
    for (int i = 0; i < list->cnt; i++) {
        // Partitions added after the start aren't ours: producers don't write to them either.
        if (list->elems[i].partition < b->partitions && input_of_name(b, list->elems[i].topic) != SIZE_MAX)
            b->seen[list->elems[i].partition]++;
    }
    b->slot_count = 0;
    for (int32_t p = 0; p < b->partitions; p++) {
        if (b->seen[p] == b->settings.input_count)
            b->slots[b->slot_count++] = p;
    }
    bus_kafka_read_nothing(b);
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    rd_kafka_resp_err_t code = rd_kafka_assign(b->consumer, none);
    rd_kafka_topic_partition_list_destroy(none);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail(b, rd_kafka_err2str(code));
}

static void drop_assignment(struct bus_kafka *b)
{
    b->slot_count = 0;
    bus_kafka_read_nothing(b);
    rd_kafka_resp_err_t code = rd_kafka_assign(b->consumer, NULL);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail(b, rd_kafka_err2str(code));
}

static bool take_rebalance(struct bus_kafka *b, rd_kafka_event_t *event, struct bus_event *ret_event)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        take_assignment(b, rd_kafka_event_topic_partition_list(event));
        *ret_event = (struct bus_event){.kind = BUS_ASSIGNED, .slots = b->slots, .slot_count = b->slot_count};
    } else {
        drop_assignment(b);
        *ret_event = (struct bus_event){.kind = BUS_REVOKED};
    }
    return true;
}

// ---- events of the consumer

static struct bytes trace_header(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, "traceparent", &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        value == NULL)
        return (struct bytes){.data = NULL};
    return bytes_of(value, size);
}

// Empty but present stays present: only a tombstone has no value.
static struct bytes view(const void *data, size_t size)
{
    return data == NULL && size > 0 ? (struct bytes){.data = NULL} : bytes_of(data, size);
}

static bool take_record(struct bus_kafka *b, rd_kafka_event_t *event, struct bus_event *ret_event)
{
    const rd_kafka_message_t *message = rd_kafka_event_message_next(event);
    if (message == NULL || message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->partition >= b->partitions)
        return false;
    size_t input = input_of_name(b, rd_kafka_topic_name(message->rkt));
    if (input == SIZE_MAX)
        return false;
    int64_t *next = bus_kafka_next(b, message->partition, input);
    if (*next == BUS_KAFKA_NOT_READ || message->offset < *next)
        return false; // on its way from an earlier assignment
    *next = message->offset + 1;
    *ret_event = (struct bus_event){.kind = BUS_RECORD,
                                    .record = {.topic = b->settings.inputs[input],
                                               .partition = message->partition,
                                               .offset = message->offset,
                                               .key = view(message->key, message->key_len),
                                               .value = view(message->payload, message->len),
                                               .traceparent = trace_header(message)}};
    return true;
}

// What makes a partition unreadable from here on. Everything else passes, or is the broker's business.
static bool is_position_error(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || code == RD_KAFKA_RESP_ERR__BAD_MSG ||
           code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION || code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED;
}

static void take_error(struct bus_kafka *b, rd_kafka_event_t *event)
{
    const char *text = rd_kafka_event_error_string(event);
    if (rd_kafka_event_error_is_fatal(event)) {
        fail(b, text);
        return;
    }
    kafka_conf_log(&b->settings.cluster, 4, "consumer", text);
    rd_kafka_topic_partition_t *at = rd_kafka_event_topic_partition(event);
    if (at == NULL)
        return;
    size_t input = input_of_name(b, at->topic);
    if (input != SIZE_MAX && at->partition >= 0 && at->partition < b->partitions &&
        *bus_kafka_next(b, at->partition, input) != BUS_KAFKA_NOT_READ &&
        is_position_error(rd_kafka_event_error(event))) {
        bus_kafka_add_trouble(b, at->partition, input, *bus_kafka_next(b, at->partition, input), text);
        *bus_kafka_next(b, at->partition, input) = BUS_KAFKA_NOT_READ;
    }
    rd_kafka_topic_partition_destroy(at);
}

static bool take_event(struct bus_kafka *b, rd_kafka_event_t *event, struct bus_event *ret_event)
{
    bool told = false;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        if (take_record(b, event, ret_event)) {
            b->held = event;
            return true;
        }
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        told = take_rebalance(b, event, ret_event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        take_error(b, event);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
    return told;
}

// ---- poll

static bool take_own(struct bus_kafka *b, struct bus_event *ret_event)
{
    if (b->trouble_count > 0) {
        const struct bus_kafka_trouble *t = &b->troubles[--b->trouble_count];
        *ret_event = (struct bus_event){
            .kind = BUS_POSITION,
            .record = {.topic = b->settings.inputs[t->input], .partition = t->slot, .offset = t->offset},
            .text = t->text};
        return true;
    }
    if (b->failed && !b->failure_told && clock_monotonic_us() >= b->failed_until) {
        b->failure_told = true;
        *ret_event = (struct bus_event){.kind = BUS_FAILED, .text = b->text};
        return true;
    }
    return false;
}

static bool take_report(struct bus_kafka *b, bool settle, struct bus_event *ret_event)
{
    struct kafka_report report;
    if (b->producer == NULL)
        return false;
    kafka_producer_take(b->producer, settle, &report);
    switch (report.kind) {
    case KAFKA_REPORT_NONE:
        return false;
    case KAFKA_REPORT_SENT:
        *ret_event = (struct bus_event){.kind = BUS_REPORT, .tag = report.tag};
        return true;
    case KAFKA_REPORT_FAILED:
        *ret_event = (struct bus_event){.kind = BUS_FAILED, .text = report.text};
        return true;
    }
    return false;
}

static bool take_queued(struct bus_kafka *b, rd_kafka_queue_t *queue, bool settle,
                        struct bus_event *ret_event)
{
    while (settle || rd_kafka_queue_length(queue) > 0) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 0);
        if (event == NULL)
            return false;
        if (take_event(b, event, ret_event))
            return true;
    }
    return false;
}

static bool take_consumed(struct bus_kafka *b, bool settle, struct bus_event *ret_event)
{
    if (b->consumer == NULL)
        return false;
    if (b->beginning != NULL && ++b->turns % BEGINNING_EACH == 0 &&
        take_queued(b, b->beginning, false, ret_event))
        return true;
    return take_queued(b, b->queue, settle, ret_event) ||
           (b->beginning != NULL && take_queued(b, b->beginning, settle, ret_event));
}

// settle: about to sleep, so make sure that the consumer's queues are empty and will wake us, and that what we sent is on its way.
static bool take_any(struct bus_kafka *b, bool settle, struct bus_event *ret_event)
{
    return take_own(b, ret_event) || take_report(b, settle, ret_event) ||
           take_consumed(b, settle, ret_event) || take_own(b, ret_event); // an error among them
}

static int64_t sleep_of(const struct bus_kafka *b, int64_t left)
{
    bool reports = b->producer != NULL && kafka_producer_unreported(b->producer) > 0;
    int64_t most = reports ? REPORT_LOOK_US : SLEEP_MAX_US;
    return left < most ? left : most;
}

void bus_kafka_poll(void *self, int64_t timeout_us, struct bus_event *ret_event)
{
    struct bus_kafka *b = self;
    bus_kafka_drop_held(b);
    if (take_any(b, false, ret_event))
        return;
    int64_t end = clock_monotonic_us() + timeout_us;
    for (;;) {
        if (take_any(b, true, ret_event))
            return;
        int64_t left = end - clock_monotonic_us();
        if (kafka_wait_take_wake(&b->wait) || left <= 0) {
            *ret_event = (struct bus_event){.kind = BUS_NOTHING};
            return;
        }
        kafka_wait_sleep(&b->wait, sleep_of(b, left));
    }
}
