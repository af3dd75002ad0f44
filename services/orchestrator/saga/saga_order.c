// The order as the customer wrote it: changing it by field path, applying choices about a shortage.
//
// Paths are those of the violations: names of the Order message, list places counted from 0: delivery.street,
// lines[2].quantity, lines[0].unit_price. Enumerations are written as in the contract, with or without their prefix: PAYMENT_KIND_NET, NET.
#include "orchestrator/saga/saga_run.h"

#include "base/money.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 64 // of one step of a path

// What customers can't change: the order's identity at its channel, its numbering.
static const char *const fixed_fields[] = {"channel",  "channel_account", "channel_ref",
                                           "revision", "ordered_at_us",   "line_no"};

static bool is_fixed(const char *name)
{
    for (size_t i = 0; i < sizeof fixed_fields / sizeof fixed_fields[0]; i++)
        if (strcmp(fixed_fields[i], name) == 0)
            return true;
    return false;
}

// --- One value.

static const ProtobufCEnumValue *enum_value(const ProtobufCEnumDescriptor *descriptor, const char *value)
{
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        const char *name = descriptor->values[i].name;
        const size_t name_size = strlen(name);
        const size_t size = strlen(value);
        if (descriptor->values[i].value != 0 && size <= name_size &&
            strcmp(name + name_size - size, value) == 0 &&
            (size == name_size || name[name_size - size - 1] == '_'))
            return &descriptor->values[i];
    }
    return NULL;
}

static bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    char *end;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == ' ' || number < min || number > max)
        return false;
    *ret_number = number;
    return true;
}

// Sets a plain field from text. False: the value isn't one of its type.
static bool set_field(struct arena *arena, const ProtobufCFieldDescriptor *field, void *at, const char *value,
                      bool check)
{
    int64_t number;
    const ProtobufCEnumValue *named;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        if (!check) {
            char *copy = arena_str(arena, bytes_str(value));
            memcpy(at, &copy, sizeof copy);
        }
        return true;
    case PROTOBUF_C_TYPE_INT64:
        if (!parse_integer(value, 0, INT64_MAX, &number))
            return false;
        if (!check)
            memcpy(at, &number, sizeof number);
        return true;
    case PROTOBUF_C_TYPE_UINT32: {
        if (!parse_integer(value, 0, UINT32_MAX, &number))
            return false;
        const uint32_t narrow = (uint32_t)number;
        if (!check)
            memcpy(at, &narrow, sizeof narrow);
        return true;
    }
    case PROTOBUF_C_TYPE_BOOL: {
        const protobuf_c_boolean truth = strcmp(value, "true") == 0;
        if (!truth && strcmp(value, "false") != 0)
            return false;
        if (!check)
            memcpy(at, &truth, sizeof truth);
        return true;
    }
    case PROTOBUF_C_TYPE_ENUM:
        named = enum_value(field->descriptor, value);
        if (named == NULL)
            return false;
        if (!check)
            memcpy(at, &named->value, sizeof named->value);
        return true;
    default:
        return false;
    }
}

// --- A path.

struct place {
    const ProtobufCFieldDescriptor *field;
    void *at;
    int places; // written as a decimal number with at most so many places; -1: as the field is
};

// Clients write money in the currency and rates in per cent: unit_price 12.50 for unit_price_minor, tax_rate 13 for
// tax_rate_bp.
static struct place plain_place(const ProtobufCMessageDescriptor *message, const char *name,
                                const char *currency)
{
    char full[NAME_MAX_SIZE + 8];
    struct place place = {.field = protobuf_c_message_descriptor_get_field_by_name(message, name),
                          .places = -1};
    if (place.field != NULL)
        return place;
    snprintf(full, sizeof full, "%s_minor", name);
    place.field = protobuf_c_message_descriptor_get_field_by_name(message, full);
    place.places = money_exponent(currency);
    if (place.field != NULL)
        return place;
    snprintf(full, sizeof full, "%s_bp", name);
    place.field = protobuf_c_message_descriptor_get_field_by_name(message, full);
    place.places = 2;
    return place;
}

static bool set_place(struct arena *arena, const struct place *place, const char *value, bool check)
{
    int64_t number;
    if (place->places < 0)
        return set_field(arena, place->field, place->at, value, check);
    if (!money_parse(bytes_str(value), place->places, &number) || number < 0)
        return false;
    return set_field(arena, place->field, place->at, arena_printf(arena, "%lld", (long long)number), check);
}

// Splits "lines[2].quantity" into "lines", 2 and "quantity". False: not a path.
static bool next_name(const char **path, char name[static NAME_MAX_SIZE], int64_t *ret_index)
{
    const size_t size = strcspn(*path, ".[");
    if (size == 0 || size >= NAME_MAX_SIZE)
        return false;
    memcpy(name, *path, size);
    name[size] = '\0';
    *path += size;
    *ret_index = -1;
    if (**path == '[') {
        char *end;
        const unsigned long index = strtoul(*path + 1, &end, 10);
        if (end == *path + 1 || *end != ']' || index > INT32_MAX)
            return false;
        *ret_index = (int64_t)index;
        *path = end + 1;
    }
    if (**path == '.')
        (*path)++;
    return true;
}

