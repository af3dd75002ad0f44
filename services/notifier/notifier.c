// The notifier, the whole service at a glance.
#include "notifier/notifier.h"

#include "notifier/notifier_mail.h"

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const enum topic inputs[] = {TOPIC_COMMANDS_NOTIFIER};
static const enum topic outputs[] = {TOPIC_NOTIFICATION_EVENTS};
static const struct table *const tables[] = {&notification_table};

struct notifier_context notifier_context = {.settings = {.mail_from = "orders@orderclerk.example",
                                                         .mail_from_name = "Order desk",
                                                         .mail_zone = "Asia/Shanghai",
                                                         .template_dir = "",
                                                         .mail_give_up = 4 * INSTANT_DAY}};

#define TEXT(member, initial, text)                                                                          \
    {                                                                                                        \
        .key = #member, .type = SETTING_TEXT, .offset = offsetof(struct notifier_settings, member),          \
        .fallback = (initial), .help = (text)                                                                \
    }
static const struct setting settings[] = {
    TEXT(mail_from, "orders@orderclerk.example", "Sender's address."),
    TEXT(mail_from_name, "Order desk", "Sender's name; it also signs the mails."),
    TEXT(mail_zone, "Asia/Shanghai", "IANA zone in which mails give times."),
    TEXT(template_dir, "", "Directory with the mails' texts, <kind>.<locale>.txt; empty: those built in."),
    {.key = "mail_give_up",
     .type = SETTING_DURATION,
     .offset = offsetof(struct notifier_settings, mail_give_up),
     .fallback = "4d",
     .min = INSTANT_SECOND,
     .max = 30 * INSTANT_DAY,
     .help = "A mail that can't be delivered is given up after this."},
};
const struct setting_table notifier_setting_tables[] = {
    {.settings = settings, .count = COUNT_OF(settings), .target = &notifier_context.settings}};
const size_t notifier_setting_table_count = COUNT_OF(notifier_setting_tables);

struct err notifier_prepare(void)
{
    const struct notifier_settings *s = &notifier_context.settings;
    if (!mail_address_ok(bytes_str(s->mail_from)))
        return err_make(ERR_CONFIG, "mail_from: \"%s\" is not a mail address", s->mail_from);
    if (!zone_exists(s->mail_zone))
        return err_make(ERR_CONFIG, "mail_zone: \"%s\" is not an IANA zone known here", s->mail_zone);
    return texts_load(s->template_dir, &notifier_context.texts);
}

const struct lane_service notifier_lane = {
    .name = "notifier",
    .unhurried = true,
    .group = "notifier.v1",
    .inputs = inputs,
    .input_count = COUNT_OF(inputs),
    .outputs = outputs,
    .output_count = COUNT_OF(outputs),
    .tables = tables,
    .table_count = COUNT_OF(tables),
    .want = notifier_want,
    .decide = notifier_decide,
    .context = &notifier_context,
};
