// From a command to its answer: finds what the order names, has it judged, says the result.
#include "validator/validator.h"
#include "validator/validator_rules.h"
#include "validator/validator_spelling.h"
#include "validator/validator_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Codes further away than this are other codes.
#define DISTANCE_MAX   2
#define CANDIDATES_MAX 200 // near codes that are compared

struct bytes validator_code(const char *code)
{
    size_t start = strspn(code, " \t");
    size_t size = strlen(code);
    while (size > start && (code[size - 1] == ' ' || code[size - 1] == '\t'))
        size--;
    return bytes_of(code + start, size - start);
}

bool validator_next_line(struct bytes *rest, struct bytes *ret_line)
{
    if (rest->size == 0)
        return false;
    const char *text = rest->data;
    const char *end = memchr(text, '\n', rest->size);
    size_t length = end == NULL ? rest->size : (size_t)(end - text);
    size_t taken = end == NULL ? length : length + 1;
    *ret_line = bytes_of(text, length);
    *rest = bytes_of(text + taken, rest->size - taken);
    return true;
}

const Orderclerk__V1__ValidatorCommand *validator_lookup_command(struct arena *arena,
                                                                 const Orderclerk__V1__EffectRequest *request)
{
    if (strcmp(request->kind, VALIDATOR_LOOKUP) != 0)
        return NULL;
    const Orderclerk__V1__ValidatorCommand *command = orderclerk__v1__validator_command__unpack(
        arena_protobuf(arena), request->body.len, request->body.data);
    bool whole = command != NULL && command->body_case == ORDERCLERK__V1__VALIDATOR_COMMAND__BODY_VALIDATE &&
                 command->validate->order != NULL;
    return whole ? command : NULL;
}

// ---- records. A row's record is one that was decoded when it came in, so it unpacks.

static const void *record(struct batch *batch, void *row, struct bytes packed,
                          const ProtobufCMessageDescriptor *descriptor)
{
    void *message = batch_decoded(row);
    if (message == NULL) {
        message = protobuf_c_message_unpack(descriptor, arena_protobuf(batch_arena(batch)), packed.size,
                                            packed.data);
        batch_set_decoded(batch, row, message);
    }
    return message;
}

static const Orderclerk__V1__Product *product_of(struct batch *batch, struct product_row *row)
{
    return row == NULL ? NULL : record(batch, row, row->record, &orderclerk__v1__product__descriptor);
}

static const Orderclerk__V1__Customer *customer_of(struct batch *batch, struct customer_row *row)
{
    return row == NULL ? NULL : record(batch, row, row->record, &orderclerk__v1__customer__descriptor);
}

// ---- finding

struct found {
    struct batch *batch;
    const Orderclerk__V1__ValidatorCommand *command;
    const Orderclerk__V1__Order *order;
    struct bytes skus; // whose prices the lookup has loaded, one per text line
    bool looked_up;    // near codes and those prices are at hand
    bool more;         // … and are needed
    struct judge_input input;
    struct line_reference *lines;
};

static bool same_digits(const char *a, const char *b)
{
    for (;;) {
        while (*a != '\0' && (*a < '0' || *a > '9'))
            a++;
        while (*b != '\0' && (*b < '0' || *b > '9'))
            b++;
        if (*a != *b)
            return false;
        if (*a == '\0')
            return true;
        a++;
        b++;
    }
}

// By number; else by company and phone, if that is one customer only.
static const Orderclerk__V1__Customer *find_customer(struct batch *batch, const Orderclerk__V1__Party *party)
{
    if (party == NULL)
        return NULL;
    if (party->customer_id[0] != '\0') {
        struct customer_row probe = {.customer_id = bytes_str(party->customer_id)};
        return customer_of(batch, batch_find(batch, &customer_table, &probe));
    }
    if (party->company[0] == '\0' || !judge_is_phone(party->phone))
        return NULL;
    const Orderclerk__V1__Customer *only = NULL;
    const struct value company = value_text(bytes_str(party->company));
    struct customer_row *row = NULL;
    while ((row = batch_next(batch, &customer_table, CUSTOMER_COMPANY, company, row)) != NULL) {
        const Orderclerk__V1__Customer *customer = customer_of(batch, row);
        // A row changed in this batch may stand under its old company.
        if (strcmp(customer->company, party->company) != 0 || !same_digits(customer->phone, party->phone))
            continue;
        if (only != NULL)
            return NULL;
        only = customer;
    }
    return only;
}

