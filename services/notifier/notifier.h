// The notifier: tells people by mail what the saga says, once.
#pragma once

#include "config/config.h"
#include "lane/lane.h"
#include "notifier/notifier_store.h"
#include "notifier/notifier_texts.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "pg/migrate.h"

extern const struct lane_service notifier_lane;
extern const struct setting_table notifier_setting_tables[];
extern const size_t notifier_setting_table_count;
extern const struct migration notifier_migrations[];
extern const unsigned notifier_migrations_count;

struct notifier_settings {
    const char *mail_from;      // address of the sender
    const char *mail_from_name; // and its name, which also signs the mails
    const char *mail_zone;      // IANA zone in which instants are written
    const char *template_dir;   // empty: the embedded texts
    int64_t mail_give_up;       // microseconds
};

// What the lane's functions work with: filled by notifier_prepare, then read only.
struct notifier_context {
    struct notifier_settings settings;
    struct texts texts;
};
extern struct notifier_context notifier_context;

// Reads and checks texts and settings. CONFIG: what is wrong.
struct err notifier_prepare(void) ERR_MUST_CHECK;

#define NOTIFIER_CHANNEL       "email" // the only one
#define NOTIFIER_EFFECT        "mail"
#define NOTIFIER_TARGET        "smtp"
#define NOTIFIER_RECIPIENT_MAX 320 // what an index entry can take easily; a possible address is shorter

// notifier_decide.c
void notifier_want(struct batch *batch, const struct input *in);
struct err notifier_decide(struct batch *batch, const struct input *in);

// notifier_scope.c: what a template is given, in words of the reader's language. In the arena.
const struct scope *notifier_scope(struct arena *arena, const struct notifier_context *context,
                                   const Orderclerk__V1__NotifierCommand *command, struct bytes order_id,
                                   enum notice_locale locale);

// notifier_compose.c: the whole message.
struct notice {
    enum notice_kind kind;
    enum notice_locale locale;
    struct uuid id;
    struct bytes order_id;
    instant at;
};
struct bytes notifier_compose(struct arena *arena, const struct notifier_context *context,
                              const Orderclerk__V1__NotifierCommand *command, const struct notice *notice);
