// The saga's table: the specification of an order's life. Read it top down: coming in, checking, stock, registering,
// preparing, shipping, closing, cancelling, people, time, and what remains.
#include "orchestrator/saga/saga_table.h"

// --- How the table is written.

// clang-format off
#define FIRST_OF(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, macro, ...) macro
#define EACH_1(m, a)                                        m(a)
#define EACH_2(m, a, b)                                     m(a) | m(b)
#define EACH_3(m, a, b, c)                                  m(a) | m(b) | m(c)
#define EACH_4(m, a, b, c, d)                               m(a) | m(b) | m(c) | m(d)
#define EACH_5(m, a, b, c, d, e)                            EACH_4(m, a, b, c, d) | m(e)
#define EACH_6(m, a, b, c, d, e, f)                         EACH_4(m, a, b, c, d) | m(e) | m(f)
#define EACH_7(m, a, b, c, d, e, f, g)                      EACH_4(m, a, b, c, d) | EACH_3(m, e, f, g)
#define EACH_8(m, a, b, c, d, e, f, g, h)                   EACH_4(m, a, b, c, d) | EACH_4(m, e, f, g, h)
#define EACH_9(m, a, b, c, d, e, f, g, h, i)                EACH_8(m, a, b, c, d, e, f, g, h) | m(i)
#define EACH_10(m, a, b, c, d, e, f, g, h, i, j)            EACH_8(m, a, b, c, d, e, f, g, h) | m(i) | m(j)
#define EACH_11(m, a, b, c, d, e, f, g, h, i, j, k)         EACH_8(m, a, b, c, d, e, f, g, h) | EACH_3(m, i, j, k)
#define EACH_12(m, a, b, c, d, e, f, g, h, i, j, k, l)      EACH_8(m, a, b, c, d, e, f, g, h) | EACH_4(m, i, j, k, l)
#define EACH_13(m, a, b, c, d, e, f, g, h, i, j, k, l, n)   EACH_12(m, a, b, c, d, e, f, g, h, i, j, k, l) | m(n)
#define EACH_14(m, a, b, c, d, e, f, g, h, i, j, k, l, n, o) EACH_12(m, a, b, c, d, e, f, g, h, i, j, k, l) | m(n) | m(o)
#define EACH(m, ...) (FIRST_OF(__VA_ARGS__, EACH_14, EACH_13, EACH_12, EACH_11, EACH_10, EACH_9, EACH_8, EACH_7, EACH_6, EACH_5, EACH_4, EACH_3, EACH_2, EACH_1, 0)(m, __VA_ARGS__))

// States and named sets of them.
#define AT(name) AT_##name
#define AT_RECEIVED            SAGA_BIT(SAGA_RECEIVED)
#define AT_VALIDATING          SAGA_BIT(SAGA_VALIDATING)
#define AT_AWAITING_CUSTOMER   SAGA_BIT(SAGA_AWAITING_CUSTOMER)
#define AT_AWAITING_DEPARTMENT SAGA_BIT(SAGA_AWAITING_DEPARTMENT)
#define AT_RESERVING           SAGA_BIT(SAGA_RESERVING)
#define AT_SHORTAGE_OFFERED    SAGA_BIT(SAGA_SHORTAGE_OFFERED)
#define AT_IN_REVIEW           SAGA_BIT(SAGA_IN_REVIEW)
#define AT_REGISTERED          SAGA_BIT(SAGA_REGISTERED)
#define AT_SCHEDULED           SAGA_BIT(SAGA_SCHEDULED)
#define AT_IN_PRODUCTION       SAGA_BIT(SAGA_IN_PRODUCTION)
#define AT_IN_FULFILMENT       SAGA_BIT(SAGA_IN_FULFILMENT)
#define AT_PARTIALLY_SHIPPED   SAGA_BIT(SAGA_PARTIALLY_SHIPPED)
#define AT_SHIPPED             SAGA_BIT(SAGA_SHIPPED)
#define AT_DELIVERED           SAGA_BIT(SAGA_DELIVERED)
#define AT_COMPLETED           SAGA_BIT(SAGA_COMPLETED)
#define AT_REJECTED            SAGA_BIT(SAGA_REJECTED)
#define AT_CANCELLED           SAGA_BIT(SAGA_CANCELLED)
#define AT_ARCHIVED            SAGA_BIT(SAGA_ARCHIVED)
#define AT_COMPENSATING        SAGA_BIT(SAGA_COMPENSATING)
#define AT_NEEDS_PERSON        SAGA_BIT(SAGA_NEEDS_PERSON)
#define AT_CHECKING (AT_VALIDATING | AT_AWAITING_CUSTOMER | AT_AWAITING_DEPARTMENT | AT_RESERVING | AT_SHORTAGE_OFFERED | AT_IN_REVIEW)
#define AT_PREPARING (AT_REGISTERED | AT_SCHEDULED | AT_IN_PRODUCTION)
#define AT_LEAVING (AT_IN_FULFILMENT | AT_PARTIALLY_SHIPPED)
#define AT_AWAY (AT_SHIPPED | AT_DELIVERED)
#define AT_UNMADE (AT_REJECTED | AT_CANCELLED)
#define AT_ENDED (AT_COMPLETED | AT_UNMADE)
#define AT_LIVE (AT_CHECKING | AT_PREPARING | AT_LEAVING | AT_AWAY)
#define AT_KNOWN (AT_LIVE | AT_ENDED | AT_COMPENSATING | AT_NEEDS_PERSON) // all but the first and the last

