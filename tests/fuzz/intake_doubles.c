// See intake_doubles.h. The functions of libmicrohttpd, ingress, the store and the process that intake's routes need.
#include "fuzz/intake_doubles.h"

#include "ingress/ingress.h"
#include "intake/intake_http.h"
#include "kafka/kafka.h"
#include "lane/process.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPEN_MAX 1024 // more than an import keeps outstanding

// ---- what is asked and stands open

struct open_question {
    void (*stored)(void *self, const struct ingress_answer *answer);
    void (*order)(void *self, enum store_outcome outcome, const struct stored_order *order);
    void (*request)(void *self, enum store_outcome outcome, const struct stored_request *request);
    void (*room)(void *self, bool room);
    void *self;
    struct uuid id, subject;
    uint8_t choice; // taken when it is asked: the order of asking doesn't hang on when answers come
};

static struct {
    struct double_connection *mhd;
    struct fuzz_source choices;
    uint8_t load; // once for all: how often it is asked for hangs on the pieces that a body comes in
    struct open_question open[OPEN_MAX];
    size_t first, count;
} world;

void doubles_begin(struct arena *arena, struct double_connection *mhd, struct bytes choices)
{
    mhd->arena = arena;
    world.mhd = mhd;
    world.choices = fuzz_source_of(choices.data, choices.size);
    world.load = fuzz_byte(&world.choices);
    world.first = world.count = 0;
}

static void ask(const struct open_question *question)
{
    FUZZ_CHECK(world.count < OPEN_MAX); // bounded by whoever asks
    struct open_question *open = &world.open[(world.first + world.count++) % OPEN_MAX];
    *open = *question;
    open->choice = question->room != NULL ? world.load : fuzz_byte(&world.choices);
}

static void answer_stored(const struct open_question *q, uint8_t choice)
{
    // The first is by far the most likely.
    static const enum ingress_status statuses[] = {INGRESS_STORED,   INGRESS_STORED,   INGRESS_STORED,
                                                   INGRESS_REPEATED, INGRESS_CONFLICT, INGRESS_FAILED,
                                                   INGRESS_UNKNOWN};
    const struct ingress_answer answer = {.status = statuses[choice % (sizeof statuses / sizeof statuses[0])],
                                          .submission = q->id,
                                          .subject = q->subject,
                                          .text = "the database is away"};
    q->stored(q->self, &answer);
}

static enum store_outcome outcome_of(uint8_t choice)
{
    return choice % 8 < 6 ? STORE_FOUND : choice % 8 == 6 ? STORE_NONE : STORE_AWAY;
}

static void answer_order(const struct open_question *q, uint8_t choice)
{
    static const char *const states[] = {"VALIDATING", "COMPLETED", "AWAITING_CUSTOMER", "SHIPPED"};
    const struct stored_order order = {.order_id = q->id,
                                       .received_at = choice % 3 == 0 ? INSTANT_NONE : 1790000000000000,
                                       .has_view = choice % 2 == 0,
                                       .revision = choice,
                                       .order_no = bytes_str("OC-1"),
                                       .state = bytes_str(states[choice / 8 % 4]),
                                       .updated_at = 1790000000000001};
    q->order(q->self, outcome_of(choice), &order);
}

static void answer_request(const struct open_question *q, uint8_t choice)
{
    const struct stored_request request = {.request_id = q->id,
                                           .order_id = q->subject,
                                           .received_at = 1790000000000000,
                                           .refused = choice % 2 == 0,
                                           .reason = bytes_str("too late"),
                                           .allowed = bytes_str("cancel answer"),
                                           .refused_at = 1790000000000001};
    q->request(q->self, outcome_of(choice), &request);
}

void doubles_answer(struct double_connection *mhd)
{
    FUZZ_CHECK(world.mhd == mhd);
    while (world.count > 0) {
        const struct open_question q = world.open[world.first];
        world.first = (world.first + 1) % OPEN_MAX;
        world.count--;
        if (q.stored != NULL)
            answer_stored(&q, q.choice);
        else if (q.room != NULL)
            q.room(q.self, q.choice % 4 != 0);
        else if (q.order != NULL)
            answer_order(&q, q.choice);
        else
            answer_request(&q, q.choice);
    }
}

// ---- ingress

// What ingress does at once: it packs the records with their common fields; what it then stores must be readable.
static void check_item(const struct ingress_item *item)
{
    FUZZ_CHECK(item->key.size > 0 && item->scope.size > 0 && item->record_count > 0);
    for (size_t i = 0; i < item->record_count; i++) {
        const struct ingress_record *record = &item->records[i];
        const struct topic_info *info = topic_info(record->topic);
        FUZZ_CHECK(record->message->descriptor == info->descriptor && record->key.size > 0);
        FUZZ_CHECK(bytes_is_utf8(record->key));
        const struct head head = {.event_id = bytes_str("0192f0c0-0000-7000-8000-000000000001"),
                                  .key = record->key,
                                  .source = bytes_str("intake"),
                                  .occurred_at = 1};
        struct head again;
        struct err e = head_read(head_write(world.mhd->arena, &head, record->message), &again);
        FUZZ_CHECK(!err_is(&e) && bytes_equal(again.key, record->key));
    }
}

void ingress_submit(struct ingress *ingress, const struct ingress_item *item,
                    void (*done)(void *self, const struct ingress_answer *answer), void *self)
{
    (void)ingress;
    check_item(item);
    world.mhd->submitted++;
    ask(&(struct open_question){.stored = done, .self = self, .id = item->id, .subject = item->subject});
}

