// Judging an order, the whole: every part is asked, so that the customer and the departments hear everything at once.
#include "validator/validator_rules.h"

#include "base/money.h"

#include <stdlib.h>

static int number_order(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void judge_numbers(struct violations *v, const Orderclerk__V1__Order *order)
{
    uint32_t *numbers = arena_new_array(v->arena, uint32_t, order->n_lines);
    for (size_t i = 0; i < order->n_lines; i++)
        numbers[i] = order->lines[i]->line_no != 0 ? order->lines[i]->line_no : (uint32_t)i + 1;
    if (order->n_lines > 1)
        qsort(numbers, order->n_lines, sizeof *numbers, number_order);
    for (size_t i = 1; i < order->n_lines; i++) {
        if (numbers[i] != numbers[i - 1])
            continue;
        violations_add(v, LINE_NUMBER_TWICE, "lines", arena_printf(v->arena, "%u", numbers[i]), NULL);
        return;
    }
}

// The local day by which prices are looked up. An order from the future is one from a clock that is ahead.
static local_date ordered_on(const struct judge_input *input)
{
    instant at = input->order->ordered_at_us;
    if (at <= 0 || at > input->now)
        at = input->now;
    local_date day;
    int minute;
    if (input->calendar == NULL || !zone_local(input->calendar->zone, at, &day, &minute)) {
        return (local_date)(at / INSTANT_DAY);
    }
    return day;
}

static void judge_lines(struct violations *v, const struct judge_input *input, struct judgement *result)
{
    const Orderclerk__V1__Order *order = input->order;
    local_date priced_on = ordered_on(input);
    struct working_days days;
    bool dated = working_days_open(input->calendar, input->now, &days);
    local_date earliest = dated ? days.today : 0;
    result->lines = arena_new_array(v->arena, Orderclerk__V1__ResolvedLine *, order->n_lines);
    for (size_t i = 0; i < order->n_lines; i++) {
        Orderclerk__V1__ResolvedLine *line = arena_new_object(v->arena, Orderclerk__V1__ResolvedLine);
        orderclerk__v1__resolved_line__init(line);
        bool resolved = judge_line(v, input, i, priced_on, line);
        const Orderclerk__V1__Product *product = input->lines[i].product;
        if (dated && product != NULL && !product->retired) {
            local_date here = judge_date(v, &days, order->lines[i], product, i);
            if (here > earliest)
                earliest = here;
        }
        if (!resolved)
            continue;
        result->lines[result->line_count++] = line;
        if (!money_add(result->total_minor, line->gross_minor, &result->total_minor)) {
            violations_add(v, AMOUNT_TOO_LARGE, "lines", NULL, NULL);
        }
    }
    if (dated) {
        result->zone = input->calendar->zone;
        date_format(earliest, result->earliest_date);
    } else {
        violations_add(v, CALENDAR_MISSING, "delivery.country",
                       order->delivery == NULL ? "" : order->delivery->country, NULL);
    }
}

struct judgement judge(struct arena *arena, const struct judge_input *input)
{
    struct judgement result = {.zone = "UTC"};
    struct violations v = {.arena = arena, .waived = input->waived, .waived_count = input->waived_count};
    judge_customer(&v, input);
    judge_address(&v, input->order->delivery);
    result.terms_granted = judge_terms(&v, input);
    judge_invoice(&v, input->order->invoice);
    if (input->order->n_lines == 0) {
        violations_add(&v, LINES_MISSING, "lines", NULL, NULL);
    } else if (input->order->n_lines > JUDGE_LINES_MAX) {
        violations_add(&v, LINES_TOO_MANY, "lines", arena_printf(arena, "%d", JUDGE_LINES_MAX), NULL);
    } else {
        judge_numbers(&v, input->order);
        judge_currency(&v, input);
        judge_lines(&v, input, &result);
    }
    result.violations = v.items;
    result.violation_count = v.count;
    return result;
}
