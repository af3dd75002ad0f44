// struct bus_port on librdkafka: opening and closing, where to read, watermarks. Events: bus_kafka_poll.c.
#include "kafka/kafka.h"

#include "base/hash.h"
#include "kafka/bus_kafka_internal.h"
#include "kafka/kafka_offsets.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A broker that is there answers in milliseconds; a lane must not stand still for longer than its peers tolerate.
#define WATERMARKS_TIMEOUT_MS 2000
// Leaving the group politely frees the slots at once; a broker that is away must not hold up the end.
#define CLOSE_TIMEOUT_US 2000000
// Between attempts to make both clients anew.
#define REOPEN_PAUSE_US 1000000

static struct bus_kafka *bus_of(const struct bus_port *port)
{
    return port->self;
}

static bool has_slot(const struct bus_kafka *b, int32_t slot)
{
    for (size_t i = 0; i < b->slot_count; i++) {
        if (b->slots[i] == slot)
            return true;
    }
    return false;
}

static size_t input_of_topic(const struct bus_kafka *b, enum topic topic)
{
    for (size_t i = 0; i < b->settings.input_count; i++) {
        if (b->settings.inputs[i] == topic)
            return i;
    }
    return SIZE_MAX;
}

// ---- assign

static rd_kafka_topic_partition_list_t *list_of(const struct bus_kafka *b, const int32_t *slots,
                                                size_t slot_count)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)(slot_count * b->settings.input_count));
    for (size_t s = 0; s < slot_count; s++) {
        for (size_t i = 0; i < b->settings.input_count; i++)
            rd_kafka_topic_partition_list_add(list, b->names[i], slots[s]);
    }
    return list;
}

static int64_t stored_position(const struct store_position *positions, size_t count, int32_t slot,
                               enum topic topic)
{
    for (size_t i = 0; i < count; i++) {
        if (positions[i].slot == slot && positions[i].topic == topic)
            return positions[i].next_offset;
    }
    return -1;
}

// Sets `next` of a slot's inputs, or notes why the slot can't be read. low and high belong to its inputs, in order.
static bool place_slot(struct bus_kafka *b, int32_t slot, const rd_kafka_topic_partition_t *low,
                       const rd_kafka_topic_partition_t *high, const struct store_position *positions,
                       size_t count)
{
    bool good = true;
    for (size_t i = 0; i < b->settings.input_count; i++) {
        enum topic topic = b->settings.inputs[i];
        int64_t stored = stored_position(positions, count, slot, topic);
        if (kafka_offsets_start(stored, low[i].offset, high[i].offset, topic_info(topic)->compacted,
                                bus_kafka_next(b, slot, i)))
            continue;
        char why[120];
        snprintf(why, sizeof why, "stored position %lld is outside of what the topic holds: %lld to %lld",
                 (long long)stored, (long long)low[i].offset, (long long)high[i].offset);
        bus_kafka_add_trouble(b, slot, i, stored, why);
        good = false;
    }
    for (size_t i = 0; !good && i < b->settings.input_count; i++)
        *bus_kafka_next(b, slot, i) = BUS_KAFKA_NOT_READ;
    return good;
}

// The partitions of what begins work get a queue of their own. What of them has come into the common one before is given out
// before what follows, because that one goes first.
static void part_beginning(struct bus_kafka *b, const rd_kafka_topic_partition_list_t *list)
{
    size_t input = input_of_topic(b, b->settings.beginning);
    for (int i = 0; b->beginning != NULL && i < list->cnt; i++) {
        if (strcmp(list->elems[i].topic, b->names[input]) != 0)
            continue;
        rd_kafka_queue_t *queue =
            rd_kafka_queue_get_partition(b->consumer, list->elems[i].topic, list->elems[i].partition);
        if (queue == NULL)
            continue; // no longer assigned: a new assignment is on its way
        rd_kafka_queue_forward(queue, b->beginning);
        rd_kafka_queue_destroy(queue);
    }
}

