// Commands become mails that are stored before they are sent; results become what is told of them.
#include "notifier/notifier.h"

#include "notifier/notifier_mail.h"
#include "orderclerk/v1/notification_events.pb-c.h"

#include <string.h>

#define REASON_MAX 300

// ---- which row

// What made the saga send it: a command that says nothing of it stands for itself.
static struct uuid cause_of(const struct input *in)
{
    struct uuid cause = in->head.id;
    (void)uuid_parse(in->head.causation_id, &cause);
    return cause;
}

// The note of a mail's effect: its row's key but for the recipient, who is in the request.
static char *note_of(struct arena *arena, const struct notification_row *row)
{
    char cause[UUID_TEXT_SIZE];
    uuid_format(row->causing_event, cause);
    return arena_printf(arena, "%s %.*s", cause, (int)row->kind.size, (const char *)row->kind.data);
}

static bool note_parse(const Orderclerk__V1__EffectRequest *request, struct notification_row *ret_probe)
{
    const char *blank = strchr(request->note, ' ');
    struct notification_row probe = {.channel = bytes_str(NOTIFIER_CHANNEL)};
    if (blank == NULL || request->n_mail_to != 1 ||
        !uuid_parse(bytes_of(request->note, (size_t)(blank - request->note)), &probe.causing_event))
        return false;
    probe.kind = bytes_str(blank + 1);
    probe.recipient = bytes_str(request->mail_to[0]);
    *ret_probe = probe;
    return true;
}

void notifier_want(struct batch *batch, const struct input *in)
{
    struct notification_row probe;
    if (in->kind == INPUT_MESSAGE)
        batch_want(batch, &notification_table, NOTIFICATION_CAUSE, value_uuid(cause_of(in)));
    else if (in->kind == INPUT_EFFECT && note_parse(in->request, &probe))
        batch_want(batch, &notification_table, NOTIFICATION_CAUSE, value_uuid(probe.causing_event));
}

// ---- what is told

// Text that the database takes, at most max bytes of whole characters.
static struct bytes cut(struct arena *arena, struct bytes text, size_t max)
{
    const uint8_t *in = text.data;
    char *out = arena_alloc(arena, max + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size;) {
        size_t n = bytes_utf8_length(in + i, text.size - i);
        bool bad = n == 0 || (n == 1 && in[i] == '\0');
        if (size + (bad ? 1 : n) > max)
            break;
        if (bad)
            out[size++] = '?';
        else
            memcpy(out + size, in + i, n);
        size += bad ? 0 : n;
        i += n == 0 ? 1 : n;
    }
    return bytes_of(out, size);
}

static void tell(struct batch *batch, const struct input *in, const struct notification_row *row)
{
    struct arena *arena = batch_arena(batch);
    Orderclerk__V1__NotificationSent sent = ORDERCLERK__V1__NOTIFICATION_SENT__INIT;
    Orderclerk__V1__NotificationFailed failed = ORDERCLERK__V1__NOTIFICATION_FAILED__INIT;
    Orderclerk__V1__NotificationEvent event = ORDERCLERK__V1__NOTIFICATION_EVENT__INIT;
    const struct notifier_context *context = batch_context(batch);
    event.saga_revision = (uint64_t)row->revision;
    event.kind = arena_str(arena, row->kind);
    event.channel = arena_str(arena, row->channel);
    event.recipient = arena_str(arena, row->recipient);
    if (bytes_is(row->state, NOTIFICATION_SENT)) {
        sent.message_id = mail_message_id(arena, row->id, bytes_str(context->settings.mail_from));
        event.body_case = ORDERCLERK__V1__NOTIFICATION_EVENT__BODY_SENT;
        event.sent = &sent;
    } else {
        failed.reason = arena_str(arena, row->reason);
        event.body_case = ORDERCLERK__V1__NOTIFICATION_EVENT__BODY_FAILED;
        event.failed = &failed;
    }
    batch_emit(batch, TOPIC_NOTIFICATION_EVENTS, in->key, &event.base);
}

static void settle(struct batch *batch, const struct input *in, struct notification_row *row,
                   const char *reason)
{
    row->state = bytes_str(reason == NULL ? NOTIFICATION_SENT : NOTIFICATION_FAILED);
    row->settled_at = batch_now(batch);
    if (reason != NULL)
        row->reason = cut(batch_arena(batch), bytes_str(reason), REASON_MAX);
    tell(batch, in, row);
}

// ---- Notify

static struct uuid id_of(struct arena *arena, const struct notification_row *row)
{
    char *name = arena_printf(arena, "%.*s|%.*s|%.*s", (int)row->kind.size, (const char *)row->kind.data,
                              (int)row->channel.size, (const char *)row->channel.data,
                              (int)row->recipient.size, (const char *)row->recipient.data);
    return uuid_derive(row->causing_event, "notification", bytes_str(name));
}