bool ingress_accepts(struct ingress *ingress, int *ret_retry_after_s)
{
    (void)ingress;
    *ret_retry_after_s = 3;
    return world.load < 250;
}

void ingress_await_room(struct ingress *ingress, int64_t max_us, void (*told)(void *self, bool room),
                        void *self)
{
    (void)ingress;
    FUZZ_CHECK(max_us > 0);
    ask(&(struct open_question){.room = told, .self = self});
}

// ---- the store

static struct uuid id_of(const char *text)
{
    struct uuid id = {{7}};
    uuid_parse(bytes_str(text), &id);
    return id;
}

void intake_store_order(struct intake_store *store, const char *id,
                        void (*found)(void *self, enum store_outcome outcome,
                                      const struct stored_order *order),
                        void *self)
{
    (void)store;
    ask(&(struct open_question){.order = found, .self = self, .id = id_of(id)});
}

void intake_store_request(struct intake_store *store, struct uuid request_id,
                          void (*found)(void *self, enum store_outcome outcome,
                                        const struct stored_request *request),
                          void *self)
{
    (void)store;
    ask(&(struct open_question){.request = found, .self = self, .id = request_id, .subject = {{7}}});
}

void intake_store_request_of_key(struct intake_store *store, struct bytes client_key,
                                 void (*found)(void *self, enum store_outcome outcome,
                                               const struct stored_request *request),
                                 void *self)
{
    (void)store;
    FUZZ_CHECK(client_key.size > 0);
    ask(&(struct open_question){.request = found, .self = self, .subject = {{7}}});
}

struct err intake_store_open(const char *dsn, struct intake_store **ret_store)
{
    (void)dsn;
    *ret_store = NULL;
    return err_ok();
}

void intake_store_close(struct intake_store *store)
{
    (void)store;
}

// ---- the process

static struct intake intake;

void *process_user(struct process *process)
{
    (void)process;
    return &intake;
}

struct ingress *process_ingress(struct process *process)
{
    (void)process;
    return NULL;
}

const char *process_pg(const struct process *process)
{
    (void)process;
    return "";
}

void process_set_user(struct process *process, void *user)
{
    (void)process;
    (void)user;
}

struct kafka_cluster process_cluster(const struct process *process)
{
    (void)process;
    return (struct kafka_cluster){.brokers = ""};
}

// ---- the backlog: none

struct err backlog_open(const struct kafka_cluster *cluster, int64_t max, struct backlog **ret_backlog)
{
    (void)cluster;
    (void)max;
    *ret_backlog = NULL;
    return err_ok();
}

void backlog_close(struct backlog *backlog)
{
    (void)backlog;
}

bool backlog_full(struct backlog *backlog, int *ret_retry_after_s)
{
    (void)backlog;
    *ret_retry_after_s = 1;
    return false;
}

void backlog_await(struct backlog *backlog, int64_t max_us, void (*told)(void *self, bool room), void *self)
{
    (void)backlog;
    (void)max_us;
    told(self, true);
}

// ---- libmicrohttpd

struct MHD_Response {
    struct bytes body;
    const char *type;
};

static struct double_connection *double_of(struct MHD_Connection *mhd)
{
    return (struct double_connection *)(void *)mhd;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *mhd,
                                                        enum MHD_ConnectionInfoType type, ...)
{
    static union MHD_ConnectionInfo info;
    memset(&info, 0, sizeof info);
    if (type == MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        info.socket_context = double_of(mhd)->socket_context;
    else if (type == MHD_CONNECTION_INFO_CONNECTION_FD)
        info.connect_fd = -1;
    else
        info.header_size = 100;
    return &info;
}

int MHD_get_connection_values(struct MHD_Connection *mhd, enum MHD_ValueKind kind, MHD_KeyValueIterator take,
                              void *self)
{
    int count = 0;
    for (size_t i = 0; i < DOUBLE_HEADERS_MAX; i++) {
        const struct http_pair *header = &double_of(mhd)->headers[i];
        if (header->value == NULL)
            continue;
        take(self, kind, header->name, header->value);
        count++;
    }
    return count;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *mhd, enum MHD_ValueKind kind, const char *name)
{
    (void)kind;
    for (size_t i = 0; i < DOUBLE_HEADERS_MAX; i++) {
        const struct http_pair *header = &double_of(mhd)->headers[i];
        if (header->value != NULL && strcasecmp(header->name, name) == 0)
            return header->value;
    }
    return NULL;
}

void MHD_suspend_connection(struct MHD_Connection *mhd)
{
    FUZZ_CHECK(!double_of(mhd)->suspended);
    double_of(mhd)->suspended = true;
}

void MHD_resume_connection(struct MHD_Connection *mhd)
{
    FUZZ_CHECK(double_of(mhd)->suspended);
    double_of(mhd)->suspended = false;
}

struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *buffer,
                                                     enum MHD_ResponseMemoryMode mode)
{
    (void)mode;
    struct MHD_Response *response = calloc(1, sizeof *response);
    FUZZ_CHECK(response != NULL);
    response->body = arena_bytes(world.mhd->arena, bytes_of(buffer, size));
    response->type = "";
    return response;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value)
{
    FUZZ_CHECK(strpbrk(value, "\r\n") == NULL);
    if (strcmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0)
        response->type = arena_str(world.mhd->arena, bytes_str(value));
    return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response)
{
    FUZZ_CHECK(double_of(mhd)->status == 0); // one answer
    double_of(mhd)->status = (int)status;
    double_of(mhd)->type = response->type;
    double_of(mhd)->body = response->body;
    return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *response)
{
    free(response);
}

const char *MHD_get_reason_phrase_for(unsigned status)
{
    (void)status;
    return "";
}
