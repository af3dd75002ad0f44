// What customers, departments and reviewers must clear up before an order goes on: questions, shortages, plans, credit.
#include "life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static Orderclerk__V1__Violation *violate(struct life *life, const char *code, const char *field,
                                          Orderclerk__V1__Severity severity, const char *department)
{
    Orderclerk__V1__Violation *violation = MESSAGE(life, violation);
    violation->code = (char *)code;
    violation->field = (char *)field;
    violation->severity = severity;
    violation->department = (char *)department;
    life->violations[life->violation_count++] = violation;
    return violation;
}

// ---- clearing up

static void test_clarification(void **state)
{
    struct life *life = *state;
    violate(life, "STREET_MISSING", "delivery.street",
            ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER, "");
    violate(life, "PRICE_BELOW_LIST", "lines[0].unit_price_minor",
            ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_DEPARTMENT, "sales");
    life_start(life, "AWAITING_CUSTOMER");
    assert_int_equal(life_mailed(life, "clarification"), 1);
    assert_int_equal(life_answer(life, "delivery.planet", "Mars"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "lines[0].quantity", "many"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "lines[9].quantity", "1"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "revision", "7"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "lines[0].line_no", "7"), SAGA_REFUSED);
    assert_int_equal(life->doc->n_refused_requests, 5);
    assert_string_equal(life->doc->refused_requests[4]->allowed[1], "answer");
    assert_int_equal(life_answer(life, "delivery.street", "12 Century Avenue"), SAGA_MOVED);
    assert_int_equal(life->doc->order->revision, 2);
    life_mute(life, "RequestApproval");
    life_run(life); // the customer first, then the department
    life_assert_state(life, "AWAITING_DEPARTMENT");
    assert_string_equal(life->doc->waiting_on, "sales");
    life_unmute(life);
    life_complete(life);
    assert_string_equal(life->doc->order->delivery->street, "12 Century Avenue");
    assert_int_equal(life->doc->n_waived, 1);
}

// The reason quotes a part of what the customer wrote: never half a character, or nobody could read the order's records.
static void test_what_is_quoted_of_an_answer_stays_text(void **state)
{
    struct life *life = *state;
    static const char wide[] = "浦东新区世纪大道一百号东方大厦二十层二零零一室请在工作日送货谢谢你们";
    violate(life, "X", "remarks", ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER, "");
    life_start(life, "AWAITING_CUSTOMER");
    assert_int_equal(life_answer(life, wide, "1"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "lines[0].quantity", wide), SAGA_REFUSED);
    assert_int_equal(life->doc->n_refused_requests, 2);
    for (size_t i = 0; i < 2; i++) {
        const char *reason = life->doc->refused_requests[i]->reason;
        assert_non_null(strstr(reason, "浦东新区世纪大道"));
        assert_true(bytes_is_utf8(bytes_str(reason)));
    }
}

static void test_answers_set_every_kind_of_field(void **state)
{
    struct life *life = *state;
    violate(life, "X", "remarks", ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER, "");
    static const char *const fields[][2] = {
        {"lines[0].quantity", "12"},
        {"payment.net_days", "60"},
        {"payment.kind", "NET"},
        {"invoice.title", "Kehu Ltd."},
        {"lines[0].price_includes_tax", "true"},
        {"lines[0].kind", "LINE_KIND_STOCK"},
        {"remarks", ""},
    };
    life_start(life, "AWAITING_CUSTOMER");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct life *other = life_new();
        violate(other, "X", "remarks", ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_CUSTOMER, "");
        life_start(other, "AWAITING_CUSTOMER");
        assert_int_equal(life_answer(other, fields[i][0], fields[i][1]), SAGA_MOVED);
        life_free(other);
    }
    assert_int_equal(life_answer(life, "payment.kind", "UNSPECIFIED"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "lines", "1"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "", "1"), SAGA_REFUSED);
    assert_int_equal(life_answer(life, "lines[0].quantity", "12"), SAGA_MOVED);
    life_complete(life);
    assert_int_equal(life->doc->quantities[0]->ordered, 12);
}

static void test_department_refuses(void **state)
{
    struct life *life = *state;
    violate(life, "PRICE_BELOW_LIST", "lines[0].unit_price_minor",
            ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_DEPARTMENT, "sales");
    life_mute(life, "RequestApproval");
    life_start(life, "AWAITING_DEPARTMENT");
    Orderclerk__V1__Refused *refused = MESSAGE(life, refused);
    refused->reason = (char *)"no margin";
    assert_int_equal(
        life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_REFUSED, &refused->base),
        SAGA_IGNORED);
    refused->task_id = (char *)"another";
    assert_int_equal(
        life_reply(life, "sales", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_REFUSED, &refused->base),
        SAGA_IGNORED);
    refused->task_id = life->doc->tasks[0]->task_id;
    assert_int_equal(
        life_reply(life, "sales", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_REFUSED, &refused->base),
        SAGA_MOVED);
    life_assert_state(life, "AWAITING_CUSTOMER");
    assert_int_equal(life->doc->n_violations, 2);
}