static const Orderclerk__V1__Calendar *find_calendar(struct batch *batch,
                                                     const Orderclerk__V1__Address *address)
{
    const struct validator_settings *settings = batch_context(batch);
    const char *ids[2] = {address == NULL ? "" : address->country, settings->calendar};
    for (size_t i = 0; i < 2; i++) {
        if (ids[i][0] == '\0')
            continue;
        struct calendar_row probe = {.calendar_id = bytes_str(ids[i])};
        struct calendar_row *row = batch_find(batch, &calendar_table, &probe);
        if (row != NULL)
            return record(batch, row, row->record, &orderclerk__v1__calendar__descriptor);
    }
    return NULL;
}

static const Orderclerk__V1__Product *find_product(struct batch *batch, struct bytes code)
{
    struct product_row probe = {.sku = code};
    struct product_row *row = batch_find(batch, &product_table, &probe);
    if (row != NULL || !spelling_looks_like_gtin(code))
        return product_of(batch, row);
    row = NULL;
    while ((row = batch_next(batch, &product_table, PRODUCT_GTIN_COLUMN, value_text(code), row)) != NULL) {
        if (bytes_equal(row->gtin, code))
            return product_of(batch, row);
    }
    return NULL;
}

static bool has_prices_of(const struct found *f, struct bytes code, struct bytes sku)
{
    if (bytes_equal(code, sku))
        return true;
    struct bytes rest = f->skus;
    for (struct bytes one; validator_next_line(&rest, &one);) {
        if (bytes_equal(one, sku))
            return true;
    }
    return false;
}

static const Orderclerk__V1__Price *find_price(struct found *f, const Orderclerk__V1__Product *product)
{
    if (f->input.customer == NULL || f->input.customer->price_list[0] == '\0')
        return NULL;
    struct price_row probe = {.price_list = bytes_str(f->input.customer->price_list),
                              .sku = bytes_str(product->sku)};
    struct price_row *row = batch_find(f->batch, &price_table, &probe);
    return row == NULL ? NULL : record(f->batch, row, row->record, &orderclerk__v1__price__descriptor);
}

// ---- near codes

struct candidate {
    struct bytes sku;
    int distance;
};

static int candidate_order(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    int order = (a->distance > b->distance) - (a->distance < b->distance);
    return order != 0 ? order : bytes_compare(a->sku, b->sku);
}

static void add_candidate(struct arena *arena, struct bytes normal, const struct product_key_row *row,
                          struct candidate *candidates, size_t *count)
{
    if (row->retired || *count == CANDIDATES_MAX)
        return;
    for (size_t i = 0; i < *count; i++) {
        if (bytes_equal(candidates[i].sku, row->sku))
            return;
    }
    int distance = spelling_distance(normal, spelling_normal(arena, row->sku));
    if (distance <= DISTANCE_MAX)
        candidates[(*count)++] = (struct candidate){.sku = row->sku, .distance = distance};
}

static void find_suggestions(struct found *f, struct bytes code, struct line_reference *line)
{
    struct arena *arena = batch_arena(f->batch);
    struct bytes normal = spelling_normal(arena, code);
    struct candidate *candidates = arena_new_array(arena, struct candidate, CANDIDATES_MAX);
    size_t count = 0;
    struct bytes *keys;
    size_t key_count = spelling_keys(arena, code, &keys);
    for (size_t k = 0; k < key_count; k++) {
        const struct value key = value_text(keys[k]);
        const struct product_key_row *row = NULL;
        while ((row = batch_next(f->batch, &product_key_table, PRODUCT_KEY_KEY, key, row)) != NULL)
            add_candidate(arena, normal, row, candidates, &count);
    }
    if (count > 1)
        qsort(candidates, count, sizeof *candidates, candidate_order);
    if (count > VIOLATION_SUGGESTIONS_MAX)
        count = VIOLATION_SUGGESTIONS_MAX;
    struct bytes *suggestions = arena_new_array(arena, struct bytes, count);
    for (size_t i = 0; i < count; i++)
        suggestions[i] = candidates[i].sku;
    line->suggestions = suggestions;
    line->suggestion_count = count;
}

