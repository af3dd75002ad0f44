// Templates, read into a list of nodes; a block's opening node knows where its closing one is.
#include "notifier/notifier_template.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define NODES_MAX      1000 // of one template: a page of text has fifty
#define DEPTH_MAX      8
#define NAME_MAX_BYTES 40

enum node_kind { NODE_TEXT, NODE_VALUE, NODE_EACH, NODE_IF, NODE_UNLESS, NODE_END };
enum value_form { FORM_PLAIN, FORM_DATE, FORM_INSTANT };

struct node {
    enum node_kind kind;
    struct bytes text; // NODE_TEXT
    const char *name;  // others but NODE_END
    enum value_form form;
    size_t end; // blocks: index of their NODE_END
};

struct template
{
    struct node *nodes;
    size_t count;
};

struct open_block {
    size_t node;
    const char *word; // "if"
};

struct parser {
    struct arena *arena;
    struct bytes text;
    size_t at;
    struct template *template;
    const struct vocabulary *vocabulary[DEPTH_MAX + 1]; // innermost last
    size_t depth;
    struct open_block blocks[DEPTH_MAX];
    size_t block_count;
};

// ---- reading

static char char_at(const struct parser *p, size_t at)
{
    return ((const char *)p->text.data)[at];
}

static struct err wrong(const struct parser *p, const char *what, struct bytes tag)
{
    int line = 1;
    for (size_t i = 0; i < p->at && i < p->text.size; i++)
        line += char_at(p, i) == '\n';
    return err_make(ERR_CONFIG, "line %d: %s: {{%.*s}}", line, what, (int)(tag.size > 60 ? 60 : tag.size),
                    (const char *)tag.data);
}

static struct node *add(struct parser *p, enum node_kind kind)
{
    assert(p->template->count < NODES_MAX);
    struct node *node = &p->template->nodes[p->template->count++];
    node->kind = kind;
    return node;
}

static void add_text(struct parser *p, size_t from, size_t to)
{
    if (to > from)
        add(p, NODE_TEXT)->text = bytes_of((const char *)p->text.data + from, to - from);
}

static size_t find(const struct parser *p, const char *what, size_t from)
{
    if (from > p->text.size)
        return SIZE_MAX;
    const char *text = p->text.data;
    const char *found = memmem(text + from, p->text.size - from, what, strlen(what));
    return found == NULL ? SIZE_MAX : (size_t)(found - text);
}

static struct bytes trimmed(struct bytes text)
{
    const char *data = text.data;
    size_t size = text.size;
    while (size > 0 && *data == ' ') {
        data++;
        size--;
    }
    while (size > 0 && data[size - 1] == ' ')
        size--;
    return bytes_of(data, size);
}

static bool has_value(const struct parser *p, const char *name)
{
    for (size_t i = p->depth + 1; i-- > 0;) {
        for (const char *const *v = p->vocabulary[i]->values; *v != NULL; v++) {
            if (strcmp(*v, name) == 0)
                return true;
        }
    }
    return false;
}

static const struct vocabulary *list_of(const struct parser *p, const char *name)
{
    for (size_t i = p->depth + 1; i-- > 0;) {
        for (const struct vocabulary_list *l = p->vocabulary[i]->lists; l != NULL && l->name != NULL; l++) {
            if (strcmp(l->name, name) == 0)
                return l->item;
        }
    }
    return NULL;
}

static struct err open_block(struct parser *p, struct bytes tag)
{
    static const struct {
        const char *word;
        enum node_kind kind;
    } words[] = {{"each", NODE_EACH}, {"if", NODE_IF}, {"unless", NODE_UNLESS}};
    const char *text = tag.data; // "#each name"
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i].word);
        if (tag.size < n + 2 || memcmp(text + 1, words[i].word, n) != 0 || text[n + 1] != ' ')
            continue;
        const char *name = arena_str(p->arena, trimmed(bytes_of(text + n + 1, tag.size - n - 1)));
        const struct vocabulary *item = list_of(p, name);
        if (item == NULL && (words[i].kind == NODE_EACH || !has_value(p, name)))
            return wrong(p, "not known here", tag);
        if (p->block_count == DEPTH_MAX)
            return wrong(p, "too deep", tag);
        p->blocks[p->block_count++] = (struct open_block){.node = p->template->count, .word = words[i].word};
        add(p, words[i].kind)->name = name;
        if (words[i].kind == NODE_EACH)
            p->vocabulary[++p->depth] = item;
        return err_ok();
    }
    return wrong(p, "must be #each, #if or #unless with a name", tag);
}

static struct err close_block(struct parser *p, struct bytes tag)
{
    if (p->block_count == 0)
        return wrong(p, "closes nothing", tag);
    const struct open_block *block = &p->blocks[--p->block_count];
    if (!bytes_is(bytes_of((const char *)tag.data + 1, tag.size - 1), block->word))
        return wrong(p, "closes another block than was opened last", tag);
    struct node *opening = &p->template->nodes[block->node];
    opening->end = p->template->count;
    if (opening->kind == NODE_EACH)
        p->depth--;
    add(p, NODE_END);
    return err_ok();
}

static struct err add_value(struct parser *p, struct bytes tag)
{
    const char *bar = memchr(tag.data, '|', tag.size);
    size_t n = bar == NULL ? tag.size : (size_t)(bar - (const char *)tag.data);
    struct bytes form = bar == NULL ? bytes_str("") : trimmed(bytes_of(bar + 1, tag.size - n - 1));
    const char *name = arena_str(p->arena, trimmed(bytes_of(tag.data, n)));
    if (!has_value(p, name))
        return wrong(p, "not known here", tag);
    if (bar != NULL && !bytes_is(form, "date") && !bytes_is(form, "instant"))
        return wrong(p, "a value is written plainly, as date or as instant", tag);
    struct node *node = add(p, NODE_VALUE);
    node->name = name;
    node->form = bytes_is(form, "date") ? FORM_DATE : bytes_is(form, "instant") ? FORM_INSTANT : FORM_PLAIN;
    return err_ok();
}

