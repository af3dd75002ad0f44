// From records to inputs, held ones too, and the rows that each needs.
#include "lane/internal.h"
#include "orderclerk/v1/control.pb-c.h"

// ---- decoding

#define SOURCE_SHOWN_MAX 64 // bytes of a source that isn't one of ours

// One order has one key: another spelling of its id would be another partition's, and yet the same rows.
static bool is_other_spelling(struct bytes key, char canonical[static UUID_TEXT_SIZE])
{
    struct uuid id;
    if (!uuid_parse(key, &id))
        return false;
    uuid_format(id, canonical);
    return !bytes_is(key, canonical);
}

static const ProtobufCMessageDescriptor *decoded_as(const struct lane_service *service,
                                                    const struct topic_info *info)
{
    const ProtobufCMessageDescriptor *other =
        service->decoded_as == NULL ? NULL : service->decoded_as(info->number);
    return other == NULL ? info->descriptor : other;
}

struct err input_decode(struct batch *batch, const struct raw *raw, struct input *ret_input)
{
    struct input in = {.kind = INPUT_MESSAGE,
                       .key = raw->key,
                       .slot = raw->partition,
                       .topic = raw->topic,
                       .partition = raw->partition,
                       .offset = raw->offset,
                       .value = raw->value,
                       .traceparent = raw->traceparent};
    struct err e = head_read(raw->value, &in.head);
    if (err_is(&e))
        return e;
    if (!bytes_equal(in.head.key, raw->key)) {
        return err_make(ERR_REJECT, "UNDECODABLE: order_id \"%.*s\" isn't the record's key",
                        (int)in.head.key.size, (const char *)in.head.key.data);
    }
    in.key = in.head.key;
    char canonical[UUID_TEXT_SIZE];
    if (is_other_spelling(in.key, canonical))
        return err_make(ERR_REJECT, "UNDECODABLE: order_id must be written %s", canonical);
    const struct topic_info *info = topic_info(raw->topic);
    if (!topic_accepts(raw->topic, in.head.source)) {
        return err_make(ERR_REJECT, "WRONG_SOURCE: %s is written by %s, and this record is from \"%.*s\"",
                        info->name, info->writers,
                        in.head.source.size > SOURCE_SHOWN_MAX ? SOURCE_SHOWN_MAX : (int)in.head.source.size,
                        in.head.source.size == 0 ? "" : (const char *)in.head.source.data);
    }
    if (info->mode == TOPIC_SEQUENCED && in.head.sequence == 0) {
        return err_make(ERR_REJECT, "UNDECODABLE: sequence (field 4) is missing; it counts from 1 on %s",
                        info->name);
    }
    in.message = protobuf_c_message_unpack(decoded_as(batch->service, info), arena_protobuf(batch->arena),
                                           raw->value.size, raw->value.data);
    if (in.message == NULL) {
        return err_make(ERR_REJECT, "UNDECODABLE: not a %s", info->descriptor->name);
    }
    const char *not_utf8 = message_not_utf8(in.message);
    if (not_utf8 != NULL)
        return err_make(ERR_REJECT, "UNDECODABLE: %s isn't UTF-8", not_utf8);
    *ret_input = in;
    return err_ok();
}

struct raw raw_of_input(const struct input *in)
{
    return (struct raw){.topic = in->topic,
                        .partition = in->partition,
                        .offset = in->offset,
                        .key = in->key,
                        .value = in->value};
}

bool inbox_is_held(const struct key_state_row *ks)
{
    return ks != NULL && ks->held.data != NULL;
}

bool inbox_asks_newest(const struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__Control *control = (const Orderclerk__V1__Control *)in->message;
    if (batch->service->send_newest == NULL || strcmp(control->service, batch->service->name) != 0 ||
        control->body_case != ORDERCLERK__V1__CONTROL__BODY_RESEND)
        return false;
    const struct topic_info *info = topic_find(control->resend->topic);
    return info != NULL && info->mode == TOPIC_VERSIONED;
}

// ---- wants

void inbox_want(struct batch *batch, const struct input *in)
{
    bool versioned = in->kind == INPUT_MESSAGE && topic_info(in->topic)->mode == TOPIC_VERSIONED;
    if (!versioned)
        rows_want(batch->rows, &key_state_table, KEY_STATE_KEY, value_text(in->key));
    if (in->kind == INPUT_MESSAGE && topic_info(in->topic)->mode == TOPIC_BY_ID) {
        rows_want(batch->rows, &seen_table, SEEN_ID, value_uuid(in->head.id));
    }
    if (in->kind == INPUT_MESSAGE && in->topic == TOPIC_CONTROL && !inbox_asks_newest(batch, in))
        return;
    if (batch->service->want != NULL)
        batch->service->want(batch, in);
}

void inbox_want_held(struct batch *batch, const struct bytes *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (inbox_is_held(inbox_key_state(batch, keys[i]))) {
            rows_want(batch->rows, &held_table, HELD_KEY, value_text(keys[i]));
        } else {
            rows_assume_none(batch->rows, &held_table, HELD_KEY, value_text(keys[i]));
        }
    }
}

struct raw inbox_held_raw(const struct held_row *row)
{
    return (struct raw){.topic = (enum topic)row->topic,
                        .partition = row->partition,
                        .offset = row->record_offset,
                        .key = row->key,
                        .value = row->value};
}

struct held_row *inbox_next_held(struct batch *batch, struct bytes key, const struct held_row *after)
{
    return rows_next(batch->rows, &held_table, HELD_KEY, value_text(key), after);
}

const struct input *inbox_held_input(struct batch *batch, struct held_row *row)
{
    struct input *in = rows_decoded(row);
    if (in != NULL)
        return in;
    struct raw raw = inbox_held_raw(row);
    in = arena_new_object(batch->arena, struct input);
    struct err e = input_decode(batch, &raw, in);
    if (err_is(&e))
        return NULL;
    rows_set_decoded(row, in);
    return in;
}

void inbox_want_held_inputs(struct batch *batch, const struct bytes *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!inbox_is_held(inbox_key_state(batch, keys[i])))
            continue;
        for (struct held_row *row = NULL; (row = inbox_next_held(batch, keys[i], row)) != NULL;) {
            const struct input *in = inbox_held_input(batch, row);
            if (in != NULL)
                inbox_want(batch, in);
        }
    }
}