// The message behind a field: an element of a list, or a sub-message, made when it is absent.
static void *descend(struct arena *arena, const struct place *place, int64_t index,
                     const ProtobufCMessage *parent)
{
    void *child;
    if (place->field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count;
        void **list;
        memcpy(&count, (const char *)parent + place->field->quantifier_offset, sizeof count);
        memcpy(&list, place->at, sizeof list);
        return index >= 0 && (size_t)index < count ? list[index] : NULL;
    }
    memcpy(&child, place->at, sizeof child);
    if (child == NULL && index < 0) {
        child = saga_message(arena, place->field->descriptor);
        memcpy(place->at, &child, sizeof child);
    }
    return index < 0 ? child : NULL;
}

// False: there is no such field, or it can't be changed.
static bool find_place(struct arena *arena, ProtobufCMessage *message, const char *path, const char *currency,
                       struct place *ret_place)
{
    for (;;) {
        char name[NAME_MAX_SIZE];
        int64_t index;
        if (!next_name(&path, name, &index) || is_fixed(name))
            return false;
        struct place place = plain_place(message->descriptor, name, currency);
        if (place.field == NULL)
            return false;
        place.at = (char *)message + place.field->offset;
        if (place.field->type != PROTOBUF_C_TYPE_MESSAGE) {
            if (index >= 0 || *path != '\0' || place.field->label == PROTOBUF_C_LABEL_REPEATED)
                return false;
            *ret_place = place;
            return true;
        }
        message = descend(arena, &place, index, message);
        if (message == NULL || *path == '\0')
            return false;
    }
}

// What a customer has sent, shown in part.
static const char *quoted(char *text)
{
    bytes_mend_utf8(text);
    return text;
}

const char *saga_order_change(struct arena *arena, Orderclerk__V1__Order *order,
                              Orderclerk__V1__FieldChange *const *changes, size_t count, bool check)
{
    for (size_t i = 0; i < count; i++) {
        struct place place;
        // The question whether a second order is meant is answered by answering.
        if (strcmp(changes[i]->field, "suspected_duplicate_of") == 0)
            continue;
        if (!find_place(arena, &order->base, changes[i]->field, order->currency, &place))
            return quoted(
                arena_printf(arena, "%.80s: there is no such field that can be changed", changes[i]->field));
        if (!set_place(arena, &place, changes[i]->value, check))
            return quoted(arena_printf(arena, "%.80s: %.80s isn't a value of this field", changes[i]->field,
                                       changes[i]->value));
    }
    return NULL;
}

void saga_violation_add(struct saga_run *run, const char *code, const char *field, const char *text_en,
                        const char *text_zh, const char *suggestion)
{
    Orderclerk__V1__Violation *violation = NEW(run, violation);
    violation->code = (char *)code;
    violation->field = (char *)field;
    violation->severity = ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER;
    violation->text_en = (char *)text_en;
    violation->text_zh = (char *)text_zh;
    if (!IS_EMPTY(suggestion))
        saga_append(run->arena, &violation->suggestions, &violation->n_suggestions, (char *)suggestion);
    saga_append(run->arena, &run->doc->violations, &run->doc->n_violations, violation);
}

// --- Choices about a shortage.

static const Orderclerk__V1__Shortage *shortage_of(const Orderclerk__V1__OrderState *doc, uint32_t line_no)
{
    for (size_t i = 0; i < doc->n_shortages; i++)
        if (doc->shortages[i]->line_no == line_no)
            return doc->shortages[i];
    return NULL;
}

static Orderclerk__V1__OrderLine *order_line(const Orderclerk__V1__OrderState *doc, uint32_t line_no)
{
    for (size_t i = 0; i < doc->order->n_lines; i++) {
        if (doc->order->lines[i]->line_no == line_no)
            return doc->order->lines[i];
    }
    return NULL;
}

// Base units in whole units as ordered: 17 pieces of boxes of 5 are 3 boxes.
static int64_t whole_units(const Orderclerk__V1__OrderState *doc,
                           const Orderclerk__V1__ShortageChoice *choice, int64_t *ret_base)
{
    const Orderclerk__V1__ResolvedLine *line = saga_line(doc, choice->line_no);
    const Orderclerk__V1__OrderLine *written = order_line(doc, choice->line_no);
    if (line == NULL || written == NULL || written->quantity <= 0 || line->quantity < written->quantity)
        return 0;
    const int64_t factor = line->quantity / written->quantity;
    *ret_base = choice->quantity / factor * factor;
    return choice->quantity / factor;
}

static bool is_offered(const Orderclerk__V1__Shortage *shortage, const char *sku)
{
    for (size_t i = 0; i < shortage->n_substitutes; i++)
        if (strcmp(shortage->substitutes[i]->sku, sku) == 0)
            return true;
    return false;
}