static void test_department_refuses_for_good(void **state)
{
    struct life *life = *state;
    violate(life, "TERMS", "payment.kind", ORDERCLERK__V1__SEVERITY__SEVERITY_CLEARABLE_BY_DEPARTMENT,
            "finance");
    life_mute(life, "RequestApproval");
    life_start(life, "AWAITING_DEPARTMENT");
    Orderclerk__V1__Refused *refused = MESSAGE(life, refused);
    refused->fatal = true;
    life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_REFUSED, &refused->base);
    life_assert_state(life, "REJECTED");
    assert_int_equal(life_mailed(life, "rejected"), 1);
}

static void test_fatal(void **state)
{
    struct life *life = *state;
    violate(life, "CUSTOMER_BLOCKED", "customer", ORDERCLERK__V1__SEVERITY__SEVERITY_FATAL, "");
    life_start(life, "REJECTED");
    assert_int_equal(life_count(life, "ReleaseStock"), 0);
}

static void test_suspected_duplicate(void **state)
{
    struct life *life = *state;
    life->duplicate_of = "019aafde-0000-7000-8000-0000000000aa";
    life_submit(life);
    life_run(life);
    life_assert_state(life, "AWAITING_CUSTOMER");
    assert_string_equal(life->doc->violations[0]->code, "DUPLICATE_SUSPECTED");
    assert_int_equal(life_answer(life, life->doc->violations[0]->field, "yes"), SAGA_MOVED);
    life_complete(life);
}

static void test_stale_answers_change_nothing(void **state)
{
    struct life *life = *state;
    life_mute(life, "ValidateOrder");
    life_submit(life);
    Orderclerk__V1__ValidationEvent *event = MESSAGE(life, validation_event);
    event->body_case = ORDERCLERK__V1__VALIDATION_EVENT__BODY_VALIDATED;
    event->validated = MESSAGE(life, order_validated);
    event->validated->order_revision = 7;
    assert_int_equal(life_send(life, &event->base), SAGA_IGNORED);
}

// ---- shortage

static void run_short(struct life *life, int64_t available)
{
    life->lines[0].available = available;
    life_line(life, "B-200", 1, 100, 13);
    life_start(life, "SHORTAGE_OFFERED");
    assert_int_equal(life_mailed(life, "shortage_offer"), 1);
    assert_int_equal(life->doc->quantities[0]->reserved, available);
}

static void test_shortage_wait(void **state)
{
    struct life *life = *state;
    life->line_count = 0;
    life_line(life, "A-100", 10, 1000, 130);
    run_short(life, 4);
    assert_int_equal(
        life_choose(life, 2, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_WAIT, 0, ""),
        SAGA_REFUSED);
    assert_int_equal(
        life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_WAIT, 0, ""),
        SAGA_MOVED);
    life_run(life);
    life_assert_state(life, "SCHEDULED");
    assert_int_equal(life->doc->quantities[0]->reserved, 4);
    assert_int_equal(life->doc->quantities[0]->backordered, 6);
    assert_string_equal(life->doc->promise->date, "2026-12-01");
    assert_string_equal(life->doc->waiting_on, "inventory");
    life_fill(life);
    life_complete(life);
}

static void test_shortage_reduce(void **state)
{
    struct life *life = *state;
    run_short(life, 4);
    assert_int_equal(
        life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REDUCE, 10, ""),
        SAGA_REFUSED);
    assert_int_equal(
        life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REDUCE, 3, ""),
        SAGA_MOVED);
    life_complete(life);
    assert_int_equal(life->doc->total_minor, 339 + 113); // 3 of 10 at 11.30, and the other line
    assert_int_equal(life_count(life, "ValidateOrder"), 1);
}

static void test_shortage_cancel_line(void **state)
{
    struct life *life = *state;
    run_short(life, 0);
    assert_int_equal(
        life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_CANCEL_LINE, 0, ""),
        SAGA_MOVED);
    life_complete(life);
    assert_int_equal(life->doc->n_resolved, 1);
    assert_int_equal(life->doc->total_minor, 113);
}