static void find_line(struct found *f, size_t index)
{
    struct line_reference *line = &f->lines[index];
    struct bytes code = validator_code(f->order->lines[index]->product_code);
    if (code.size == 0)
        return;
    line->product = find_product(f->batch, code);
    if (line->product != NULL && has_prices_of(f, code, bytes_str(line->product->sku))) {
        line->price = find_price(f, line->product);
    } else if (!f->looked_up) {
        f->more = true;
    } else if (line->product == NULL) {
        find_suggestions(f, code, line);
    }
}

static void find_all(struct found *f)
{
    const Orderclerk__V1__ValidateOrder *validate = f->command->validate;
    f->order = validate->order;
    f->lines = arena_new_array(batch_arena(f->batch), struct line_reference, f->order->n_lines);
    f->input = (struct judge_input){.order = f->order,
                                    .waived = validate->waived,
                                    .waived_count = validate->n_waived,
                                    .now = batch_now(f->batch),
                                    .customer = find_customer(f->batch, f->order->customer),
                                    .calendar = find_calendar(f->batch, f->order->delivery),
                                    .lines = f->lines};
    for (size_t i = 0; i < f->order->n_lines && i < JUDGE_LINES_MAX; i++)
        find_line(f, i);
}

// ---- answering

struct versions {
    struct arena *arena;
    Orderclerk__V1__ReferenceVersion **items;
    size_t count;
};

static void add_version(struct versions *versions, const char *kind, const char *key, uint64_t version)
{
    for (size_t i = 0; i < versions->count; i++) {
        if (strcmp(versions->items[i]->key, key) == 0 && strcmp(versions->items[i]->kind, kind) == 0)
            return;
    }
    Orderclerk__V1__ReferenceVersion *one =
        arena_new_object(versions->arena, Orderclerk__V1__ReferenceVersion);
    orderclerk__v1__reference_version__init(one);
    one->kind = (char *)(uintptr_t)kind;
    one->key = (char *)(uintptr_t)key;
    one->version = version;
    versions->items[versions->count++] = one;
}

static struct versions judged_by(const struct found *f)
{
    struct versions v = {.arena = batch_arena(f->batch)};
    const struct judge_input *input = &f->input;
    size_t lines = f->order->n_lines < JUDGE_LINES_MAX ? f->order->n_lines : JUDGE_LINES_MAX;
    v.items = arena_new_array(v.arena, Orderclerk__V1__ReferenceVersion *, 2 * lines + 2);
    if (input->customer != NULL) {
        add_version(&v, "customer", input->customer->customer_id, input->customer->saga_revision);
    }
    if (input->calendar != NULL) {
        add_version(&v, "calendar", input->calendar->calendar_id, input->calendar->saga_revision);
    }
    for (size_t i = 0; i < lines; i++) {
        const struct line_reference *line = &f->lines[i];
        if (line->product != NULL)
            add_version(&v, "product", line->product->sku, line->product->saga_revision);
        if (line->price == NULL)
            continue;
        const char *key = arena_printf(v.arena, "%s/%s", line->price->price_list, line->price->sku);
        add_version(&v, "price", key, line->price->saga_revision);
    }
    return v;
}