static const char *choice_wrong(const Orderclerk__V1__OrderState *doc,
                                const Orderclerk__V1__ShortageChoice *choice)
{
    const Orderclerk__V1__Shortage *shortage = shortage_of(doc, choice->line_no);
    int64_t base;
    if (shortage == NULL)
        return "a line that isn't short";
    switch ((int)choice->kind) {
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_WAIT:
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_CANCEL_LINE:
        return NULL;
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_SUBSTITUTE:
        return is_offered(shortage, choice->substitute_sku) ? NULL : "a substitute that wasn't offered";
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REDUCE:
        if (choice->quantity >= shortage->wanted || whole_units(doc, choice, &base) <= 0)
            return "a quantity that isn't smaller, or less than one unit as ordered";
        return NULL;
    default:
        return "no choice that is known";
    }
}

static bool has_refusal(const Orderclerk__V1__AnswerShortage *answer)
{
    for (size_t i = 0; i < answer->n_choices; i++)
        if (answer->choices[i]->kind == ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REFUSE)
            return true;
    return false;
}

const char *saga_choices_wrong(const Orderclerk__V1__OrderState *doc,
                               const Orderclerk__V1__AnswerShortage *answer)
{
    if (has_refusal(answer))
        return NULL;
    for (size_t i = 0; i < answer->n_choices; i++) {
        const char *wrong = choice_wrong(doc, answer->choices[i]);
        if (wrong != NULL)
            return wrong;
        for (size_t j = 0; j < i; j++)
            if (answer->choices[j]->line_no == answer->choices[i]->line_no)
                return "two choices for one line";
    }
    return answer->n_choices == doc->n_shortages ? NULL : "a short line without a choice";
}

bool saga_choices_refuse(const Orderclerk__V1__OrderState *doc, const Orderclerk__V1__AnswerShortage *answer)
{
    size_t dropped = 0;
    for (size_t i = 0; i < answer->n_choices; i++)
        dropped += answer->choices[i]->kind ==
                   ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_CANCEL_LINE;
    return has_refusal(answer) || dropped == doc->n_resolved;
}

static void drop_line(Orderclerk__V1__OrderState *doc, uint32_t line_no)
{
    size_t n = 0;
    for (size_t i = 0; i < doc->order->n_lines; i++)
        if (doc->order->lines[i]->line_no != line_no)
            doc->order->lines[n++] = doc->order->lines[i];
    doc->order->n_lines = n;
    n = 0;
    for (size_t i = 0; i < doc->n_resolved; i++)
        if (doc->resolved[i]->line_no != line_no)
            doc->resolved[n++] = doc->resolved[i];
    doc->n_resolved = n;
}

static int64_t in_proportion(int64_t amount, int64_t part, int64_t whole)
{
    const int64_t weights[2] = {part, whole - part};
    int64_t parts[2];
    return money_split(amount, weights, parts, 2) ? parts[0] : amount;
}

// Less of a line costs in proportion: the customer keeps the price that was agreed.
static void reduce_line(Orderclerk__V1__OrderState *doc, const Orderclerk__V1__ShortageChoice *choice)
{
    Orderclerk__V1__OrderLine *written = order_line(doc, choice->line_no);
    Orderclerk__V1__ResolvedLine *line = saga_line(doc, choice->line_no);
    int64_t base = 0;
    const int64_t units = whole_units(doc, choice, &base);
    written->discount_minor = in_proportion(written->discount_minor, units, written->quantity);
    line->net_minor = in_proportion(line->net_minor, base, line->quantity);
    line->tax_minor = in_proportion(line->tax_minor, base, line->quantity);
    line->gross_minor = line->net_minor + line->tax_minor;
    written->quantity = units;
    line->quantity = base;
}

static void apply_choice(struct saga_run *run, const Orderclerk__V1__ShortageChoice *choice)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__LineQuantities *quantities = saga_quantities(doc, choice->line_no);
    Orderclerk__V1__OrderLine *written = order_line(doc, choice->line_no);
    switch ((int)choice->kind) {
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_WAIT:
        if (quantities != NULL)
            quantities->backorder_agreed = true;
        break;
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_CANCEL_LINE:
        drop_line(doc, choice->line_no);
        break;
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REDUCE:
        reduce_line(doc, choice);
        break;
    case ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_SUBSTITUTE:
        if (written == NULL)
            break;
        // No price is expected of the substitute: the list decides.
        written->product_code = choice->substitute_sku;
        written->product_name = (char *)"";
        written->unit_price_minor = 0;
        written->price_includes_tax = false;
        written->tax_rate_bp = 0;
        written->discount_minor = 0;
        break;
    default:
        break;
    }
}

void saga_choices_apply(struct saga_run *run, const Orderclerk__V1__AnswerShortage *answer)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    for (size_t i = 0; i < answer->n_choices; i++)
        apply_choice(run, answer->choices[i]);
    doc->total_minor = 0;
    for (size_t i = 0; i < doc->n_resolved; i++)
        doc->total_minor += doc->resolved[i]->gross_minor;
    saga_quantities_rebuild(run);
}
