// Each rule: a right order, spoilt in one way, has exactly the violations that are meant.
#include "orders.h"

#include "unit/base/unit.h"

#include <stdio.h>
#include <string.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

static char *judged(struct arena *arena, const struct judge_input *input)
{
    struct judgement j = judge(arena, input);
    char *text = arena_str(arena, bytes_str(""));
    for (size_t i = 0; i < j.violation_count; i++) {
        const Orderclerk__V1__Violation *v = j.violations[i];
        const char *who = v->severity == ORDERCLERK__V1__SEVERITY__SEVERITY_FATAL ? "fatal"
                          : v->department[0] != '\0'                              ? v->department
                                                                                  : "customer";
        text = arena_printf(arena, "%s%s%s@%s:%s", text, text[0] == '\0' ? "" : " ", v->code, v->field, who);
        for (size_t s = 0; s < v->n_suggestions; s++)
            text = arena_printf(arena, "%s%c%s", text, s == 0 ? '=' : ',', v->suggestions[s]);
        assert_true(v->text_en[0] != '\0' && v->text_zh[0] != '\0');
        assert_null(strstr(v->text_en, "{"));
        assert_null(strstr(v->text_zh, "{"));
    }
    return text;
}

static void right_order(struct sample *s)
{
    (void)s;
}
static void no_customer(struct sample *s)
{
    s->input.customer = NULL;
}
static void not_identified(struct sample *s)
{
    s->input.customer = NULL;
    s->party.customer_id = TEXT("");
}
static void blocked(struct sample *s)
{
    s->customer.blocked = true;
}
static void no_party(struct sample *s)
{
    s->order.customer = NULL;
    s->input.customer = NULL;
}
static void email_from_record(struct sample *s)
{
    s->party.email = TEXT("");
}
static void no_email(struct sample *s)
{
    s->party.email = TEXT("");
    s->customer.email = TEXT("");
}
static void bad_contact(struct sample *s)
{
    s->party.email = TEXT("buying@example");
    s->party.phone = TEXT("call me");
}
static void no_address(struct sample *s)
{
    s->order.delivery = NULL;
}
static void bad_address(struct sample *s)
{
    s->address.street = TEXT("东环路");
    s->address.phone = TEXT("12");
    s->address.postcode = TEXT("2151");
    s->address.province = TEXT("");
}
static void chinese_number(struct sample *s)
{
    s->address.street = TEXT("东环路十八号");
}
static void wide_number(struct sample *s)
{
    s->address.street = TEXT("东环路８０７");
}
static void street_with_numeral(struct sample *s)
{
    s->address.street = TEXT("五一路");
}
static void german(struct sample *s)
{
    s->address = (Orderclerk__V1__Address)ORDERCLERK__V1__ADDRESS__INIT;
    s->address.country = TEXT("DE");
    s->address.city = TEXT("Hamburg");
    s->address.street = TEXT("Hafenstr. 12");
    s->address.postcode = TEXT("20459");
    s->address.recipient = TEXT("C. Schmidt");
    s->address.phone = TEXT("+49 40 555 0100");
}
static void british(struct sample *s)
{
    german(s);
    s->address.country = TEXT("GB");
    s->address.postcode = TEXT("LS1 5HD");
}
static void country_name(struct sample *s)
{
    german(s);
    s->address.country = TEXT("Germany");
}
static void no_terms(struct sample *s)
{
    s->order.payment = NULL;
}
static void terms_without_days(struct sample *s)
{
    s->terms.net_days = 0;
}
static void one_instalment(struct sample *s)
{
    s->terms.kind = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_INSTALMENT;
    s->terms.instalments = 1;
}
static void longer_terms(struct sample *s)
{
    s->terms.net_days = 90;
}
static void other_terms(struct sample *s)
{
    s->terms.kind = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_COD;
}
static void no_tax_number(struct sample *s)
{
    s->invoice.tax_number = TEXT("");
    s->invoice.title = TEXT("");
}
static void odd_tax_number(struct sample *s)
{
    s->invoice.tax_number = TEXT("9131-0000");
}
static void ordinary_invoice(struct sample *s)
{
    no_tax_number(s);
    s->invoice.kind = ORDERCLERK__V1__INVOICE_KIND__INVOICE_KIND_ORDINARY;
}
static void other_currency(struct sample *s)
{
    s->order.currency = TEXT("USD");
}
static void no_currency(struct sample *s)
{
    s->order.currency = TEXT("XQZ");
}
static void no_lines(struct sample *s)
{
    s->order.n_lines = 0;
}
static void line_twice(struct sample *s)
{
    s->lines[1].line_no = 1;
}
static void no_line_numbers(struct sample *s)
{
    s->lines[0].line_no = s->lines[1].line_no = 0;
}
static void no_code(struct sample *s)
{
    s->lines[0].product_code = TEXT(" ");
    s->references[0] = (struct line_reference){.product = NULL};
}
static const struct bytes near[] = {{"A-100", 5}, {"A-120", 5}};
static void unknown_code(struct sample *s)
{
    s->lines[0].product_code = TEXT("A-1OO");
    s->references[0] = (struct line_reference){.suggestions = near, .suggestion_count = 2};
}
static void wrong_gtin(struct sample *s)
{
    s->lines[0].product_code = TEXT("6990000000016");
    s->references[0] = (struct line_reference){.product = NULL};
}
static void unknown_gtin(struct sample *s)
{
    s->lines[0].product_code = TEXT("6990000000015");
    s->references[0] = (struct line_reference){.product = NULL};
}
static void retired(struct sample *s)
{
    s->products[0].retired = true;
    s->products[0].successor = TEXT("A-120");
}
static void nothing(struct sample *s)
{
    s->lines[0].quantity = 0;
}
static void too_much(struct sample *s)
{
    s->products[0].max_quantity = 9;
}
static void far_too_much(struct sample *s)
{
    s->lines[0].quantity = INT64_MAX;
}
static void unknown_unit(struct sample *s)
{
    s->lines[0].unit = TEXT("箱");
}
static void by_box(struct sample *s)
{
    s->lines[0].unit = TEXT("box");
    s->lines[0].unit_price_minor = 1200;
}
static void by_box_with_break(struct sample *s)
{
    by_box(s); // 10 boxes are 120 pieces
    s->lines[0].unit_price_minor = 1080;
}
static void too_many_boxes(struct sample *s)
{
    by_box_with_break(s);
    s->products[0].max_quantity = 30;
}
static void break_price(struct sample *s)
{
    s->lines[0].quantity = 100;
    s->lines[0].unit_price_minor = 90;
}
static void below_break(struct sample *s)
{
    s->lines[0].quantity = 99;
    s->lines[0].unit_price_minor = 90;
}
static void minimum(struct sample *s)
{
    s->breaks[0].min_quantity = 50;
    s->lines[0].quantity = 49;
}
static void one_below(struct sample *s)
{
    s->lines[0].unit_price_minor = 99;
}
static void one_above(struct sample *s)
{
    s->lines[0].unit_price_minor = 101;
}
static void with_tax(struct sample *s)
{
    s->lines[0].price_includes_tax = true;
    s->lines[0].unit_price_minor = 113;
}
static void with_tax_below(struct sample *s)
{
    with_tax(s);
    s->lines[0].unit_price_minor = 112;
}
static void negative_price(struct sample *s)
{
    s->lines[0].unit_price_minor = -1;
}
static void no_price(struct sample *s)
{
    s->references[0].price = NULL;
}
static void price_not_yet(struct sample *s)
{
    s->prices[0].valid_from = TEXT("2026-11-25");
}
static void price_over(struct sample *s)
{
    s->prices[0].valid_until = TEXT("2026-11-23");
}
static void price_last_day(struct sample *s)
{
    s->prices[0].valid_until = TEXT("2026-11-24");
}
// 15:59 UTC on the 23rd is still the 23rd in Shanghai; 16:00 is the 24th.
static void ordered_the_day_before(struct sample *s)
{
    s->prices[0].valid_from = TEXT("2026-11-24");
    s->order.ordered_at_us = sample_at("2026-11-23T15:59:59Z");
}
static void ordered_at_midnight(struct sample *s)
{
    ordered_the_day_before(s);
    s->order.ordered_at_us = sample_at("2026-11-23T16:00:00Z");
}
static void other_rate(struct sample *s)
{
    s->lines[0].tax_rate_bp = 950;
}
static void discount(struct sample *s)
{
    s->lines[0].discount_minor = 1000;
}
static void large_discount(struct sample *s)
{
    s->lines[0].discount_minor = 1001;
}
static void negative_discount(struct sample *s)
{
    s->lines[0].discount_minor = -1;
}
static void no_such_day(struct sample *s)
{
    s->lines[0].requested_date = TEXT("2026-02-30");
}
static void yesterday(struct sample *s)
{
    s->lines[0].requested_date = TEXT("2026-11-23");
}
static void today(struct sample *s)
{
    s->lines[0].requested_date = TEXT("2026-11-24");
}
static void tomorrow(struct sample *s)
{
    s->lines[0].requested_date = TEXT("2026-11-25");
}
static void made_tomorrow(struct sample *s)
{
    s->lines[1].requested_date = TEXT("2026-11-25");
}
static void no_calendar(struct sample *s)
{
    s->input.calendar = NULL;
}
static void odd_zone(struct sample *s)
{
    s->calendar.zone = TEXT("Moon/Tycho");
}
static void everything(struct sample *s)
{
    s->address.phone = TEXT("");
    s->address.street = TEXT("东环路");
    unknown_unit(s);
    s->lines[1].unit_price_minor = 24999;
    made_tomorrow(s);
    longer_terms(s);
}