static void answer(const struct found *f, struct bytes key)
{
    struct judgement judgement = judge(batch_arena(f->batch), &f->input);
    struct versions versions = judged_by(f);
    Orderclerk__V1__ValidationEvent event = ORDERCLERK__V1__VALIDATION_EVENT__INIT;
    event.saga_revision = f->command->saga_revision;
    Orderclerk__V1__ValidationFailed failed = ORDERCLERK__V1__VALIDATION_FAILED__INIT;
    Orderclerk__V1__OrderValidated validated = ORDERCLERK__V1__ORDER_VALIDATED__INIT;
    if (judgement.violation_count > 0) {
        failed.order_revision = f->order->revision;
        failed.violations = judgement.violations;
        failed.n_violations = judgement.violation_count;
        failed.judged_by = versions.items;
        failed.n_judged_by = versions.count;
        event.body_case = ORDERCLERK__V1__VALIDATION_EVENT__BODY_FAILED;
        event.failed = &failed;
    } else {
        assert(f->input.customer != NULL); // else there would be a violation that can't be waived
        validated.order_revision = f->order->revision;
        validated.lines = judgement.lines;
        validated.n_lines = judgement.line_count;
        validated.total_minor = judgement.total_minor;
        validated.currency = f->order->currency;
        validated.customer_id = f->input.customer->customer_id;
        validated.terms_granted = judgement.terms_granted;
        validated.judged_by = versions.items;
        validated.n_judged_by = versions.count;
        validated.promise_zone = (char *)(uintptr_t)judgement.zone;
        validated.earliest_date = judgement.earliest_date;
        event.body_case = ORDERCLERK__V1__VALIDATION_EVENT__BODY_VALIDATED;
        event.validated = &validated;
    }
    batch_emit(f->batch, TOPIC_VALIDATION_EVENTS, key, &event.base);
}

// Asks for what the command didn't name; the answer comes back as an input of the same order.
static void look_up(const struct found *f, const struct input *in)
{
    struct arena *arena = batch_arena(f->batch);
    char *skus = arena_str(arena, bytes_str(""));
    for (size_t i = 0; i < f->order->n_lines && i < JUDGE_LINES_MAX; i++) {
        const Orderclerk__V1__Product *product = f->lines[i].product;
        struct bytes code = validator_code(f->order->lines[i]->product_code);
        if (product == NULL || bytes_equal(code, bytes_str(product->sku)))
            continue;
        skus = arena_printf(arena, "%s%s%s", skus, skus[0] == '\0' ? "" : "\n", product->sku);
    }
    Orderclerk__V1__EffectRequest request = ORDERCLERK__V1__EFFECT_REQUEST__INIT;
    request.kind = (char *)(uintptr_t)VALIDATOR_LOOKUP;
    request.transport = (char *)(uintptr_t) "auto";
    request.body = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)in->value.data, .len = in->value.size};
    request.note = skus;
    batch_effect(f->batch, VALIDATOR_LOOKUP, &request, INSTANT_NONE);
}

struct err validator_decide_command(struct batch *batch, const struct input *in)
{
    const Orderclerk__V1__ValidatorCommand *command = (const void *)in->message;
    if (command->body_case != ORDERCLERK__V1__VALIDATOR_COMMAND__BODY_VALIDATE) {
        return err_make(ERR_REJECT, "body: a command of a kind that isn't known here");
    }
    if (command->validate->order == NULL)
        return err_make(ERR_REJECT, "validate.order: missing");
    struct found f = {.batch = batch, .command = command};
    find_all(&f);
    if (f.more) {
        look_up(&f, in);
    } else {
        answer(&f, in->key);
    }
    return err_ok();
}

struct err validator_decide_lookup(struct batch *batch, const struct input *in)
{
    if (in->result->outcome != EFFECT_OK)
        return err_ok(); // tried again
    const Orderclerk__V1__ValidatorCommand *command =
        validator_lookup_command(batch_arena(batch), in->request);
    if (command == NULL)
        return err_make(ERR_REJECT, "effect: not a lookup of this service");
    struct found f = {
        .batch = batch, .command = command, .skus = bytes_str(in->request->note), .looked_up = true};
    find_all(&f);
    answer(&f, in->key);
    return err_ok();
}