static void test_shortage_substitute(void **state)
{
    struct life *life = *state;
    run_short(life, 4);
    assert_int_equal(
        life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_SUBSTITUTE, 0, "Z-9"),
        SAGA_REFUSED);
    assert_int_equal(life_choose(life, 1,
                                 ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_SUBSTITUTE, 0,
                                 "B-200"),
                     SAGA_MOVED);
    life_complete(life);
    assert_int_equal(life_count(life, "ValidateOrder"), 2);
    assert_string_equal(life->doc->resolved[0]->sku, "B-200");
}

static void test_shortage_refused(void **state)
{
    struct life *life = *state;
    run_short(life, 4);
    life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_REFUSE, 0, "");
    life_assert_state(life, "COMPENSATING");
    life_run(life);
    life_assert_state(life, "CANCELLED");
    assert_int_equal(life_count(life, "ReleaseStock"), 1);
}

static void test_no_answer(void **state)
{
    struct life *life = *state;
    run_short(life, 4);
    life_advance(life, life->settings.customer_reminder);
    assert_int_equal(life_mailed(life, "reminder"), 1);
    life_advance(life, life->settings.shortage_offered);
    life_assert_state(life, "CANCELLED");
    assert_string_equal(life->doc->reason, "no_answer");
    assert_int_equal(life_mailed(life, "reminder"), 1);
    assert_int_equal(life_mailed(life, "cancelled"), 1);
    assert_int_equal(life_count(life, "ReleaseStock"), 1);
}

// ---- review and plans

static void start_review(struct life *life)
{
    life->lines[0].net_minor = 10000000;
    life->lines[0].tax_minor = 0;
    life_mute(life, "RequestReview");
    life_start(life, "IN_REVIEW");
    assert_int_equal(life_mailed(life, "review_pending"), 1);
    life_unmute(life);
}

static void test_review_changes(void **state)
{
    struct life *life = *state;
    start_review(life);
    life->violation_count = 0;
    life_reply(life, "sales", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_CHANGES_WANTED,
               MESSAGE(life, changes_wanted));
    life_assert_state(life, "AWAITING_CUSTOMER");
    assert_string_equal(life->doc->violations[0]->code, "REVIEW_CHANGES");
    life_answer(life, "remarks", "site opens at 8");
    life_complete(life);
    assert_int_equal(life_count(life, "RequestReview"), 2); // reviewed anew
    assert_int_equal(life_count(life, "ReserveStock"), 2);
}

static void test_review_rejects(void **state)
{
    struct life *life = *state;
    start_review(life);
    life_reply(life, "sales", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_REFUSED, MESSAGE(life, refused));
    life_run(life);
    life_assert_state(life, "REJECTED");
    assert_int_equal(life_count(life, "ReleaseStock"), 1);
}

static void start_standard(struct life *life, const char *muted, const char *reached)
{
    life->lines[0].quantity = 60;
    life_mute(life, muted);
    life_start(life, reached);
    life_unmute(life);
}

static void test_plan_infeasible(void **state)
{
    struct life *life = *state;
    start_standard(life, "Plan", "REGISTERED");
    char *number = life->doc->order_no;
    Orderclerk__V1__PlanInfeasible *plan = MESSAGE(life, plan_infeasible);
    plan->kind = (char *)"PRODUCTION";
    assert_int_equal(
        life_reply(life, "production", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PLAN_INFEASIBLE, &plan->base),
        SAGA_NEVER); // nothing is to be made
    plan->kind = (char *)"WAREHOUSE";
    plan->earliest_date = (char *)"2026-12-20";
    assert_int_equal(
        life_reply(life, "warehouse", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PLAN_INFEASIBLE, &plan->base),
        SAGA_MOVED);
    life_assert_state(life, "AWAITING_CUSTOMER");
    assert_string_equal(life->doc->violations[0]->suggestions[0], "2026-12-20");
    life_answer(life, life->doc->violations[0]->field, "2026-12-20");
    life_complete(life);
    assert_string_equal(life->doc->order_no, number); // kept
    assert_int_equal(life_count(life, "Plan"), 4);
}

static void test_money_asked_for_is_not_asked_for_again(void **state)
{
    struct life *life = *state;
    life_mute(life, "PaymentDue"); // finance has not written down yet what comes in
    start_standard(life, "Plan", "REGISTERED");
    Orderclerk__V1__PlanInfeasible *plan = MESSAGE(life, plan_infeasible);
    plan->kind = (char *)"WAREHOUSE";
    plan->earliest_date = (char *)"2026-12-20";
    life_mute(life, "PaymentDue");
    life_reply(life, "warehouse", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PLAN_INFEASIBLE, &plan->base);
    life_answer(life, life->doc->violations[0]->field, "2026-12-20");
    life_run(life);
    assert_string_equal(life->doc->payment_state, "UNPAID");
    assert_int_equal(life_count(life, "Plan"), 4); // registered a second time
    life_unmute(life);
    life_complete(life);
    assert_int_equal(life_count(life, "PaymentDue"), 1);
    assert_int_equal(life->doc->paid_minor, life->doc->total_minor);
}