static struct err read_slots(struct bus_kafka *b, const rd_kafka_topic_partition_list_t *low,
                             const rd_kafka_topic_partition_list_t *high, const int32_t *slots,
                             size_t slot_count, const struct store_position *positions, size_t position_count)
{
    size_t inputs = b->settings.input_count;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)(slot_count * inputs));
    bus_kafka_read_nothing(b);
    for (size_t s = 0; s < slot_count; s++) {
        if (!place_slot(b, slots[s], &low->elems[s * inputs], &high->elems[s * inputs], positions,
                        position_count))
            continue;
        for (size_t i = 0; i < inputs; i++)
            rd_kafka_topic_partition_list_add(list, b->names[i], slots[s])->offset =
                *bus_kafka_next(b, slots[s], i);
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(b->consumer, list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        part_beginning(b, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_ok();
    bus_kafka_read_nothing(b);
    return err_make(ERR_RETRY, "Kafka assign: %s", rd_kafka_err2str(code));
}

static struct err bus_assign(void *self, const int32_t *slots, size_t slot_count,
                             const struct store_position *positions, size_t position_count,
                             int64_t *ret_start)
{
    struct bus_kafka *b = self;
    if (b->consumer == NULL)
        return err_make(ERR_RETRY, "Kafka consumer: not open");
    for (size_t i = 0; i < slot_count; i++) {
        if (!has_slot(b, slots[i]))
            return err_make(ERR_FENCED, "slot %d isn't assigned to this member", slots[i]);
    }
    bus_kafka_drop_held(b);
    rd_kafka_topic_partition_list_t *low = list_of(b, slots, slot_count);
    rd_kafka_topic_partition_list_t *high = list_of(b, slots, slot_count);
    struct err e = kafka_offsets_ask(b->consumer, low, KAFKA_LOW, WATERMARKS_TIMEOUT_MS);
    if (!err_is(&e))
        e = kafka_offsets_ask(b->consumer, high, KAFKA_HIGH, WATERMARKS_TIMEOUT_MS);
    if (!err_is(&e))
        e = read_slots(b, low, high, slots, slot_count, positions, position_count);
    for (size_t i = 0; ret_start != NULL && !err_is(&e) && i < slot_count * b->settings.input_count; i++)
        ret_start[i] = *bus_kafka_next(b, slots[i / b->settings.input_count], i % b->settings.input_count);
    rd_kafka_topic_partition_list_destroy(low);
    rd_kafka_topic_partition_list_destroy(high);
    return e;
}

// ---- the rest of the port

static struct err bus_produce(void *self, const struct bus_out *record)
{
    struct bus_kafka *b = self;
    if (b->producer == NULL)
        return err_make(ERR_RETRY, "Kafka producer: not open");
    return kafka_producer_send(b->producer, record);
}

static struct err bus_high_watermarks(void *self, const int32_t *slots, size_t slot_count, int64_t *ret_high)
{
    struct bus_kafka *b = self;
    if (b->consumer == NULL)
        return err_make(ERR_RETRY, "Kafka consumer: not open");
    rd_kafka_topic_partition_list_t *list = list_of(b, slots, slot_count);
    struct err e = kafka_offsets_ask(b->consumer, list, KAFKA_HIGH, WATERMARKS_TIMEOUT_MS);
    for (int i = 0; !err_is(&e) && i < list->cnt; i++)
        ret_high[i] = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

static void bus_note_positions(void *self, const struct store_position *positions, size_t count)
{
    struct bus_kafka *b = self;
    if (b->consumer == NULL || count == 0)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        size_t input = input_of_topic(b, positions[i].topic);
        if (input != SIZE_MAX)
            rd_kafka_topic_partition_list_add(list, b->names[input], positions[i].slot)->offset =
                positions[i].next_offset;
    }
    if (list->cnt > 0)
        (void)rd_kafka_commit(b->consumer, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

static void bus_wake(void *self)
{
    struct bus_kafka *b = self;
    kafka_wait_wake(&b->wait);
}

static int32_t bus_partition_of(void *self, struct bytes key)
{
    const struct bus_kafka *b = self;
    return hash_partition(key, b->partitions);
}

// ---- opening and closing

static struct err subscribe(struct bus_kafka *b)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)b->settings.input_count);
    for (size_t i = 0; i < b->settings.input_count; i++)
        rd_kafka_topic_partition_list_add(topics, b->names[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(b->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? err_ok()
               : err_make(ERR_CONFIG, "Kafka subscription: %s", rd_kafka_err2str(code));
}

static struct err open_consumer(struct bus_kafka *b)
{
    if (b->settings.input_count == 0)
        return err_ok();
    enum kafka_side side = b->settings.unhurried ? KAFKA_UNHURRIED_CONSUMER : KAFKA_CONSUMER;
    struct err e = kafka_conf_open(side, &b->settings.cluster, &b->settings, &b->consumer);
    if (err_is(&e))
        return e;
    rd_kafka_poll_set_consumer(b->consumer);
    b->queue = rd_kafka_queue_get_consumer(b->consumer);
    kafka_wait_watch(&b->wait, b->queue);
    if (b->settings.beginning != TOPIC_NONE) {
        assert(input_of_topic(b, b->settings.beginning) != SIZE_MAX);
        b->beginning = rd_kafka_queue_new(b->consumer);
        kafka_wait_watch(&b->wait, b->beginning);
    }
    return subscribe(b);
}

static void close_consumer(struct bus_kafka *b)
{
    if (b->consumer == NULL)
        return;
    bus_kafka_drop_held(b);
    kafka_wait_unwatch(b->queue);
    rd_kafka_queue_destroy(b->queue);
    if (b->beginning != NULL) {
        kafka_wait_unwatch(b->beginning);
        rd_kafka_queue_destroy(b->beginning);
        b->beginning = NULL;
    }
    rd_kafka_queue_t *last = rd_kafka_queue_new(b->consumer);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(b->consumer, last);
    int64_t end = clock_monotonic_us() + CLOSE_TIMEOUT_US;
    while (error == NULL && !rd_kafka_consumer_closed(b->consumer) && clock_monotonic_us() < end) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(last, 50);
        if (event == NULL)
            continue;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            rd_kafka_assign(b->consumer, NULL);
        rd_kafka_event_destroy(event);
    }
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(last);
    rd_kafka_destroy_flags(b->consumer,
                           rd_kafka_consumer_closed(b->consumer) ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    b->consumer = NULL;
    b->queue = NULL;
}

static void close_both(struct bus_kafka *b)
{
    close_consumer(b);
    kafka_producer_close(b->producer);
    b->producer = NULL;
}

static struct err bus_reopen(void *self)
{
    struct bus_kafka *b = self;
    close_both(b);
    b->slot_count = 0;
    bus_kafka_read_nothing(b);
    b->failed = b->failure_told = false;
    struct err e = kafka_producer_make(&b->settings.cluster, b->settings.outputs, b->settings.output_count,
                                       &b->producer);
    if (!err_is(&e)) {
        kafka_producer_set_partitions(b->producer, b->partitions); // asked for at the start
        e = open_consumer(b);
    }
    if (err_is(&e)) { // told as a failure of its own, so that it is tried again
        close_both(b);
        b->failed = true;
        b->failed_until = clock_monotonic_us() + REOPEN_PAUSE_US;
        snprintf(b->text, sizeof b->text, "%s", e.text);
    }
    return e;
}

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    assert(memory != NULL);
    return memory;
}

static struct err start(struct bus_kafka *b)
{
    const struct bus_kafka_settings *s = &b->settings;
    for (size_t i = 0; i < s->input_count; i++) {
        struct err e = kafka_conf_topic_name(&s->cluster, s->inputs[i], b->names[i]);
        if (err_is(&e))
            return e;
    }
    struct err e = kafka_producer_make(&s->cluster, s->outputs, s->output_count, &b->producer);
    if (err_is(&e))
        return e;

    size_t topic_count = s->input_count + s->output_count;
    enum topic *topics = zeroed(topic_count, sizeof *topics);
    for (size_t i = 0; i < topic_count; i++)
        topics[i] = i < s->input_count ? s->inputs[i] : s->outputs[i - s->input_count];
    e = kafka_producer_ask_partitions(b->producer, topics, topic_count, &b->partitions);
    free(topics);
    if (err_is(&e))
        return e;

    b->slots = zeroed((size_t)b->partitions, sizeof *b->slots);
    b->seen = zeroed((size_t)b->partitions, sizeof *b->seen);
    b->next = zeroed(bus_kafka_cells(b), sizeof *b->next);
    b->troubles = zeroed(bus_kafka_cells(b), sizeof *b->troubles);
    bus_kafka_read_nothing(b);
    return open_consumer(b);
}

struct err bus_kafka_open(const struct bus_kafka_settings *settings, struct bus_port **ret_bus)
{
    assert(settings->input_count < TOPIC_MAX && settings->output_count < TOPIC_MAX);
    struct bus_kafka *b = zeroed(1, sizeof *b);
    b->settings = *settings;
    b->names = zeroed(settings->input_count, sizeof *b->names);
    b->wait.fd = -1;
    b->port = (struct bus_port){.self = b,
                                .poll = bus_kafka_poll,
                                .assign = bus_assign,
                                .produce = bus_produce,
                                .high_watermarks = bus_high_watermarks,
                                .note_positions = bus_note_positions,
                                .reopen = bus_reopen,
                                .wake = bus_wake,
                                .partition_of = bus_partition_of};
    struct err e = kafka_wait_open(&b->wait);
    if (!err_is(&e))
        e = start(b);
    if (err_is(&e)) {
        bus_kafka_close(&b->port);
        return e;
    }
    *ret_bus = &b->port;
    return err_ok();
}

void bus_kafka_close(struct bus_port *bus)
{
    if (bus == NULL)
        return;
    struct bus_kafka *b = bus_of(bus);
    close_both(b);
    if (b->wait.fd >= 0)
        kafka_wait_close(&b->wait);
    free(b->names);
    free(b->slots);
    free(b->seen);
    free(b->next);
    free(b->troubles);
    free(b);
}

int32_t bus_kafka_partitions(const struct bus_port *bus)
{
    return bus_of(bus)->partitions;
}
