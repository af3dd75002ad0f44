// The orchestrator's settings: the saga's, as a table for the process. What can't work is refused at start.
#include "config/config.h"
#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_rules.h"

#include <stddef.h>

#define SHORTEST INSTANT_MS // a deadline that moves by nothing would never be over

static const struct setting table[] = {
#define SPAN(name, text, initial, meaning, shortest)                                                         \
    {.key = text,                                                                                            \
     .type = SETTING_DURATION,                                                                               \
     .offset = offsetof(struct saga_settings, name),                                                         \
     .fallback = initial,                                                                                    \
     .min = (shortest),                                                                                      \
     .max = 3650 * INSTANT_DAY,                                                                              \
     .help = meaning},
#define DURATION(name, text, initial, value, meaning) SPAN(name, text, initial, meaning, SHORTEST)
#define WINDOW(name, text, initial, value, meaning)   SPAN(name, text, initial, meaning, 0)
#define NUMBER(name, text, initial, value, meaning)                                                          \
    {.key = text,                                                                                            \
     .type = SETTING_INT,                                                                                    \
     .offset = offsetof(struct saga_settings, name),                                                         \
     .fallback = initial,                                                                                    \
     .min = 0,                                                                                               \
     .max = INT64_MAX,                                                                                       \
     .help = meaning},
#include "orchestrator/saga/saga_settings.def"
#undef DURATION
#undef WINDOW
#undef SPAN
#undef NUMBER
    {.key = "working_time",
     .type = SETTING_BOOL,
     .offset = offsetof(struct saga_settings, working_time),
     .fallback = "true",
     .help = "Working deadlines count Monday to Friday, 09:00 to 17:00; false: every hour."},
    {.key = "business_zone",
     .type = SETTING_TEXT,
     .offset = offsetof(struct saga_settings, business_zone),
     .fallback = "Asia/Shanghai",
     .help = "IANA zone of working time and of the date in order numbers."},
};

struct setting_table orchestrator_setting_table(void)
{
    return (struct setting_table){
        .settings = table, .count = sizeof table / sizeof table[0], .target = orchestrator_settings()};
}

struct err orchestrator_start(struct process *process)
{
    const struct saga_context *context = orchestrator_context();
    if (!zone_exists(context->settings->business_zone)) {
        return err_make(ERR_CONFIG, "business_zone: \"%s\" isn't an IANA zone, e.g. Asia/Shanghai",
                        context->settings->business_zone);
    }
    return orchestrator_rules_write(process_pg(process), context->book);
}