// Events and named sets of them.
#define BY(name) BY_##name
#define BY_ORDER_SUBMITTED          SAGA_BIT(SAGA_EVENT_ORDER_SUBMITTED)
#define BY_CANCEL_REQUESTED         SAGA_BIT(SAGA_EVENT_CANCEL_REQUESTED)
#define BY_ANSWER_GIVEN             SAGA_BIT(SAGA_EVENT_ANSWER_GIVEN)
#define BY_SHORTAGE_ANSWERED        SAGA_BIT(SAGA_EVENT_SHORTAGE_ANSWERED)
#define BY_OPERATOR_RETRY           SAGA_BIT(SAGA_EVENT_OPERATOR_RETRY)
#define BY_OPERATOR_PROCEED         SAGA_BIT(SAGA_EVENT_OPERATOR_PROCEED)
#define BY_OPERATOR_WRITE_OFF       SAGA_BIT(SAGA_EVENT_OPERATOR_WRITE_OFF)
#define BY_ORDER_VALIDATED          SAGA_BIT(SAGA_EVENT_ORDER_VALIDATED)
#define BY_VALIDATION_FAILED        SAGA_BIT(SAGA_EVENT_VALIDATION_FAILED)
#define BY_STOCK_RESERVED           SAGA_BIT(SAGA_EVENT_STOCK_RESERVED)
#define BY_STOCK_SHORT              SAGA_BIT(SAGA_EVENT_STOCK_SHORT)
#define BY_STOCK_REFUSED            SAGA_BIT(SAGA_EVENT_STOCK_REFUSED)
#define BY_STOCK_RELEASED           SAGA_BIT(SAGA_EVENT_STOCK_RELEASED)
#define BY_STOCK_CONSUMED           SAGA_BIT(SAGA_EVENT_STOCK_CONSUMED)
#define BY_BACKORDER_FILLED         SAGA_BIT(SAGA_EVENT_BACKORDER_FILLED)
#define BY_GOODS_RECEIVED           SAGA_BIT(SAGA_EVENT_GOODS_RECEIVED)
#define BY_SHIPMENT_ACCEPTED        SAGA_BIT(SAGA_EVENT_SHIPMENT_ACCEPTED)
#define BY_SHIPMENT_REJECTED        SAGA_BIT(SAGA_EVENT_SHIPMENT_REJECTED)
#define BY_SHIPMENT_PICKING         SAGA_BIT(SAGA_EVENT_SHIPMENT_PICKING)
#define BY_SHIPMENT_PACKED          SAGA_BIT(SAGA_EVENT_SHIPMENT_PACKED)
#define BY_SHIPMENT_HANDED_OVER     SAGA_BIT(SAGA_EVENT_SHIPMENT_HANDED_OVER)
#define BY_SHIPMENT_IN_TRANSIT      SAGA_BIT(SAGA_EVENT_SHIPMENT_IN_TRANSIT)
#define BY_SHIPMENT_EXCEPTION       SAGA_BIT(SAGA_EVENT_SHIPMENT_EXCEPTION)
#define BY_SHIPMENT_DELIVERED       SAGA_BIT(SAGA_EVENT_SHIPMENT_DELIVERED)
#define BY_SHIPMENT_LOST            SAGA_BIT(SAGA_EVENT_SHIPMENT_LOST)
#define BY_SHIPMENT_RETURNED        SAGA_BIT(SAGA_EVENT_SHIPMENT_RETURNED)
#define BY_SHIPMENT_CANCEL_ACCEPTED SAGA_BIT(SAGA_EVENT_SHIPMENT_CANCEL_ACCEPTED)
#define BY_SHIPMENT_CANCEL_REJECTED SAGA_BIT(SAGA_EVENT_SHIPMENT_CANCEL_REJECTED)
#define BY_SHIPMENT_UNREACHABLE     SAGA_BIT(SAGA_EVENT_SHIPMENT_UNREACHABLE)
#define BY_TASK_APPROVED            SAGA_BIT(SAGA_EVENT_TASK_APPROVED)
#define BY_TASK_REFUSED             SAGA_BIT(SAGA_EVENT_TASK_REFUSED)
#define BY_CHANGES_WANTED           SAGA_BIT(SAGA_EVENT_CHANGES_WANTED)
#define BY_ERP_ACCEPTED             SAGA_BIT(SAGA_EVENT_ERP_ACCEPTED)
#define BY_ERP_CANCELLED            SAGA_BIT(SAGA_EVENT_ERP_CANCELLED)
#define BY_CREDIT_OK                SAGA_BIT(SAGA_EVENT_CREDIT_OK)
#define BY_CREDIT_REFUSED           SAGA_BIT(SAGA_EVENT_CREDIT_REFUSED)
#define BY_PLAN_CONFIRMED           SAGA_BIT(SAGA_EVENT_PLAN_CONFIRMED)
#define BY_PLAN_INFEASIBLE          SAGA_BIT(SAGA_EVENT_PLAN_INFEASIBLE)
#define BY_PLAN_CANCELLED           SAGA_BIT(SAGA_EVENT_PLAN_CANCELLED)
#define BY_PRODUCTION_PROGRESS      SAGA_BIT(SAGA_EVENT_PRODUCTION_PROGRESS)
#define BY_PRODUCTION_DONE          SAGA_BIT(SAGA_EVENT_PRODUCTION_DONE)
#define BY_SCHEDULE_SLIPPED         SAGA_BIT(SAGA_EVENT_SCHEDULE_SLIPPED)
#define BY_PRODUCTION_CANCELLED     SAGA_BIT(SAGA_EVENT_PRODUCTION_CANCELLED)
#define BY_INVOICE_ISSUED           SAGA_BIT(SAGA_EVENT_INVOICE_ISSUED)
#define BY_PAYMENT_RECEIVED         SAGA_BIT(SAGA_EVENT_PAYMENT_RECEIVED)
#define BY_CREDIT_NOTE_ISSUED       SAGA_BIT(SAGA_EVENT_CREDIT_NOTE_ISSUED)
#define BY_REMINDER_DUE             SAGA_BIT(SAGA_EVENT_REMINDER_DUE)
#define BY_STEP_DUE                 SAGA_BIT(SAGA_EVENT_STEP_DUE)
#define BY_DEADLINE_PASSED          SAGA_BIT(SAGA_EVENT_DEADLINE_PASSED)
#define BY_DEADLINE_REFUSED         SAGA_BIT(SAGA_EVENT_DEADLINE_REFUSED)
#define BY_GO                       SAGA_BIT(SAGA_EVENT_GO)
#define BY_REQUESTS (BY_CANCEL_REQUESTED | BY_ANSWER_GIVEN | BY_SHORTAGE_ANSWERED | BY_OPERATOR_RETRY | BY_OPERATOR_PROCEED | BY_OPERATOR_WRITE_OFF)
#define BY_TASK_ANSWERS (BY_TASK_APPROVED | BY_TASK_REFUSED | BY_CHANGES_WANTED)
#define BY_HELD_STOCK (BY_STOCK_RESERVED | BY_STOCK_SHORT | BY_BACKORDER_FILLED)
#define BY_PACKING (BY_SHIPMENT_ACCEPTED | BY_SHIPMENT_PICKING | BY_SHIPMENT_PACKED)
#define BY_TRAVELLING (BY_SHIPMENT_IN_TRANSIT | BY_SHIPMENT_EXCEPTION)
#define BY_FAILING (BY_SHIPMENT_LOST | BY_SHIPMENT_RETURNED)
#define BY_WITHDRAWAL (BY_SHIPMENT_CANCEL_ACCEPTED | BY_SHIPMENT_CANCEL_REJECTED)
#define BY_SHIPMENT_NEWS (BY_PACKING | BY_SHIPMENT_REJECTED | BY_SHIPMENT_HANDED_OVER | BY_TRAVELLING | BY_SHIPMENT_DELIVERED | BY_FAILING | BY_WITHDRAWAL | BY_SHIPMENT_UNREACHABLE)
#define BY_UNDONE (BY_STOCK_RELEASED | BY_ERP_CANCELLED | BY_PLAN_CANCELLED | BY_CREDIT_NOTE_ISSUED | BY_PRODUCTION_CANCELLED)
#define BY_ALL (((SAGA_BIT(SAGA_EVENT_COUNT) - 1) & ~UINT64_C(1)))