struct spoilt {
    void (*how)(struct sample *s);
    const char *expected;
};
// clang-format off
static const struct spoilt cases[] = {
    {right_order, ""},
    {no_customer, "CUSTOMER_UNKNOWN@customer.customer_id:fatal"},
    {not_identified, "CUSTOMER_NOT_IDENTIFIED@customer.customer_id:customer"},
    {no_party, "CUSTOMER_NOT_IDENTIFIED@customer.customer_id:customer CONTACT_MISSING@customer.email:customer"},
    {blocked, "CUSTOMER_BLOCKED@customer.customer_id:fatal"},
    {email_from_record, ""},
    {no_email, "CONTACT_MISSING@customer.email:customer"},
    {bad_contact, "CONTACT_EMAIL@customer.email:customer=buying@example.com CONTACT_PHONE@customer.phone:customer=+86 199 0000 0001"},
    {no_address, "ADDRESS_INCOMPLETE@delivery.country:customer ADDRESS_INCOMPLETE@delivery.city:customer ADDRESS_INCOMPLETE@delivery.street:customer "
                 "ADDRESS_INCOMPLETE@delivery.postcode:customer ADDRESS_INCOMPLETE@delivery.recipient:customer ADDRESS_INCOMPLETE@delivery.phone:customer"},
    {bad_address, "ADDRESS_INCOMPLETE@delivery.province:customer ADDRESS_NO_HOUSE_NUMBER@delivery.street:customer ADDRESS_POSTCODE@delivery.postcode:customer "
                  "ADDRESS_PHONE@delivery.phone:customer"},
    {chinese_number, ""},
    {wide_number, ""},
    {street_with_numeral, "ADDRESS_NO_HOUSE_NUMBER@delivery.street:customer"},
    {german, ""},
    {british, ""},
    {country_name, "ADDRESS_COUNTRY@delivery.country:customer"},
    {no_terms, "TERMS_MISSING@payment.kind:customer=PREPAID,NET 30"},
    {terms_without_days, "TERMS_INCOMPLETE@payment.net_days:customer"},
    {one_instalment, "TERMS_INCOMPLETE@payment.instalments:customer"},
    {longer_terms, "TERMS_NOT_GRANTED@payment:finance=PREPAID,NET 30"},
    {other_terms, "TERMS_NOT_GRANTED@payment:finance=PREPAID,NET 30"},
    {no_tax_number, "INVOICE_INCOMPLETE@invoice.title:customer INVOICE_INCOMPLETE@invoice.tax_number:customer"},
    {odd_tax_number, "INVOICE_TAX_NUMBER@invoice.tax_number:customer"},
    {ordinary_invoice, ""},
    {other_currency, "CURRENCY_MISMATCH@currency:customer=CNY"},
    {no_currency, "CURRENCY_UNKNOWN@currency:customer=CNY"},
    {no_lines, "LINES_MISSING@lines:customer"},
    {line_twice, "LINE_NUMBER_TWICE@lines:customer"},
    {no_line_numbers, ""},
    {no_code, "PRODUCT_MISSING@lines[0].product_code:customer"},
    {unknown_code, "PRODUCT_UNKNOWN@lines[0].product_code:customer=A-100,A-120"},
    {wrong_gtin, "PRODUCT_GTIN@lines[0].product_code:customer"},
    {unknown_gtin, "PRODUCT_UNKNOWN@lines[0].product_code:customer"},
    {retired, "PRODUCT_RETIRED@lines[0].product_code:customer=A-120"},
    {nothing, "QUANTITY_NOT_POSITIVE@lines[0].quantity:customer"},
    {too_much, "QUANTITY_TOO_LARGE@lines[0].quantity:customer=9"},
    {far_too_much, "QUANTITY_TOO_LARGE@lines[0].quantity:customer=1000000000000"},
    {unknown_unit, "UNIT_UNKNOWN@lines[0].unit:customer=pc,box"},
    {by_box, "PRICE_ABOVE_LIST@lines[0].unit_price:customer=10.80"},
    {by_box_with_break, ""},
    {too_many_boxes, "QUANTITY_TOO_LARGE@lines[0].quantity:customer=2"},
    {break_price, ""},
    {below_break, "PRICE_BELOW_LIST@lines[0].unit_price:sales=1.00"},
    {minimum, "QUANTITY_BELOW_MINIMUM@lines[0].quantity:customer=50"},
    {one_below, "PRICE_BELOW_LIST@lines[0].unit_price:sales=1.00"},
    {one_above, "PRICE_ABOVE_LIST@lines[0].unit_price:customer=1.00"},
    {with_tax, ""},
    {with_tax_below, "PRICE_BELOW_LIST@lines[0].unit_price:sales=1.13"},
    {negative_price, "PRICE_NEGATIVE@lines[0].unit_price:customer"},
    {no_price, "PRICE_MISSING@lines[0].unit_price:sales"},
    {price_not_yet, "PRICE_MISSING@lines[0].unit_price:sales"},
    {price_over, "PRICE_MISSING@lines[0].unit_price:sales"},
    {price_last_day, ""},
    {ordered_the_day_before, "PRICE_MISSING@lines[0].unit_price:sales"},
    {ordered_at_midnight, ""},
    {other_rate, "TAX_RATE_WRONG@lines[0].tax_rate:customer=13"},
    {discount, ""},
    {large_discount, "DISCOUNT_TOO_LARGE@lines[0].discount:customer"},
    {negative_discount, "DISCOUNT_TOO_LARGE@lines[0].discount:customer"},
    {no_such_day, "DATE_INVALID@lines[0].requested_date:customer=2026-11-25"},
    {yesterday, "DATE_PAST@lines[0].requested_date:customer=2026-11-25"},
    {today, "DATE_TOO_EARLY@lines[0].requested_date:customer=2026-11-25"},
    {tomorrow, ""},
    {made_tomorrow, "DATE_TOO_EARLY@lines[1].requested_date:production=2026-12-09"},
    {no_calendar, "CALENDAR_MISSING@delivery.country:logistics"},
    {odd_zone, "CALENDAR_MISSING@delivery.country:logistics"},
    {everything, "ADDRESS_INCOMPLETE@delivery.phone:customer ADDRESS_NO_HOUSE_NUMBER@delivery.street:customer TERMS_NOT_GRANTED@payment:finance=PREPAID,NET 30 "
                 "UNIT_UNKNOWN@lines[0].unit:customer=pc,box PRICE_BELOW_LIST@lines[1].unit_price:sales=250.00 "
                 "DATE_TOO_EARLY@lines[1].requested_date:production=2026-12-09"},
};
// clang-format on

