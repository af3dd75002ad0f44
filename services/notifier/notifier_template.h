// Small text templates.
//
//   {{name}}  {{name|date}}  {{name|instant}}      a value; as a date, as an instant (local time of the reader)
//   {{#if name}} … {{/if}}  {{#unless name}} … {{/unless}}     the value isn't (is) empty, the list has (no) items
//   {{#each list}} … {{/each}}                     once per item; the item's values hide the outer ones
// A line that holds nothing but a {{#…}} or {{/…}} leaves no line. Values are inserted as they are: the text is no markup.
// Names are checked when a template is read, so that rendering can't fail. Pure functions.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"

#include <stddef.h>

// What a template may name: values, and lists with what their items have. NULL-terminated.
struct vocabulary_list;
struct vocabulary {
    const char *const *values;
    const struct vocabulary_list *lists; // ends with a NULL name
};
struct vocabulary_list {
    const char *name;
    const struct vocabulary *item;
};

struct template;

// Reads a template; what it is made of lives in the arena, its text must too. CONFIG: line and what is wrong with it.
struct err template_parse(struct arena *arena, struct bytes text, const struct vocabulary *vocabulary,
                          struct template **ret_template) ERR_MUST_CHECK;

// What is put in. Names that aren't there are empty.
struct scope_list;
struct scope {
    const struct scope *outer;
    const struct scope_value {
        const char *name;
        struct bytes text;
    } * values;
    size_t value_count;
    const struct scope_list *lists;
    size_t list_count;
};
struct scope_list {
    const char *name;
    const struct scope *items;
    size_t count;
};

// How dates are written.
enum template_language { LANGUAGE_ZH, LANGUAGE_EN };
struct template_style {
    enum template_language language;
    const char *zone; // IANA; of instants
};

struct bytes template_render(struct arena *arena, const struct template *template, const struct scope *scope,
                             const struct template_style *style);

// "2026年9月24日（星期四）" or "Thursday, 24 September 2026"; what is no date stays as it is.
struct bytes template_date(struct arena *arena, struct bytes text, const struct template_style *style);
// RFC 3339 -> local date and time with weekday, zone and its distance from UTC.
struct bytes template_instant(struct arena *arena, struct bytes text, const struct template_style *style);