#define STEP_BIT(name) SAGA_BIT(SAGA_STEP_##name)

#define IN(...)       .from = EACH(AT, __VA_ARGS__)
#define REST          .from = 0
#define ON(...)       .on = EACH(BY, __VA_ARGS__)
#define ON_ALL_BUT(...) .on = BY_ALL & ~EACH(BY, __VA_ARGS__)
#define WHEN(guard)   .when = SAGA_GUARD_##guard
#define TO(state)     .kind = SAGA_RULE_MOVE, .to = SAGA_##state
#define STAY          .kind = SAGA_RULE_MOVE, .to = SAGA_SAME
#define BACK          .kind = SAGA_RULE_MOVE, .to = SAGA_RESUME
#define UNDO_ALL(end) .kind = SAGA_RULE_MOVE, .to = SAGA_COMPENSATING, .ending = SAGA_##end
#define REFUSE        .kind = SAGA_RULE_REFUSE, .to = SAGA_SAME
#define IGNORE        .kind = SAGA_RULE_IGNORE
#define NEVER         .kind = SAGA_RULE_NEVER
#define UNDO(...)     .undo = EACH(STEP_BIT, __VA_ARGS__)
#define REDO          .redo = true
#define STANDARD_ONLY .only = SAGA_STANDARD
#define EXPRESS_ONLY  .only = SAGA_EXPRESS
#define WHY(text)     .why = text
#define A(name)       SAGA_ACTION_##name
#define DO_1(a)                .act = {A(a)}
#define DO_2(a, b)             .act = {A(a), A(b)}
#define DO_3(a, b, c)          .act = {A(a), A(b), A(c)}
#define DO_4(a, b, c, d)       .act = {A(a), A(b), A(c), A(d)}
#define DO_5(a, b, c, d, e)    .act = {A(a), A(b), A(c), A(d), A(e)}
#define DO_6(a, b, c, d, e, f) .act = {A(a), A(b), A(c), A(d), A(e), A(f)}
#define DO(...) FIRST_OF(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0, 0, DO_6, DO_5, DO_4, DO_3, DO_2, DO_1, 0)(__VA_ARGS__)

// --- The table.