static void each_rule(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 16);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sample s;
        sample_init(&s);
        cases[i].how(&s);
        char *text = judged(arena, &s.input);
        if (strcmp(text, cases[i].expected) != 0) {
            fail_msg("case %zu:\n  found %s\n  meant %s", i, text, cases[i].expected);
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

static void every_kind_has_its_texts(void **state)
{
    (void)state;
    for (int kind = 0; kind < VIOLATION_KINDS; kind++) {
        const struct violation_row *row = violation_row((enum violation_kind)kind);
        assert_true(row->code != NULL && row->text_en != NULL && row->text_zh != NULL);
        bool department = row->severity == ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_DEPARTMENT;
        assert_true(department == (row->department[0] != '\0'));
        if (row->severity == ORDERCLERK__V1__SEVERITY__SEVERITY_FATAL)
            assert_true(row->needed);
    }
}

static void waived_is_left_out(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 16);
    struct sample s;
    sample_init(&s);
    longer_terms(&s);
    one_below(&s);
    made_tomorrow(&s);
    char *waived[] = {TEXT("TERMS_NOT_GRANTED@payment"), TEXT("PRICE_BELOW_LIST@lines[0].unit_price"),
                      TEXT("DATE_TOO_EARLY@lines[1].requested_date")};
    s.input.waived = waived;
    s.input.waived_count = 2;
    assert_string_equal(judged(arena, &s.input),
                        "DATE_TOO_EARLY@lines[1].requested_date:production=2026-12-09");
    s.input.waived_count = 3;
    struct judgement j = judge(arena, &s.input);
    assert_int_equal(j.violation_count, 0);
    assert_false(j.terms_granted);
    assert_int_equal(j.lines[0]->net_minor, 990); // as ordered and approved
    assert_string_equal(j.earliest_date, "2026-12-09");
    // The approval of one line's price says nothing of another's.
    waived[1] = TEXT("PRICE_BELOW_LIST@lines[1].unit_price");
    assert_string_equal(judged(arena, &s.input), "PRICE_BELOW_LIST@lines[0].unit_price:sales=1.00");
    // What the order can't be understood without can't be waived.
    char *needed[] = {TEXT("UNIT_UNKNOWN@lines[0].unit")};
    sample_init(&s);
    unknown_unit(&s);
    s.input.waived = needed;
    s.input.waived_count = 1;
    assert_string_equal(judged(arena, &s.input), "UNIT_UNKNOWN@lines[0].unit:customer=pc,box");
    arena_free(arena);
}

