// See orchestrator_rules.h. A store of its own: these rows belong to no lane.
#include "orchestrator/orchestrator_rules.h"

#include "base/arena.h"
#include "orchestrator/saga/saga_check.h"
#include "pg/pg.h"

static const char *joined(struct arena *arena, const char *list, const char *word)
{
    return list == NULL ? word : arena_printf(arena, "%s %s", list, word);
}

static struct pg_param text_or_null(const char *text)
{
    return pg_text(text == NULL || text[0] == '\0' ? bytes_of(NULL, 0) : bytes_str(text));
}

static const char *states_of(struct arena *arena, uint64_t set)
{
    const char *list = NULL;
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++)
        if ((set & SAGA_BIT(s)) != 0)
            list = joined(arena, list, saga_state_info(s)->name);
    return list;
}

static const char *events_of(struct arena *arena, uint64_t set)
{
    const char *list = NULL;
    for (enum saga_event e = 1; e < SAGA_EVENT_COUNT; e++)
        if ((set & SAGA_BIT(e)) != 0)
            list = joined(arena, list, saga_event_info(e)->name);
    return list;
}

static const char *actions_of(struct arena *arena, const struct saga_rule *rule)
{
    const char *list = NULL;
    for (size_t i = 0; i < SAGA_ACTS_MAX && rule->act[i] != SAGA_ACTION_NONE; i++)
        list = joined(arena, list, saga_action_info((enum saga_action)rule->act[i])->name);
    return list;
}

static const char *undo_of(struct arena *arena, uint64_t steps)
{
    const char *list = NULL;
    for (enum saga_step s = 1; s < SAGA_STEP_COUNT; s++)
        if ((steps & SAGA_BIT(s)) != 0 && saga_step_info(s)->undo[0] != '\0')
            list = joined(arena, list, saga_step_info(s)->undo);
    return list;
}

static const char *target_of(const struct saga_rule *rule)
{
    if (rule->kind != SAGA_RULE_MOVE || rule->to == SAGA_SAME)
        return NULL;
    return rule->to == SAGA_RESUME ? "BACK" : saga_state_info(rule->to)->name;
}

// The names of the definitions of this version that have the rule; NULL: none.
static const char *definitions_of(struct arena *arena, const struct saga_book *book, uint32_t version,
                                  const struct saga_rule *rule)
{
    const char *list = NULL;
    for (size_t i = 0; i < book->count; i++) {
        const struct saga_definition_source *source = saga_definition_source(book->definitions[i]);
        if (source->version == version && (rule->only == 0 || (rule->only & source->only) != 0))
            list = joined(arena, list, source->name);
    }
    return list;
}

static struct err write_rule(struct pg *pg, struct arena *arena, const struct saga_book *book,
                             uint32_t version, const struct saga_rule *rule)
{
    static const char sql[] =
        "INSERT INTO saga_rule (version, rule_id, definitions, kind, in_states, on_events, when_name, "
        "when_text, to_state, "
        "actions, undone_by, why) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        "ON CONFLICT (version, rule_id) DO UPDATE SET definitions = excluded.definitions, kind = "
        "excluded.kind, "
        "in_states = excluded.in_states, on_events = excluded.on_events, when_name = excluded.when_name, "
        "when_text = excluded.when_text, to_state = excluded.to_state, actions = excluded.actions, "
        "undone_by = excluded.undone_by, why = excluded.why";
    const bool guarded = rule->when != SAGA_GUARD_NONE;
    const struct pg_param params[] = {
        pg_i32(arena, (int32_t)version),
        pg_i32(arena, (int32_t)rule->id),
        text_or_null(definitions_of(arena, book, version, rule)),
        pg_text(bytes_str(saga_rule_kind_name(rule->kind))),
        text_or_null(states_of(arena, rule->from)),
        text_or_null(events_of(arena, rule->on)),
        text_or_null(guarded ? saga_guard_info(rule->when)->name : NULL),
        text_or_null(guarded ? saga_guard_info(rule->when)->text : NULL),
        text_or_null(target_of(rule)),
        text_or_null(actions_of(arena, rule)),
        text_or_null(undo_of(arena, rule->undo)),
        pg_text(bytes_str(rule->why)),
    };
    return pg_send(pg, sql, params, sizeof params / sizeof params[0]);
}

static struct err write_state(struct pg *pg, enum saga_state state)
{
    static const char *const kinds[] = {[SAGA_PASSING] = "PASSING",
                                        [SAGA_WAITING] = "WAITING",
                                        [SAGA_ENDED] = "ENDED",
                                        [SAGA_FINAL] = "FINAL"};
    const struct saga_state_info *info = saga_state_info(state);
    const struct pg_param params[] = {
        pg_text(bytes_str(info->name)), pg_text(bytes_str(kinds[info->kind])), text_or_null(info->task),
        text_or_null(info->text_en),    text_or_null(info->text_zh),
    };
    static const char sql[] =
        "INSERT INTO saga_state (state, kind, task, text_en, text_zh) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (state) DO UPDATE SET kind = excluded.kind, task = excluded.task, text_en = "
        "excluded.text_en, "
        "text_zh = excluded.text_zh";
    return pg_send(pg, sql, params, sizeof params / sizeof params[0]);
}

// Each version once: its definitions share their rules.
static struct err write_versions(struct pg *pg, struct arena *arena, const struct saga_book *book)
{
    for (size_t i = 0; i < book->count; i++) {
        const struct saga_definition_source *source = saga_definition_source(book->definitions[i]);
        bool written = false;
        for (size_t j = 0; j < i; j++)
            written = written || saga_definition_source(book->definitions[j])->version == source->version;
        for (size_t r = 0; r < source->rule_count && !written; r++) {
            struct err e = write_rule(pg, arena, book, source->version, &source->rules[r]);
            if (err_is(&e))
                return e;
        }
    }
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
        struct err e = write_state(pg, s);
        if (err_is(&e))
            return e;
    }
    return err_ok();
}

struct err orchestrator_rules_write(const char *dsn, const struct saga_book *book)
{
    struct pg *pg;
    struct err e = pg_open(dsn, "orchestrator-rules", NULL, &pg);
    if (err_is(&e))
        return e;
    struct arena *arena = arena_new(1 << 17);
    e = write_versions(pg, arena, book);
    if (!err_is(&e))
        e = pg_sync(pg);
    if (!err_is(&e))
        e = pg_drain(pg);
    arena_free(arena);
    pg_close(pg);
    return err_within(e, "saga_rule");
}
