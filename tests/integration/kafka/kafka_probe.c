// A member of a group to be played with by test_kafka.py: opens the bus, tells each event as a line of JSON on stdout, and
// does what the lines on stdin say, answering each with {"did": …}.
//
//   kafka_probe BROKERS PREFIX GROUP INPUTS OUTPUTS   (topics separated by commas; "-": none)
//   assign SLOT … [TOPIC@SLOT=OFFSET …]   auto (every assignment is answered at once, from the low watermarks)
//   send TOPIC COUNT KEY [TRACEPARENT]    tombstone TOPIC KEY   high SLOT …   note TOPIC@SLOT=OFFSET …
//   trim TOPIC@SLOT=OFFSET (deletes records before it)   partition KEY   reopen
// The end of stdin ends it: the bus is closed. A reader thread takes stdin and wakes the bus: what a lane's wake is for.
#include "kafka/kafka.h"

#include <jansson.h>
#include <librdkafka/rdkafka.h> // to delete records, which the bus can't
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 128
#define LIST_MAX  256
#define POLL_US   3600000000LL // only an event or a command ends it
#define RETRY_US  100000

struct probe {
    struct bus_port *bus;
    bool automatic;  // answer assignments …
    bool unanswered; // … this one still, since the broker didn't say its watermarks
    int32_t slots[LIST_MAX];
    size_t slot_count;
    const char *brokers, *prefix;
    bool ended;
    uint64_t next_tag;
    pthread_mutex_t lock;
    char *line; // from the reader thread, under lock
    pthread_cond_t taken;
};

static void tell(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(object);
}

static void tell_err(const char *did, const struct err *e)
{
    tell(json_pack("{s:s,s:s,s:s}", "did", did, "class", err_class_name(e->class), "text", e->text));
}

static json_t *text_of(struct bytes b)
{
    return b.data == NULL ? json_null() : json_stringn(b.data, b.size);
}

static void on_event(struct probe *p, const struct bus_event *event)
{
    const struct bus_record *r = &event->record;
    json_t *slots = json_array();
    switch (event->kind) {
    case BUS_NOTHING:
        break;
    case BUS_RECORD:
        tell(json_pack("{s:s,s:s,s:i,s:I,s:o,s:o,s:o}", "event", "record", "topic",
                       topic_info(r->topic)->name, "partition", (int)r->partition, "offset",
                       (json_int_t)r->offset, "key", text_of(r->key), "value", text_of(r->value),
                       "traceparent", text_of(r->traceparent)));
        break;
    case BUS_ASSIGNED:
        for (size_t i = 0; i < event->slot_count; i++)
            json_array_append_new(slots, json_integer(event->slots[i]));
        tell(json_pack("{s:s,s:O}", "event", "assigned", "slots", slots));
        p->slot_count = event->slot_count < LIST_MAX ? event->slot_count : LIST_MAX;
        memcpy(p->slots, event->slots, p->slot_count * sizeof *p->slots);
        p->unanswered = true;
        break;
    case BUS_REVOKED:
        p->unanswered = false;
        tell(json_pack("{s:s}", "event", "revoked"));
        break;
    case BUS_REPORT:
        tell(json_pack("{s:s,s:I}", "event", "report", "tag", (json_int_t)event->tag));
        break;
    case BUS_FAILED:
        tell(json_pack("{s:s,s:s}", "event", "failed", "text", event->text));
        break;
    case BUS_POSITION:
        tell(json_pack("{s:s,s:s,s:i,s:s}", "event", "position", "topic", topic_info(r->topic)->name,
                       "partition", (int)r->partition, "text", event->text));
        break;
    }
    json_decref(slots);
}

static void answer_assignment(struct probe *p)
{
    struct err e = p->bus->assign(p->bus->self, p->slots, p->slot_count, NULL, 0, NULL);
    p->unanswered = e.class == ERR_RETRY;
    if (!p->unanswered)
        tell_err("assign", &e);
}