static void send(struct batch *batch, const struct notification_row *row,
                 const Orderclerk__V1__NotifierCommand *command, const struct notice *notice)
{
    const struct notifier_context *context = batch_context(batch);
    struct arena *arena = batch_arena(batch);
    struct bytes message = notifier_compose(arena, context, command, notice);
    char *to[] = {command->notify->recipient};
    Orderclerk__V1__EffectRequest request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.kind = (char *)(uintptr_t)NOTIFIER_EFFECT;
    request.transport = (char *)(uintptr_t) "smtp";
    request.mail_from = (char *)(uintptr_t)context->settings.mail_from;
    request.mail_to = to;
    request.n_mail_to = 1;
    request.body = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)message.data, .len = message.size};
    request.note = note_of(arena, row);
    batch_effect(batch, NOTIFIER_TARGET, &request, INSTANT_NONE);
}

// Why it can't be sent, whatever is tried; NULL: it can.
static const char *hopeless(const Orderclerk__V1__Notify *notify)
{
    if (strcmp(notify->channel, NOTIFIER_CHANNEL) != 0)
        return "channel: only email is offered";
    return mail_address_ok(bytes_str(notify->recipient)) ? NULL : "recipient: not a mail address";
}

static struct err decide_notify(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__NotifierCommand *command = (const void *)in->message;
    struct arena *arena = batch_arena(batch);
    struct notice notice = {.order_id = in->key, .at = batch_now(batch)};
    struct notification_row row = {.causing_event = cause_of(in),
                                   .state = bytes_str(NOTIFICATION_PENDING),
                                   .created_at = batch_now(batch),
                                   .settled_at = INSTANT_NONE,
                                   .revision = (int64_t)command->saga_revision};
    if (command->body_case != ORDERCLERK__V1__NOTIFIER_COMMAND__BODY_NOTIFY)
        return err_make(ERR_REJECT, "body: a command of a kind that isn't known here");
    const Orderclerk__V1__Notify *notify = command->notify;
    // A mail that this version can't write is held, not lost: a newer one sends it.
    if (!notice_kind_parse(notify->kind, &notice.kind))
        return err_make(ERR_REJECT, "notify.kind: \"%.40s\" has no text here", notify->kind);
    if (!uuid_parse(in->key, &row.order_id))
        return err_make(ERR_REJECT, "order_id: must be a UUID");
    notice.locale = notice_locale_for(notify->locale);
    row.kind = bytes_str(notice_kind_name(notice.kind));
    row.channel = cut(arena, bytes_str(notify->channel), 20);
    row.recipient = cut(arena, bytes_str(notify->recipient), NOTIFIER_RECIPIENT_MAX);
    row.locale = bytes_str(notice_locale_name(notice.locale));
    if (batch_find(batch, &notification_table, &row) != NULL)
        return err_ok(); // told already, whatever became of it
    row.id = notice.id = id_of(arena, &row);
    struct notification_row *kept = batch_put(batch, &notification_table, &row);
    const char *why = hopeless(notify);
    if (why != NULL)
        settle(batch, in, kept, why);
    else
        send(batch, kept, command, &notice);
    return err_ok();
}

// ---- what became of it

static const char *reason_of(struct arena *arena, const struct effect_result *result)
{
    return arena_printf(arena, "%d %s", (int)result->status, result->text);
}

static struct err decide_result(struct batch *batch, const struct input *in)
{
    const struct notifier_context *context = batch_context(batch);
    struct notification_row probe;
    struct notification_row *row =
        note_parse(in->request, &probe) ? batch_find(batch, &notification_table, &probe) : NULL;
    if (row == NULL || !bytes_is(row->state, NOTIFICATION_PENDING)) {
        batch_effect_finish(batch);
        return err_ok();
    }
    batch_touch(batch, row);
    row->tries = in->result->attempt;
    const char *reason = reason_of(batch_arena(batch), in->result);
    if (in->result->outcome == EFFECT_OK) {
        settle(batch, in, row, NULL);
    } else if (in->result->outcome == EFFECT_REFUSED) {
        settle(batch, in, row, reason);
    } else if (batch_now(batch) - row->created_at > context->settings.mail_give_up) {
        settle(batch, in, row, arena_printf(batch_arena(batch), "given up: %s", reason));
        batch_effect_finish(batch);
    }
    return err_ok();
}

struct err notifier_decide(struct batch *batch, const struct input *in)
{
    if (in->kind == INPUT_EFFECT)
        return decide_result(batch, in);
    if (in->kind == INPUT_DEADLINE)
        return err_ok(); // it sets none
    return decide_notify(batch, in);
}