// A block's tag alone on its line takes the line with it: from its first blank to its line break.
static void take_line(const struct parser *p, size_t *from, size_t *to)
{
    size_t start = *from;
    while (start > 0 && char_at(p, start - 1) == ' ')
        start--;
    size_t end = *to;
    while (end < p->text.size && char_at(p, end) == ' ')
        end++;
    bool begins = start == 0 || char_at(p, start - 1) == '\n';
    bool ends = end == p->text.size || char_at(p, end) == '\n';
    if (!begins || !ends)
        return;
    *from = start;
    *to = end < p->text.size ? end + 1 : end;
}

static struct err parse(struct parser *p)
{
    for (;;) {
        size_t open = find(p, "{{", p->at);
        if (open == SIZE_MAX) {
            add_text(p, p->at, p->text.size);
            break;
        }
        size_t close = find(p, "}}", open);
        if (close == SIZE_MAX)
            return wrong(p, "is not closed",
                         bytes_of((const char *)p->text.data + open + 2, p->text.size - open - 2));
        struct bytes tag = trimmed(bytes_of((const char *)p->text.data + open + 2, close - open - 2));
        if (tag.size == 0 || tag.size > NAME_MAX_BYTES || p->template->count + 2 >= NODES_MAX)
            return wrong(p, "too long, too short, or too many", tag);
        char first = *(const char *)tag.data;
        size_t from = open;
        size_t to = close + 2;
        if (first == '#' || first == '/')
            take_line(p, &from, &to);
        add_text(p, p->at, from);
        p->at = open;
        struct err e = first == '#'   ? open_block(p, tag)
                       : first == '/' ? close_block(p, tag)
                                      : add_value(p, tag);
        if (err_is(&e))
            return e;
        p->at = to;
    }
    return p->block_count == 0
               ? err_ok()
               : wrong(p, "a block is not closed", bytes_str(p->blocks[p->block_count - 1].word));
}

struct err template_parse(struct arena *arena, struct bytes text, const struct vocabulary *vocabulary,
                          struct template **ret_template)
{
    struct parser p = {.arena = arena, .text = text, .vocabulary = {vocabulary}};
    p.template = arena_new_object(arena, struct template);
    p.template->nodes = arena_new_array(arena, struct node, NODES_MAX);
    struct err e = parse(&p);
    if (!err_is(&e))
        *ret_template = p.template;
    return e;
}

// ---- rendering

struct output {
    struct arena *arena;
    char *text;
    size_t size;
    size_t capacity;
    const struct template_style *style;
};

static void put(struct output *o, struct bytes text)
{
    if (text.size == 0)
        return;
    if (o->size + text.size > o->capacity) {
        o->capacity = 2 * (o->size + text.size) + 1024;
        char *grown = arena_alloc(o->arena, o->capacity);
        if (o->size > 0)
            memcpy(grown, o->text, o->size);
        o->text = grown;
    }
    memcpy(o->text + o->size, text.data, text.size);
    o->size += text.size;
}

static struct bytes value_of(const struct scope *scope, const char *name)
{
    for (; scope != NULL; scope = scope->outer) {
        for (size_t i = 0; i < scope->value_count; i++) {
            if (strcmp(scope->values[i].name, name) == 0)
                return scope->values[i].text;
        }
    }
    return bytes_str("");
}

static const struct scope_list *items_of(const struct scope *scope, const char *name)
{
    for (; scope != NULL; scope = scope->outer) {
        for (size_t i = 0; i < scope->list_count; i++) {
            if (strcmp(scope->lists[i].name, name) == 0)
                return &scope->lists[i];
        }
    }
    return NULL;
}

static void put_value(struct output *o, const struct node *node, const struct scope *scope)
{
    struct bytes text = value_of(scope, node->name);
    if (node->form == FORM_DATE)
        text = template_date(o->arena, text, o->style);
    if (node->form == FORM_INSTANT)
        text = template_instant(o->arena, text, o->style);
    put(o, text);
}

// Depth is bounded by the template's, which was checked.
static void render(struct output *o, const struct template *t, size_t from, size_t to,
                   const struct scope *scope)
{
    for (size_t i = from; i < to; i++) {
        const struct node *node = &t->nodes[i];
        if (node->kind == NODE_TEXT) {
            put(o, node->text);
        } else if (node->kind == NODE_VALUE) {
            put_value(o, node, scope);
        } else if (node->kind != NODE_END) {
            const struct scope_list *list = items_of(scope, node->name);
            size_t count = list == NULL ? 0 : list->count;
            bool there = list == NULL ? value_of(scope, node->name).size > 0 : count > 0;
            if (node->kind != NODE_EACH && there == (node->kind == NODE_IF))
                render(o, t, i + 1, node->end, scope);
            for (size_t j = 0; node->kind == NODE_EACH && j < count; j++)
                render(o, t, i + 1, node->end, &list->items[j]);
            i = node->end;
        }
    }
}

struct bytes template_render(struct arena *arena, const struct template *template, const struct scope *scope,
                             const struct template_style *style)
{
    struct output o = {.arena = arena, .style = style};
    render(&o, template, 0, template->count, scope);
    return bytes_of(o.text == NULL ? "" : o.text, o.size);
}