static const struct topic_info *topic_named(const char *name)
{
    const struct topic_info *info = topic_find(name);
    if (info == NULL) {
        fprintf(stderr, "kafka_probe: no topic %s\n", name);
        exit(2);
    }
    return info;
}

// Words that are numbers are slots, TOPIC@SLOT=OFFSET are positions.
static void read_lists(char **words, size_t count, int32_t *slots, size_t *ret_slots,
                       struct store_position *positions, size_t *ret_positions)
{
    *ret_slots = *ret_positions = 0;
    for (size_t i = 0; i < count; i++) {
        char *at = strchr(words[i], '@');
        if (at == NULL) {
            slots[(*ret_slots)++] = (int32_t)strtol(words[i], NULL, 10);
            continue;
        }
        *at = '\0';
        char *offset = strchr(at + 1, '=');
        positions[(*ret_positions)++] =
            (struct store_position){.slot = (int32_t)strtol(at + 1, NULL, 10),
                                    .topic = topic_named(words[i])->number,
                                    .next_offset = offset != NULL ? strtoll(offset + 1, NULL, 10) : 0};
    }
}

static struct err send_one(struct probe *p, struct bus_out *out)
{
    for (;;) {
        struct err e = p->bus->produce(p->bus->self, out);
        if (e.class != ERR_RETRY || strstr(e.text, "full") == NULL)
            return e;
        struct bus_event event;
        p->bus->poll(p->bus->self, 100000, &event);
        on_event(p, &event);
    }
}

static void do_send(struct probe *p, char **words, size_t count)
{
    struct err e = err_ok();
    bool tombstone = strcmp(words[0], "tombstone") == 0;
    long records = tombstone ? 1 : strtol(words[2], NULL, 10);
    const char *key = words[tombstone ? 2 : 3];
    for (long i = 0; i < records && !err_is(&e); i++) {
        char value[64], id[32];
        uint64_t tag = p->next_tag++;
        snprintf(value, sizeof value, "%s/%ld", key, i);
        snprintf(id, sizeof id, "id-%llu", (unsigned long long)tag);
        struct bus_out out = {.topic = topic_named(words[1])->number,
                              .key = bytes_str(key),
                              .value = tombstone ? (struct bytes){.data = NULL} : bytes_str(value),
                              .type = "orderclerk.v1.Probe",
                              .event_id = id,
                              .source = "/orderclerk/probe",
                              .at = 1795500000123456,
                              .traceparent = count > 4 ? words[4] : NULL,
                              .tag = tag};
        e = send_one(p, &out);
    }
    tell_err("send", &e);
}

static void do_high(struct probe *p, const int32_t *slots, size_t slot_count, size_t inputs)
{
    int64_t high[LIST_MAX];
    struct err e = p->bus->high_watermarks(p->bus->self, slots, slot_count, high);
    json_t *list = json_array();
    for (size_t i = 0; !err_is(&e) && i < slot_count * inputs; i++)
        json_array_append_new(list, json_integer(high[i]));
    tell(json_pack("{s:s,s:s,s:s,s:o}", "did", "high", "class", err_class_name(e.class), "text", e.text,
                   "high", list));
}

static struct err trim(const struct probe *p, const struct store_position *positions, size_t count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", p->brokers, NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (size_t i = 0; i < count; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s%s.v1", p->prefix, topic_info(positions[i].topic)->name);
        rd_kafka_topic_partition_list_add(list, name, positions[i].slot)->offset = positions[i].next_offset;
    }
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteRecords(rk, &request, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    struct err e =
        event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR
            ? err_ok()
            : err_make(ERR_RETRY, "trim: %s", event != NULL ? rd_kafka_event_error_string(event) : "timeout");
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return e;
}