static void amounts_are_exact(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 16);
    struct sample s;
    sample_init(&s);
    s.lines[0].discount_minor = 7; // 10.00 - 0.07 = 9.93; 13 %: 1.2909
    struct judgement j = judge(arena, &s.input);
    assert_int_equal(j.violation_count, 0);
    assert_int_equal(j.lines[0]->net_minor, 993);
    assert_int_equal(j.lines[0]->tax_minor, 129);
    assert_int_equal(j.lines[0]->gross_minor, 1122);
    assert_int_equal(j.lines[1]->gross_minor, 28250);
    assert_int_equal(j.total_minor, 29372);
    assert_true(j.terms_granted);
    assert_string_equal(j.zone, "Asia/Shanghai");
    with_tax(&s); // 10 at 1.13 less 0.07: 11.23 with tax; net 9.94
    j = judge(arena, &s.input);
    assert_int_equal(j.lines[0]->gross_minor, 1123);
    assert_int_equal(j.lines[0]->tax_minor, 129);
    assert_int_equal(j.lines[0]->net_minor, 994);
    sample_init(&s);
    by_box_with_break(&s);
    j = judge(arena, &s.input);
    assert_int_equal(j.lines[0]->quantity, 120);
    assert_string_equal(j.lines[0]->base_unit, "pc");
    assert_int_equal(j.lines[0]->net_minor, 10800);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule),
        cmocka_unit_test(every_kind_has_its_texts),
        cmocka_unit_test(waived_is_left_out),
        cmocka_unit_test(amounts_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
