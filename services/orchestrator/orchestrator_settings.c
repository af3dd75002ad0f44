// The orchestrator's settings, and its table of rules in the database.
#include "config/config.h"
#include "orchestrator/orchestrator.h"
#include "pg/pg.h"

#include <stddef.h>

static const struct setting table[] = {
#define DURATION(name, text, initial, value, meaning)                                                        \
    {.key = text,                                                                                            \
     .type = SETTING_DURATION,                                                                               \
     .offset = offsetof(struct saga_settings, name),                                                         \
     .fallback = initial,                                                                                    \
     .min = 0,                                                                                               \
     .max = 3650 * INSTANT_DAY,                                                                              \
     .help = meaning},
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

static const char *kind_name(enum saga_rule_kind kind)
{
    static const char *const names[] = {[SAGA_RULE_MOVE] = "MOVE",
                                        [SAGA_RULE_REFUSE] = "REFUSE",
                                        [SAGA_RULE_IGNORE] = "IGNORE",
                                        [SAGA_RULE_NEVER] = "NEVER"};
    return names[kind];
}

static struct pg_param rule_actions(struct arena *arena, const struct saga_rule *rule)
{
    const char *text = "";
    for (int i = 0; i < SAGA_ACTS_MAX && rule->act[i] != SAGA_ACTION_NONE; i++) {
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "",
                            saga_action_info((enum saga_action)rule->act[i])->name);
    }
    return pg_text(text[0] == '\0' ? bytes_of(NULL, 0) : bytes_str(text));
}

static struct err write_rules(struct pg *pg, struct arena *arena)
{
    static const char sql[] =
        "INSERT INTO saga_rule (rule_id, kind, to_state, guard, actions, why) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (rule_id) DO UPDATE SET kind = excluded.kind, "
        "to_state = excluded.to_state, guard = excluded.guard, actions = excluded.actions, "
        "why = excluded.why";
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        const struct saga_rule *rule = &saga_rules_v1[i];
        const bool state = rule->kind == SAGA_RULE_MOVE && rule->to != SAGA_SAME && rule->to != SAGA_RESUME;
        const bool guard = rule->when != SAGA_GUARD_NONE;
        struct pg_param params[6] = {
            pg_i32(arena, (int32_t)rule->id),
            pg_text(bytes_str(kind_name(rule->kind))),
            pg_text(state ? bytes_str(saga_state_info(rule->to)->name) : bytes_of(NULL, 0)),
            pg_text(guard ? bytes_str(saga_guard_info(rule->when)->name) : bytes_of(NULL, 0)),
            rule_actions(arena, rule),
            pg_text(bytes_str(rule->why)),
        };
        struct err e = pg_send(pg, sql, params, 6);
        if (err_is(&e))
            return e;
    }
    struct err e = pg_sync(pg);
    return err_is(&e) ? e : pg_drain(pg);
}

struct err orchestrator_start(struct process *process)
{
    struct pg *pg;
    orchestrator_context();
    if (!zone_exists(orchestrator_settings()->business_zone)) {
        return err_make(ERR_CONFIG, "business_zone: \"%s\" isn't an IANA zone, e.g. Asia/Shanghai",
                        orchestrator_settings()->business_zone);
    }
    struct err e = pg_open(process_pg(process), "orchestrator-rules", NULL, &pg);
    if (err_is(&e))
        return e;
    struct arena *arena = arena_new(1 << 16);
    e = write_rules(pg, arena);
    arena_free(arena);
    pg_close(pg);
    return e;
}