static void do_line(struct probe *p, char *line, size_t inputs)
{
    char *words[WORDS_MAX], *rest = NULL;
    size_t count = 0;
    for (char *w = strtok_r(line, " \n", &rest); w != NULL && count < WORDS_MAX;
         w = strtok_r(NULL, " \n", &rest))
        words[count++] = w;
    if (count == 0)
        return;
    int32_t slots[LIST_MAX];
    struct store_position positions[LIST_MAX];
    size_t slot_count, position_count;
    struct bus_port *bus = p->bus;
    struct err e = err_ok();
    const char *what = words[0];
    if (strcmp(what, "send") == 0 || strcmp(what, "tombstone") == 0) {
        do_send(p, words, count);
        return;
    }
    if (strcmp(what, "partition") == 0 && count > 1) {
        tell(json_pack("{s:s,s:i}", "did", what, "partition",
                       (int)bus->partition_of(bus->self, bytes_str(words[1]))));
        return;
    }
    if (strcmp(what, "auto") == 0)
        p->automatic = true;
    else if (strcmp(what, "reopen") == 0)
        e = bus->reopen(bus->self);
    else if (strcmp(what, "end") == 0)
        p->ended = true;
    else {
        read_lists(words + 1, count - 1, slots, &slot_count, positions, &position_count);
        if (strcmp(what, "high") == 0) {
            do_high(p, slots, slot_count, inputs);
            return;
        }
        if (strcmp(what, "assign") == 0)
            e = bus->assign(bus->self, slots, slot_count, positions, position_count, NULL);
        else if (strcmp(what, "note") == 0)
            bus->note_positions(bus->self, positions, position_count);
        else if (strcmp(what, "trim") == 0)
            e = trim(p, positions, position_count);
    }
    tell_err(what, &e);
}

static void *read_commands(void *self)
{
    struct probe *p = self;
    char line[4096];
    bool more = true;
    while (more) {
        more = fgets(line, sizeof line, stdin) != NULL;
        pthread_mutex_lock(&p->lock);
        p->line = strdup(more ? line : "end");
        p->bus->wake(p->bus->self);
        while (p->line != NULL)
            pthread_cond_wait(&p->taken, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

static char *take_line(struct probe *p)
{
    pthread_mutex_lock(&p->lock);
    char *line = p->line;
    p->line = NULL;
    pthread_cond_signal(&p->taken);
    pthread_mutex_unlock(&p->lock);
    return line;
}

static size_t read_topics(char *text, enum topic *ret_topics)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *w = strtok_r(text, ",", &rest); w != NULL; w = strtok_r(NULL, ",", &rest)) {
        if (strcmp(w, "-") != 0 && count < TOPIC_MAX - 1)
            ret_topics[count++] = topic_named(w)->number;
    }
    return count;
}

static void on_log(void *self, int level, const char *text)
{
    (void)self;
    fprintf(stderr, "%d %s\n", level, text);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    enum topic inputs[TOPIC_MAX], outputs[TOPIC_MAX];
    struct bus_kafka_settings settings = {
        .cluster = {.brokers = argv[1], .topic_prefix = argv[2], .client_id = "probe", .log = on_log},
        .group = argv[3],
        .inputs = inputs,
        .input_count = read_topics(argv[4], inputs),
        .outputs = outputs,
        .output_count = read_topics(argv[5], outputs)};
    struct probe p = {.brokers = argv[1],
                      .prefix = argv[2],
                      .next_tag = 1,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .taken = PTHREAD_COND_INITIALIZER};
    struct err e = bus_kafka_open(&settings, &p.bus);
    tell_err("open", &e);
    if (err_is(&e))
        return e.class == ERR_CONFIG ? 2 : 1;

    pthread_t reader;
    if (pthread_create(&reader, NULL, read_commands, &p) != 0)
        return 3;
    while (!p.ended) {
        struct bus_event event;
        p.bus->poll(p.bus->self, p.automatic && p.unanswered ? RETRY_US : POLL_US, &event);
        on_event(&p, &event);
        if (p.automatic && p.unanswered)
            answer_assignment(&p);
        char *line = take_line(&p);
        if (line != NULL)
            do_line(&p, line, settings.input_count);
        free(line);
    }
    pthread_join(reader, NULL);
    bus_kafka_close(p.bus);
    return 0;
}
