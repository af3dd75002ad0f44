// What a template is given: the command's values and lists, in words of the reader's language.
#include "notifier/notifier.h"

#include <inttypes.h>
#include <string.h>

// Reasons that the saga gives in words of its own, as people say them. Others (a clerk's, a warehouse's) stay as they are.
static const struct {
    const char *said, *zh, *en;
} phrases[] = {
    {"no_answer", "未在期限内收到您的答复", "there was no answer before the deadline"},
    {"cancelled on request", "应您的要求取消", "cancelled at your request"},
    {"the goods can't be kept any more", "货物已交付承运，无法撤回", "the goods have left the warehouse"},
    {"the customer refuses the shortage", "您不接受缺货处理方案",
     "you did not accept any of our offers for the missing goods"},
    {"production is late", "生产延期", "production is late"},
    {"violations", "订单内容有误", "the order can't be carried out as it is"},
    {"refused", "相关部门未批准", "our departments did not approve it"},
};

struct builder {
    struct arena *arena;
    enum notice_locale locale;
    struct scope *scope;
};

static const char *in_words(const struct builder *b, const char *said)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (strcmp(phrases[i].said, said) == 0)
            return b->locale == LOCALE_ZH_CN ? phrases[i].zh : phrases[i].en;
    }
    return said;
}

static struct scope open_scope(struct arena *arena, const struct scope *outer, size_t values)
{
    return (struct scope){.outer = outer, .values = arena_new_array(arena, struct scope_value, values)};
}

static void add(struct scope *scope, const char *name, const char *text)
{
    struct scope_value *values = (struct scope_value *)(uintptr_t)scope->values;
    values[scope->value_count++] = (struct scope_value){name, bytes_str(text)};
}

static void add_number(struct arena *arena, struct scope *scope, const char *name, int64_t number)
{
    add(scope, name, arena_printf(arena, "%" PRId64, number));
}

static void add_list(struct scope *scope, const char *name, const struct scope *items, size_t count)
{
    struct scope_list *lists = (struct scope_list *)(uintptr_t)scope->lists;
    lists[scope->list_count++] = (struct scope_list){name, items, count};
}

static const char *joined(const struct builder *b, char *const *texts, size_t count)
{
    const char *between = b->locale == LOCALE_ZH_CN ? "、" : ", ";
    const char *out = "";
    for (size_t i = 0; i < count; i++)
        out = arena_printf(b->arena, "%s%s%s", out, i == 0 ? "" : between, texts[i]);
    return out;
}

static void add_violations(struct builder *b, const Orderclerk__V1__Notify *notify)
{
    struct scope *items = arena_new_array(b->arena, struct scope, notify->n_violations + 1);
    for (size_t i = 0; i < notify->n_violations; i++) {
        const Orderclerk__V1__Violation *v = notify->violations[i];
        const char *text = b->locale == LOCALE_ZH_CN ? v->text_zh : v->text_en;
        items[i] = open_scope(b->arena, b->scope, 5);
        add(&items[i], "text", text[0] != '\0' ? text : v->code);
        add(&items[i], "field", v->field);
        add(&items[i], "code", v->code);
        add(&items[i], "department", v->department);
        add(&items[i], "suggestions", joined(b, v->suggestions, v->n_suggestions));
    }
    add_list(b->scope, "violations", items, notify->n_violations);
}

static void add_shortages(struct builder *b, const Orderclerk__V1__Notify *notify)
{
    struct scope *items = arena_new_array(b->arena, struct scope, notify->n_shortages + 1);
    for (size_t i = 0; i < notify->n_shortages; i++) {
        const Orderclerk__V1__Shortage *s = notify->shortages[i];
        items[i] = open_scope(b->arena, b->scope, 5);
        items[i].lists = arena_new_array(b->arena, struct scope_list, 1);
        add_number(b->arena, &items[i], "line_no", s->line_no);
        add(&items[i], "sku", s->sku);
        add_number(b->arena, &items[i], "wanted", s->wanted);
        add_number(b->arena, &items[i], "available", s->available);
        add(&items[i], "restock_date", s->restock_date);
        struct scope *substitutes = arena_new_array(b->arena, struct scope, s->n_substitutes + 1);
        for (size_t j = 0; j < s->n_substitutes; j++) {
            substitutes[j] = open_scope(b->arena, &items[i], 3);
            add(&substitutes[j], "sku", s->substitutes[j]->sku);
            add(&substitutes[j], "name", s->substitutes[j]->name);
            add_number(b->arena, &substitutes[j], "available", s->substitutes[j]->available);
        }
        add_list(&items[i], "substitutes", substitutes, s->n_substitutes);
    }
    add_list(b->scope, "shortages", items, notify->n_shortages);
}

static void add_lines(struct builder *b, const Orderclerk__V1__Notify *notify)
{
    struct scope *items = arena_new_array(b->arena, struct scope, notify->n_lines + 1);
    for (size_t i = 0; i < notify->n_lines; i++) {
        const Orderclerk__V1__OrderLine *l = notify->lines[i];
        items[i] = open_scope(b->arena, b->scope, 6);
        add_number(b->arena, &items[i], "line_no", l->line_no);
        add(&items[i], "product_code", l->product_code);
        add(&items[i], "product_name", l->product_name);
        add(&items[i], "specification", l->specification);
        add_number(b->arena, &items[i], "quantity", l->quantity);
        add(&items[i], "unit", l->unit);
    }
    add_list(b->scope, "lines", items, notify->n_lines);
}

const struct scope *notifier_scope(struct arena *arena, const struct notifier_context *context,
                                   const Orderclerk__V1__NotifierCommand *command, struct bytes order_id,
                                   enum notice_locale locale)
{
    const Orderclerk__V1__Notify *notify = command->notify;
    struct scope *scope = arena_new_object(arena, struct scope);
    *scope = open_scope(arena, NULL, notify->n_values + 2);
    scope->lists = arena_new_array(arena, struct scope_list, 3);
    struct builder b = {.arena = arena, .locale = locale, .scope = scope};
    const char *reference = command->order_no;
    for (size_t i = 0; i < notify->n_values; i++) {
        const Orderclerk__V1__NotifyValue *v = notify->values[i];
        add(scope, v->name, in_words(&b, v->value));
        if (reference[0] == '\0' && strcmp(v->name, "customer_po") == 0)
            reference = v->value;
    }
    add(scope, "reference", reference[0] != '\0' ? reference : arena_str(arena, order_id));
    add(scope, "sender", context->settings.mail_from_name);
    add_violations(&b, notify);
    add_shortages(&b, notify);
    add_lines(&b, notify);
    return scope;
}