static void test_plan_infeasible_and_no_answer(void **state)
{
    struct life *life = *state;
    start_standard(life, "Plan", "REGISTERED");
    Orderclerk__V1__PlanInfeasible *plan = MESSAGE(life, plan_infeasible);
    plan->kind = (char *)"TRANSPORT";
    life_reply(life, "logistics", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PLAN_INFEASIBLE, &plan->base);
    life_advance(life, life->settings.awaiting_customer);
    life_assert_state(life, "CANCELLED");
    assert_int_equal(life_count(life, "CancelPlan"), 2);
    assert_int_equal(life_count(life, "CancelErpOrder"), 1);
    assert_int_equal(life_count(life, "IssueCreditNote"), 1); // it was prepaid
    assert_string_equal(life->doc->payment_state, "REFUNDED");
}

static void test_credit_refused_then_good(void **state)
{
    struct life *life = *state;
    start_standard(life, "CheckCredit", "REGISTERED");
    life_mute(life, "CheckCredit");
    assert_string_equal(life->doc->waiting_on, "finance");
    Orderclerk__V1__CreditRefused *refused = MESSAGE(life, credit_refused);
    life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_CREDIT_REFUSED, &refused->base);
    assert_int_equal(life->doc->n_holds, 1);
    assert_int_equal(
        life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_CREDIT_REFUSED, &refused->base),
        SAGA_IGNORED);
    life_advance(life, INSTANT_DAY); // over the deadline: alarm, and asked again
    life_assert_state(life, "REGISTERED");
    assert_true(life_told(life, ORDERCLERK__V1__ORDER_EVENT__BODY_DEADLINE_MISSED) > 0);
    assert_true(life->again_count > 0);
    life_reply(life, "finance", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_CREDIT_OK, MESSAGE(life, credit_ok));
    assert_int_equal(life->doc->n_holds, 0);
    life_unmute(life);
    life_complete(life);
}

static void test_credit_is_checked_again_before_release(void **state)
{
    struct life *life = *state;
    life->lines[0].quantity = 60;
    life->lines[0].available = 10;
    life_start(life, "SHORTAGE_OFFERED");
    life_choose(life, 1, ORDERCLERK__V1__SHORTAGE_CHOICE_KIND__SHORTAGE_CHOICE_KIND_WAIT, 0, "");
    life_run(life);
    life_assert_state(life, "SCHEDULED");
    life_advance(life, 3 * INSTANT_DAY);
    life_fill(life);
    life_assert_state(life, "SCHEDULED");
    assert_int_equal(life_count(life, "CheckCredit"), 2);
    life_complete(life);
}

static void test_schedule_slips(void **state)
{
    struct life *life = *state;
    life->line_count = 0;
    life_line(life, "M-1", 6, 100003, 13001)->make = true;
    life_start(life, "IN_PRODUCTION");
    Orderclerk__V1__ScheduleSlipped *slipped = MESSAGE(life, schedule_slipped);
    slipped->new_date = (char *)"2026-12-24";
    const instant deadline = life->doc->deadline_us;
    assert_int_equal(life_reply(life, "production", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_SCHEDULE_SLIPPED,
                                &slipped->base),
                     SAGA_MOVED);
    assert_int_equal(life_reply(life, "production", ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_SCHEDULE_SLIPPED,
                                &slipped->base),
                     SAGA_IGNORED);
    assert_true(life->doc->deadline_us > deadline);
    assert_int_equal(life_mailed(life, "promise_changed"), 1);
    life_produce(life, 1, 6);
    life_complete(life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(test_clarification),
        LIFE(test_what_is_quoted_of_an_answer_stays_text),
        LIFE(test_answers_set_every_kind_of_field),
        LIFE(test_department_refuses),
        LIFE(test_department_refuses_for_good),
        LIFE(test_fatal),
        LIFE(test_suspected_duplicate),
        LIFE(test_stale_answers_change_nothing),
        LIFE(test_shortage_wait),
        LIFE(test_shortage_reduce),
        LIFE(test_shortage_cancel_line),
        LIFE(test_shortage_substitute),
        LIFE(test_shortage_refused),
        LIFE(test_no_answer),
        LIFE(test_review_changes),
        LIFE(test_review_rejects),
        LIFE(test_plan_infeasible),
        LIFE(test_money_asked_for_is_not_asked_for_again),
        LIFE(test_plan_infeasible_and_no_answer),
        LIFE(test_credit_refused_then_good),
        LIFE(test_credit_is_checked_again_before_release),
        LIFE(test_schedule_slips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