const struct saga_rule saga_rules_v1[] = {

// Coming in.
{10, IN(RECEIVED), ON(ORDER_SUBMITTED), TO(VALIDATING), DO(receive, ask_validate, tell_received), UNDO(VALIDATE),
    WHY("a new order is judged at once; its definition's version is fixed here")},
{12, IN(RECEIVED), ON_ALL_BUT(ORDER_SUBMITTED), NEVER, WHY("an order rests in RECEIVED only within the step that makes it")},
{14, IN(ARCHIVED), ON(REQUESTS), REFUSE, WHY("the order is archived")},
{16, IN(ARCHIVED), ON_ALL_BUT(REQUESTS, ORDER_SUBMITTED, GO), NEVER, WHY("an archived order changes no more: a person must look at this")},
{18, REST, ON(ORDER_SUBMITTED), IGNORE, WHY("the same submission once more: intake gives every retry the same order id")},

// Checking: the validator's answer, the customer's, a department's.
{100, IN(VALIDATING), ON(ORDER_VALIDATED, VALIDATION_FAILED), WHEN(stale), IGNORE, WHY("the newest revision's answer is still to come")},
{102, IN(VALIDATING), ON(ORDER_VALIDATED), WHEN(duplicate_open), TO(AWAITING_CUSTOMER), DO(take_validation, ask_duplicate, ask_customer),
    WHY("a look-alike within 24 h is suspected and asked about, never dropped")},
{104, IN(VALIDATING), ON(ORDER_VALIDATED), TO(RESERVING), DO(take_validation, ask_reserve), UNDO(RESERVE),
    WHY("STOCK lines are reserved, MAKE lines are planned; total, units, lines and terms choose the definition")},
{106, IN(VALIDATING), ON(VALIDATION_FAILED), WHEN(fatal), UNDO_ALL(REJECTED), DO(take_violations, begin_undo),
    WHY("nobody can clear it; an earlier revision may have left effects")},
{108, IN(VALIDATING), ON(VALIDATION_FAILED), WHEN(customer_may_clear), TO(AWAITING_CUSTOMER), DO(take_violations, ask_customer),
    WHY("the customer first, every question at once: the answer may settle what a department would be asked")},
{110, IN(VALIDATING), ON(VALIDATION_FAILED), TO(AWAITING_DEPARTMENT), DO(take_violations, ask_approval), UNDO(APPROVAL),
    WHY("a department may waive its own rule: price by sales, date by production, terms by finance")},
{112, IN(NEEDS_PERSON), ON(ORDER_VALIDATED, VALIDATION_FAILED, STOCK_RESERVED, STOCK_SHORT, STOCK_REFUSED), WHEN(awaited), BACK, REDO,
    WHY("the missing answer has come after all: no person is needed any more")},
{114, IN(COMPENSATING, UNMADE, NEEDS_PERSON), ON(ORDER_VALIDATED, VALIDATION_FAILED), IGNORE,
    WHY("nobody waits for the judgement any more, and judging holds nothing")},
{116, REST, ON(ORDER_VALIDATED, VALIDATION_FAILED), NEVER, WHY("the validator is asked in VALIDATING only and answers once")},

{120, IN(AWAITING_CUSTOMER), ON(ANSWER_GIVEN), WHEN(answer_unusable), REFUSE, WHY("the answer can't be used")},
{122, IN(AWAITING_CUSTOMER), ON(ANSWER_GIVEN), TO(VALIDATING), DO(revise, ask_validate), UNDO(VALIDATE),
    WHY("the revised order is judged whole; what is reserved moves by the difference only")},
{124, REST, ON(ANSWER_GIVEN), REFUSE, WHY("the customer has not been asked anything")},

{130, IN(AWAITING_DEPARTMENT, IN_REVIEW), ON(TASK_ANSWERS), WHEN(other_task), IGNORE, WHY("only the open task's own department decides it")},
{132, IN(AWAITING_DEPARTMENT), ON(TASK_APPROVED), TO(VALIDATING), DO(note_decision, waive, ask_validate), UNDO(VALIDATE),
    WHY("judged again with what is waived: other departments' questions come up in turn")},
{134, IN(AWAITING_DEPARTMENT), ON(TASK_REFUSED), WHEN(for_good), UNDO_ALL(REJECTED), DO(note_decision, begin_undo), WHY("the department says no, for good")},
{136, IN(AWAITING_DEPARTMENT), ON(TASK_REFUSED, CHANGES_WANTED), TO(AWAITING_CUSTOMER), DO(note_decision, ask_customer),
    WHY("the department insists on its rule: the customer may change the order")},

// Stock: reserving, and what to do about a shortage.
{200, IN(RESERVING), ON(STOCK_RESERVED, STOCK_SHORT, STOCK_REFUSED), WHEN(stale), IGNORE, WHY("the newest revision's answer is still to come")},
{202, IN(RESERVING), ON(STOCK_RESERVED), WHEN(needs_review), TO(IN_REVIEW), DO(take_allocations, ask_review), UNDO(REVIEW), STANDARD_ONLY,
    WHY("large orders and everything that has to be made are looked at by a person before anybody starts")},
{204, IN(RESERVING), ON(STOCK_RESERVED), TO(REGISTERED), DO(take_allocations, register, ask_erp, ask_credit, ask_plans, ask_prepayment), UNDO(ERP, CREDIT, PLAN, PAYMENT), STANDARD_ONLY,
    WHY("the order is real: number, ERP, credit, plans. A prepaid order is billed now, but only a PAYMENT hold keeps its goods")},
{206, IN(RESERVING), ON(STOCK_RESERVED), TO(REGISTERED), DO(take_allocations, register, ask_erp, ask_prepayment, promise, tell_confirmed), UNDO(ERP, PAYMENT), EXPRESS_ONLY,
    WHY("small and in stock: no review, no credit question, no scheduling round; the validator's date is the promise")},
{208, IN(RESERVING), ON(STOCK_SHORT), TO(SHORTAGE_OFFERED), DO(take_shortage, offer), WHY("what is there stays held while the customer decides")},
{210, IN(RESERVING), ON(STOCK_REFUSED), UNDO_ALL(REJECTED), DO(note_stock_refusal, begin_undo), WHY("a product that is not kept can't be promised")},
{212, IN(SHORTAGE_OFFERED), ON(SHORTAGE_ANSWERED), WHEN(choice_unusable), REFUSE, WHY("every short line needs one of the choices that were offered")},
{214, IN(SHORTAGE_OFFERED), ON(SHORTAGE_ANSWERED), WHEN(choice_refuses), UNDO_ALL(CANCELLED), DO(choose, begin_undo), WHY("the customer wants nothing any more")},
{216, IN(SHORTAGE_OFFERED), ON(SHORTAGE_ANSWERED), WHEN(choice_substitutes), TO(VALIDATING), DO(choose, ask_validate), UNDO(VALIDATE), WHY("another product must be priced")},
{218, IN(SHORTAGE_OFFERED), ON(SHORTAGE_ANSWERED), TO(RESERVING), DO(choose, ask_reserve), UNDO(RESERVE),
    WHY("wait: a backorder with a date; less, or without a line: at the price agreed, in proportion")},
{220, REST, ON(SHORTAGE_ANSWERED), REFUSE, WHY("no choice about a shortage is open")},
{222, IN(COMPENSATING, NEEDS_PERSON), ON(HELD_STOCK), WHEN(stock_let_go), STAY, DO(release_again), WHY("a late success: given back like the rest")},
{224, IN(CHECKING, PREPARING, LEAVING, COMPENSATING, NEEDS_PERSON), ON(BACKORDER_FILLED), STAY, DO(take_allocations), WHY("held for the order, while it is undone too: that may be given up. GO sees whether it lets a shipment leave")},
{226, IN(CHECKING, PREPARING, LEAVING, COMPENSATING, NEEDS_PERSON), ON(GOODS_RECEIVED), WHEN(asked), STAY, DO(take_receipt), WHY("made goods are stock, reserved for their line")},
{227, IN(UNMADE), ON(GOODS_RECEIVED), WHEN(asked), STAY, DO(take_answer), WHY("a ReleaseStock follows every receipt here and takes it along")},
{228, IN(COMPENSATING, NEEDS_PERSON), ON(STOCK_RESERVED, STOCK_SHORT), IGNORE, WHY("ReleaseStock follows it and takes it along")},
{230, IN(UNMADE), ON(HELD_STOCK), STAY, DO(release_again), WHY("a late success is answered by the step's compensation")},
{232, IN(COMPENSATING, UNMADE, NEEDS_PERSON), ON(STOCK_REFUSED), IGNORE, WHY("nothing is held by it")},
{234, REST, ON(HELD_STOCK, STOCK_REFUSED, GOODS_RECEIVED), NEVER, WHY("inventory answers what it was asked, once, and holds nothing for an order whose goods have left")},

// Review.
{300, IN(IN_REVIEW), ON(TASK_APPROVED), TO(REGISTERED), DO(note_decision, register, ask_erp, ask_credit, ask_plans, ask_prepayment), UNDO(ERP, CREDIT, PLAN, PAYMENT), STANDARD_ONLY,
    WHY("approved: as an order that needs no review")},
{302, IN(IN_REVIEW), ON(CHANGES_WANTED), TO(AWAITING_CUSTOMER), DO(note_decision, ask_customer), STANDARD_ONLY, WHY("the reviewer's wishes are questions to the customer; the revision is reviewed anew")},
{304, IN(IN_REVIEW), ON(TASK_REFUSED), UNDO_ALL(REJECTED), DO(note_decision, begin_undo), STANDARD_ONLY, WHY("the house does not take this order")},
{306, REST, ON(TASK_ANSWERS), IGNORE, WHY("the task is closed: decided already, or gone with its order")},

// Registered: plans, credit, ERP.
{400, IN(KNOWN), ON(ERP_ACCEPTED, CREDIT_OK, CREDIT_REFUSED), WHEN(never_asked), NEVER, WHY("it answers a question that was never put")},
{402, IN(KNOWN), ON(PLAN_CONFIRMED, PLAN_INFEASIBLE), WHEN(plan_unknown), NEVER, WHY("it answers a question that was never put, or with a date that isn't one")},
{404, IN(REGISTERED), ON(PLAN_CONFIRMED), WHEN(last_answer), TO(SCHEDULED), DO(take_plan, promise, tell_confirmed), STANDARD_ONLY, WHY("all dates fit and credit is good: that can be promised")},
{406, IN(REGISTERED), ON(PLAN_CONFIRMED), STAY, DO(take_plan), STANDARD_ONLY, WHY("others have still to answer; said again, the newest date counts")},
{408, IN(REGISTERED), ON(PLAN_INFEASIBLE), TO(AWAITING_CUSTOMER), DO(take_infeasible, ask_customer), STANDARD_ONLY,
    WHY("the customer is asked about the earliest date; what is planned and reserved is kept, and revised or undone with the answer")},
{410, IN(COMPENSATING, UNMADE, NEEDS_PERSON), ON(PLAN_CONFIRMED, ERP_ACCEPTED), WHEN(undone_before), STAY, DO(undo_again), WHY("a late success is answered by the step's compensation")},
{412, REST, ON(PLAN_CONFIRMED, PLAN_INFEASIBLE), IGNORE, WHY("the round is over: decided, given up, or its undoing is under way")},
{414, IN(REGISTERED), ON(CREDIT_OK), WHEN(last_answer), TO(SCHEDULED), DO(take_credit, promise, tell_confirmed), STANDARD_ONLY, WHY("all dates fit and credit is good: that can be promised")},
{416, IN(LIVE, COMPENSATING, NEEDS_PERSON), ON(CREDIT_OK), WHEN(asked), STAY, DO(take_credit), STANDARD_ONLY, WHY("GO sees whether it lets a shipment leave")},
{418, IN(LIVE, COMPENSATING, NEEDS_PERSON), ON(CREDIT_REFUSED), WHEN(credit_held), IGNORE, WHY("said already: finance's CreditOk lifts the hold")},
{420, IN(LIVE, COMPENSATING, NEEDS_PERSON), ON(CREDIT_REFUSED), WHEN(asked), STAY, DO(hold_credit), STANDARD_ONLY, WHY("the question stays open: finance owns CREDIT and lifts the hold with CreditOk")},
{422, REST, ON(CREDIT_OK, CREDIT_REFUSED), IGNORE, WHY("answered before, or nobody waits: finance holds nothing for it")},
{424, IN(LIVE, COMPENSATING, NEEDS_PERSON), ON(ERP_ACCEPTED), WHEN(asked), STAY, DO(take_erp), WHY("the order doesn't wait for the ERP, but is not completed without it")},
{426, REST, ON(ERP_ACCEPTED), IGNORE, WHY("said already, or its undoing follows it")},
{428, IN(REGISTERED), ON(GO), WHEN(ready), TO(IN_FULFILMENT), DO(release), UNDO(RELEASE), EXPRESS_ONLY, WHY("nothing to plan: a shipment at hand goes to its warehouse at once")},
{430, IN(REGISTERED), ON(GO), TO(SCHEDULED), EXPRESS_ONLY, WHY("nothing to plan, but goods or a hold keep it: it waits like a scheduled order")},

// Scheduled, in production: goods come to hand.
{500, IN(SCHEDULED), ON(GO), WHEN(to_be_made), TO(IN_PRODUCTION), DO(start_production), UNDO(PRODUCE), STANDARD_ONLY, WHY("MAKE lines go to production; stock shipments need not wait for them")},
{502, IN(SCHEDULED, IN_PRODUCTION, LEAVING), ON(GO), WHEN(credit_old), STAY, DO(ask_credit), UNDO(CREDIT), STANDARD_ONLY, WHY("credit is checked again before goods leave")},
{504, IN(SCHEDULED, IN_PRODUCTION), ON(GO), WHEN(ready), TO(IN_FULFILMENT), DO(release), UNDO(RELEASE), WHY("each shipment goes as soon as all of its own lines are at hand")},
{506, IN(UNMADE, COMPENSATING), ON(PRODUCTION_DONE), WHEN(not_made), NEVER, WHY("no such line is made")},
{508, IN(UNMADE, COMPENSATING), ON(PRODUCTION_DONE), STAY, DO(receive_and_release), UNDO(RECEIVE), WHY("made all the same: into stock, and free for others")},
{510, IN(CHECKING, PREPARING, LEAVING, NEEDS_PERSON), ON(PRODUCTION_DONE, PRODUCTION_PROGRESS), WHEN(not_made), NEVER, WHY("no such line is made, or more than was ordered")},
{512, IN(NEEDS_PERSON), ON(PRODUCTION_DONE), WHEN(undoing), STAY, DO(receive_and_release), UNDO(RECEIVE), WHY("made all the same: into stock, and free for others")},
{514, IN(CHECKING, PREPARING, LEAVING, NEEDS_PERSON), ON(PRODUCTION_DONE), STAY, DO(ask_receive), UNDO(RECEIVE), WHY("a goods receipt, reserved for that line")},
{516, IN(CHECKING, PREPARING, LEAVING, NEEDS_PERSON), ON(PRODUCTION_PROGRESS), STAY, DO(note_progress), WHY("departments follow it")},
{518, IN(COMPENSATING, UNMADE), ON(PRODUCTION_PROGRESS), IGNORE, WHY("production is being stopped or was")},
{520, REST, ON(PRODUCTION_DONE, PRODUCTION_PROGRESS), NEVER, WHY("everything that was ordered has left: nothing is made for it any more")},
{522, IN(CHECKING, PREPARING, LEAVING, NEEDS_PERSON), ON(SCHEDULE_SLIPPED), WHEN(date_stands), IGNORE, WHY("nothing that was promised changes")},
{524, IN(CHECKING, PREPARING, LEAVING, NEEDS_PERSON), ON(SCHEDULE_SLIPPED), STAY, DO(slip), WHY("the promise follows the plan, and the customer is told")},
{526, REST, ON(SCHEDULE_SLIPPED), IGNORE, WHY("the carrier's dates count now, or none at all")},

// Shipping: up to the pivot, the pivot, and beyond.
{600, IN(KNOWN), ON(SHIPMENT_NEWS), WHEN(shipment_unknown), NEVER, WHY("nobody can have news of a shipment that was never released")},
{602, IN(KNOWN), ON(SHIPMENT_NEWS), WHEN(no_progress), IGNORE, WHY("doubled or out of order: a shipment never goes back")},
{603, IN(KNOWN), ON(SHIPMENT_HANDED_OVER), WHEN(not_as_released), NEVER, WHY("what isn't mentioned has not left, and more than was released can't have: somebody must count")},
{604, IN(LEAVING, COMPENSATING, NEEDS_PERSON), ON(PACKING), STAY, DO(progress), WHY("where the goods are decides what a change means")},
{606, IN(LEAVING), ON(SHIPMENT_REJECTED), TO(NEEDS_PERSON), DO(progress, call_person), WHY("the warehouse will not ship: somebody must find out why")},
{608, IN(NEEDS_PERSON), ON(SHIPMENT_REJECTED, WITHDRAWAL, SHIPMENT_HANDED_OVER), WHEN(undoing), BACK, REDO, WHY("the missing word has come: undoing goes on, or is given up")},
{610, IN(NEEDS_PERSON), ON(SHIPMENT_REJECTED), STAY, DO(progress), WHY("one more for the person who is called already")},
{612, IN(COMPENSATING), ON(SHIPMENT_REJECTED, SHIPMENT_CANCEL_ACCEPTED), WHEN(withdrawal_asked), STAY, DO(withdrawn), WHY("the warehouse keeps the goods; a refusal to ship says the same")},
{614, IN(COMPENSATING), ON(SHIPMENT_CANCEL_REJECTED), WHEN(withdrawal_asked), STAY, DO(withdrawal_refused), WHY("too late: GO gives the cancelling up once all have answered")},
{618, IN(COMPENSATING, UNMADE), ON(SHIPMENT_HANDED_OVER), WHEN(withdrawn_before), STAY, DO(ask_consume, ask_invoice, hand_over, cancel_lost), UNDO(CONSUME, INVOICE),
    WHY("the warehouse shipped what it had agreed to keep: stock and finance follow the goods, the header does not jump, a person looks into it")},
{619, IN(LEAVING, AWAY, NEEDS_PERSON), ON(SHIPMENT_HANDED_OVER), WHEN(withdrawn_before), NEVER, WHY("a shipment that was replaced has left all the same: a person must count")},
{620, IN(LEAVING), ON(SHIPMENT_HANDED_OVER), WHEN(last_to_go), TO(SHIPPED), DO(ask_consume, ask_invoice, hand_over, tell_shipped), UNDO(CONSUME, INVOICE),
    WHY("the pivot: stock is consumed, the shipment is invoiced to the minor unit; from here only forward")},
{622, IN(LEAVING), ON(SHIPMENT_HANDED_OVER), TO(PARTIALLY_SHIPPED), DO(ask_consume, ask_invoice, hand_over, tell_shipped), UNDO(CONSUME, INVOICE),
    WHY("the pivot, for a part; what was released and not handed over becomes a shipment of its own")},
{624, IN(COMPENSATING, NEEDS_PERSON), ON(SHIPMENT_HANDED_OVER), STAY, DO(ask_consume, ask_invoice, hand_over, tell_shipped), UNDO(CONSUME, INVOICE),
    WHY("handed over meanwhile: the pivot is passed, GO sees what that means")},
{626, IN(SHIPPED), ON(SHIPMENT_DELIVERED), WHEN(last_to_arrive), TO(DELIVERED), DO(deliver, tell_delivered), WHY("the customer has everything: the dispute window begins")},
{628, IN(LEAVING, AWAY, COMPENSATING, NEEDS_PERSON, UNMADE), ON(SHIPMENT_DELIVERED), WHEN(gone), STAY, DO(deliver), WHY("a part has arrived")},
{630, IN(LEAVING, AWAY, COMPENSATING, NEEDS_PERSON, UNMADE), ON(TRAVELLING), WHEN(gone), STAY, DO(progress), WHY("carrier's news; a new arrival date moves the deadline")},
{632, IN(LEAVING, SHIPPED), ON(FAILING), WHEN(gone), TO(NEEDS_PERSON), DO(progress, call_person), WHY("only a person can agree with the customer what follows")},
{634, IN(COMPENSATING, NEEDS_PERSON, UNMADE), ON(FAILING), WHEN(gone), STAY, DO(progress), WHY("recorded for the person who deals with it")},
{636, IN(LEAVING, COMPENSATING, NEEDS_PERSON), ON(SHIPMENT_UNREACHABLE), WHEN(warehouse_held), IGNORE, WHY("the hold says so already; the tracker goes on trying")},
{638, IN(LEAVING, COMPENSATING, NEEDS_PERSON), ON(SHIPMENT_UNREACHABLE), STAY, DO(hold_warehouse), WHY("shown as waiting for this warehouse; other shipments go on")},
{640, REST, ON(SHIPMENT_NEWS), NEVER, WHY("the tracker says what can't be: goods move only after their release, and arrive only after they have left")},
{642, IN(LEAVING), ON(GO), WHEN(all_gone), TO(SHIPPED), WHY("back from a person or from a cancel that came too late")},
{644, IN(IN_FULFILMENT), ON(GO), WHEN(some_gone), TO(PARTIALLY_SHIPPED), WHY("back from a person or from a cancel that came too late")},
{646, IN(LEAVING), ON(GO), WHEN(ready), STAY, DO(release), UNDO(RELEASE), WHY("the next shipment has come to hand")},

// Closing: consumption, invoice, payment, completion.
{700, IN(LEAVING, AWAY, COMPENSATING, NEEDS_PERSON, UNMADE), ON(STOCK_CONSUMED), WHEN(asked), STAY, DO(take_answer), WHY("the ledger follows the goods")},
{702, REST, ON(STOCK_CONSUMED), NEVER, WHY("nothing was shipped that is not consumed")},
{704, IN(KNOWN), ON(INVOICE_ISSUED), WHEN(invoice_misfit), NEVER, WHY("finance and the saga disagree on a shipment or a sum: a person must look")},
{706, IN(KNOWN), ON(INVOICE_ISSUED), WHEN(invoiced), IGNORE, WHY("said already")},
{708, IN(LEAVING, AWAY, COMPENSATING, NEEDS_PERSON, UNMADE), ON(INVOICE_ISSUED), WHEN(asked), STAY, DO(take_invoice, ask_payment), UNDO(PAYMENT), WHY("an invoice is due by its terms; a prepaid order was billed when it was registered")},
{710, REST, ON(INVOICE_ISSUED), NEVER, WHY("no invoice was asked for")},
{712, IN(KNOWN), ON(PAYMENT_RECEIVED), WHEN(payment_misfit), NEVER, WHY("money that doesn't fit the order: a person must look")},
{714, IN(COMPENSATING, UNMADE), ON(PAYMENT_RECEIVED), WHEN(owes), STAY, DO(take_payment), UNDO(PAYMENT), WHY("goods have left after all: the money is for them")},
{716, IN(COMPENSATING, UNMADE), ON(PAYMENT_RECEIVED), STAY, DO(take_payment, refund), UNDO(PAYMENT), WHY("a late success is answered by the step's compensation: the money goes back")},
{717, IN(NEEDS_PERSON), ON(PAYMENT_RECEIVED), WHEN(undoing), STAY, DO(take_payment, refund), UNDO(PAYMENT), WHY("a late success is answered by the step's compensation: the money goes back")},
{718, IN(LIVE, NEEDS_PERSON, COMPLETED), ON(PAYMENT_RECEIVED), STAY, DO(take_payment), UNDO(PAYMENT), WHY("PAID never goes back; GO sees whether it completes the order")},
{722, IN(SHIPPED), ON(GO), WHEN(all_arrived), TO(DELIVERED), DO(tell_delivered), WHY("what was lost or sent back has been settled by a person")},
{724, IN(DELIVERED), ON(GO), WHEN(settled), TO(COMPLETED), DO(complete), WHY("delivered, paid or written off, dispute window over")},
{726, IN(AWAY), ON(OPERATOR_WRITE_OFF), STAY, DO(write_off), WHY("payment will not come; GO sees whether that completes the order")},
{728, IN(NEEDS_PERSON), ON(OPERATOR_WRITE_OFF), WHEN(some_gone), STAY, DO(write_off), WHY("payment will not come; the trouble itself is settled by PROCEED")},
{730, REST, ON(OPERATOR_WRITE_OFF), REFUSE, WHY("only what has been shipped can be written off: cancel the order instead")},

// Cancelling: before the pivot everything can be undone, after it nothing.
{800, IN(CHECKING, PREPARING, IN_FULFILMENT), ON(CANCEL_REQUESTED), UNDO_ALL(CANCELLED), DO(note_cancel, begin_undo),
    WHY("undone in reverse order, each undoing acknowledged; goods that are released first, by the warehouse's word")},
{802, IN(NEEDS_PERSON), ON(CANCEL_REQUESTED), WHEN(none_gone), UNDO_ALL(CANCELLED), DO(note_cancel, begin_undo), WHY("one of the exits: undo everything")},
{804, IN(COMPENSATING), ON(CANCEL_REQUESTED), IGNORE, WHY("it is being undone already")},
{806, IN(PARTIALLY_SHIPPED, AWAY, NEEDS_PERSON), ON(CANCEL_REQUESTED), REFUSE, DO(tell_cancel_refused), WHY("goods have left or undoing is under way: refuse delivery, or return them")},
{808, REST, ON(CANCEL_REQUESTED), REFUSE, WHY("the order has ended")},
{810, IN(COMPENSATING), ON(GO), WHEN(withdrawal_pending), IGNORE, WHY("nothing else is undone before the warehouse's and production's word")},
{812, IN(COMPENSATING), ON(GO), WHEN(withdrawal_failed), BACK, DO(give_up_cancel, tell_cancel_refused), WHY("too late: nothing else is undone, the order goes on, the customer is told")},
{814, IN(COMPENSATING), ON(GO), WHEN(undo_unasked), STAY, DO(next_undo), WHY("the next wave, in reverse order")},
{816, IN(COMPENSATING), ON(GO), WHEN(undo_pending), IGNORE, WHY("every undoing is acknowledged before the order ends")},
{818, IN(COMPENSATING), ON(GO), WHEN(to_reject), TO(REJECTED), DO(end_unmade, tell_rejected), WHY("nothing is left of it")},
{820, IN(COMPENSATING), ON(GO), TO(CANCELLED), DO(end_unmade, tell_cancelled), WHY("nothing is left of it")},
{822, IN(COMPENSATING), ON(PRODUCTION_CANCELLED), WHEN(production_refuses), STAY, DO(withdrawal_refused), WHY("too late: GO gives the cancelling up")},
{824, IN(NEEDS_PERSON), ON(UNDONE), WHEN(undo_asked), BACK, REDO, WHY("the missing acknowledgement has come after all")},
{826, IN(COMPENSATING, UNMADE), ON(UNDONE), WHEN(undo_asked), STAY, DO(take_undone), WHY("acknowledged")},
{828, IN(COMPENSATING, UNMADE, NEEDS_PERSON), ON(UNDONE), IGNORE, WHY("acknowledged before")},
{830, REST, ON(UNDONE), NEVER, WHY("nobody asked to undo anything")},

// People: what a person was called for, and the exits.
{898, IN(NEEDS_PERSON), ON(OPERATOR_RETRY), WHEN(only_sent_back), REFUSE, WHY("goods that were sent back don't travel again: agree with the customer on what follows, then PROCEED")},
{900, IN(NEEDS_PERSON), ON(OPERATOR_RETRY), BACK, DO(try_again), WHY("do what was under way once more")},
{902, IN(NEEDS_PERSON), ON(OPERATOR_PROCEED), WHEN(undoing), BACK, DO(deem_undone), WHY("undone by hand")},
{904, IN(NEEDS_PERSON), ON(OPERATOR_PROCEED), WHEN(goods_in_trouble), BACK, DO(deem_done), WHY("settled by hand: refused shipments count as accepted, lost ones as settled with the customer")},
{905, IN(SHIPPED), ON(OPERATOR_PROCEED), WHEN(overdue), STAY, DO(give_up_arrival), WHY("no more word is expected of what is overdue: settled with the customer by hand, GO sees what that means")},
{906, REST, ON(OPERATOR_PROCEED), REFUSE, WHY("nothing can stand in for the answer that is missing: retry, reply for the department, or cancel")},
{908, IN(AWAITING_CUSTOMER, SHORTAGE_OFFERED), ON(OPERATOR_RETRY), STAY, DO(remind), WHY("the customer is reminded")},
{910, IN(VALIDATING, AWAITING_DEPARTMENT, RESERVING, IN_REVIEW, PREPARING, LEAVING, AWAY, COMPENSATING), ON(OPERATOR_RETRY), STAY, DO(ask_again), WHY("whoever hasn't answered is asked again")},
{912, REST, ON(OPERATOR_RETRY), REFUSE, WHY("the order has ended: nothing is under way")},
{914, IN(NEEDS_PERSON), ON(GO), WHEN(trouble_over), BACK, WHY("what the person was called for has settled itself")},

// Time.
{1000, IN(AWAITING_CUSTOMER, SHORTAGE_OFFERED), ON(REMINDER_DUE), STAY, DO(remind), WHY("half of the time is over")},
{1002, REST, ON(REMINDER_DUE), IGNORE, WHY("only customers are reminded")},
{1004, IN(VALIDATING, RESERVING), ON(DEADLINE_PASSED), WHEN(tries_left), STAY, DO(ask_again), WHY("the same command again heals whichever half was lost")},
{1006, IN(VALIDATING, RESERVING), ON(DEADLINE_PASSED), TO(NEEDS_PERSON), DO(call_person), WHY("a service that stays silent needs a person; a late answer still helps")},
{1008, IN(AWAITING_CUSTOMER, SHORTAGE_OFFERED), ON(DEADLINE_PASSED), UNDO_ALL(CANCELLED), DO(note_no_answer, begin_undo), WHY("no answer: everything is undone")},
{1010, IN(AWAITING_DEPARTMENT, IN_REVIEW, PREPARING, LEAVING, SHIPPED), ON(DEADLINE_PASSED), STAY, DO(alarm, ask_again), WHY("late, but only its owner can go on: asked again, operations told, later each time")},
{1012, IN(DELIVERED), ON(DEADLINE_PASSED), WHEN(settled), TO(COMPLETED), DO(complete), WHY("delivered, paid or written off, dispute window over")},
{1014, IN(DELIVERED), ON(DEADLINE_PASSED), STAY, DO(alarm, ask_again), WHY("the window is over, but money or an answer is missing")},
{1016, IN(COMPENSATING), ON(DEADLINE_PASSED), TO(NEEDS_PERSON), DO(fail_undo, call_person), WHY("a compensation that fails is never forgotten: a person gets it; a late acknowledgement still helps")},
{1018, IN(NEEDS_PERSON), ON(DEADLINE_PASSED), STAY, DO(alarm), WHY("nobody has come: operations are told again")},
{1020, IN(UNMADE), ON(DEADLINE_PASSED), WHEN(undo_pending), STAY, DO(alarm), WHY("a late success is still being undone")},
{1022, IN(ENDED), ON(DEADLINE_PASSED), TO(ARCHIVED), DO(archive), WHY("retention is over: the order changes no more")},
{1026, IN(LIVE, COMPENSATING, UNMADE, NEEDS_PERSON), ON(STEP_DUE), STAY, DO(ask_due_again), WHY("silence heals: the same command again, later each time")},
{1028, REST, ON(STEP_DUE), IGNORE, WHY("no command waits for an answer here")},
{1030, REST, ON(GO), IGNORE, WHY("nothing can go on by itself")},
{1032, IN(LIVE), ON(DEADLINE_REFUSED), TO(NEEDS_PERSON), DO(put_off, call_person), WHY("nobody else brings a deadline again: a person does what was due")},
{1034, IN(COMPENSATING), ON(DEADLINE_REFUSED), TO(NEEDS_PERSON), DO(put_off, fail_undo, call_person), WHY("nobody else brings a deadline again: a person undoes what is left")},
{1036, IN(NEEDS_PERSON), ON(DEADLINE_REFUSED), STAY, DO(put_off), WHY("a person has been called already")},
{1038, REST, ON(DEADLINE_REFUSED), NEVER, WHY("an order that has ended goes to nobody: its deadline is kept as a dead letter")},
};
const size_t saga_rules_v1_count = sizeof saga_rules_v1 / sizeof saga_rules_v1[0];
// clang-format on
