// A command becomes a mail: subject and body by template, headers that programs may answer by.
#include "notifier/notifier.h"

#include "notifier/notifier_mail.h"

#include <string.h>

static struct bytes value_of(const Orderclerk__V1__Notify *notify, const char *name)
{
    for (size_t i = 0; i < notify->n_values; i++) {
        if (strcmp(notify->values[i]->name, name) == 0)
            return bytes_str(notify->values[i]->value);
    }
    return bytes_str("");
}

static struct bytes *one(struct arena *arena, struct bytes text)
{
    struct bytes *item = arena_new_object(arena, struct bytes);
    *item = text;
    return item;
}

// What is asked, so that a program can answer: code@field of each question, line:sku of each shortage.
static struct bytes *questions(struct arena *arena, const Orderclerk__V1__Notify *notify)
{
    struct bytes *items = arena_new_array(arena, struct bytes, notify->n_violations + 1);
    for (size_t i = 0; i < notify->n_violations; i++)
        items[i] = bytes_str(
            arena_printf(arena, "%s@%s", notify->violations[i]->code, notify->violations[i]->field));
    return items;
}

static struct bytes *shortages(struct arena *arena, const Orderclerk__V1__Notify *notify)
{
    struct bytes *items = arena_new_array(arena, struct bytes, notify->n_shortages + 1);
    for (size_t i = 0; i < notify->n_shortages; i++)
        items[i] =
            bytes_str(arena_printf(arena, "%u:%s", notify->shortages[i]->line_no, notify->shortages[i]->sku));
    return items;
}

struct bytes notifier_compose(struct arena *arena, const struct notifier_context *context,
                              const Orderclerk__V1__NotifierCommand *command, const struct notice *notice)
{
    const Orderclerk__V1__Notify *notify = command->notify;
    const struct notice_text *text = &context->texts.items[notice->kind][notice->locale];
    const struct scope *scope = notifier_scope(arena, context, command, notice->order_id, notice->locale);
    struct template_style style = {.language = notice->locale == LOCALE_ZH_CN ? LANGUAGE_ZH : LANGUAGE_EN,
                                   .zone = context->settings.mail_zone};
    struct mail_header headers[5];
    size_t count = 0;
    headers[count++] = (struct mail_header){"X-Orderclerk-Order", one(arena, notice->order_id), 1};
    headers[count++] =
        (struct mail_header){"X-Orderclerk-Kind", one(arena, bytes_str(notice_kind_name(notice->kind))), 1};
    if (command->order_no[0] != '\0')
        headers[count++] =
            (struct mail_header){"X-Orderclerk-Order-No", one(arena, bytes_str(command->order_no)), 1};
    if (notify->n_violations > 0)
        headers[count++] =
            (struct mail_header){"X-Orderclerk-Questions", questions(arena, notify), notify->n_violations};
    if (notify->n_shortages > 0)
        headers[count++] =
            (struct mail_header){"X-Orderclerk-Shortages", shortages(arena, notify), notify->n_shortages};
    struct mail mail = {.id = notice->id,
                        .at = notice->at,
                        .from = bytes_str(context->settings.mail_from),
                        .from_name = bytes_str(context->settings.mail_from_name),
                        .to = bytes_str(notify->recipient),
                        .to_name = value_of(notify, "contact"),
                        .language = notice_locale_name(notice->locale),
                        .subject = template_render(arena, text->subject, scope, &style),
                        .body = template_render(arena, text->body, scope, &style),
                        .headers = headers,
                        .header_count = count};
    return mail_write(arena, &mail);
}
