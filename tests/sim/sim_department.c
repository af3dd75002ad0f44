// Departments: each command gets an answer that follows from the seed and the command, at once, late, twice, wrong, or only
// when it is asked again.
#include "sim/sim.h"

#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/department_replies.pb-c.h"
#include "sim/sim_map.h"

#include <assert.h>
#include <stdio.h>

#define NEW(name) make(&orderclerk__v1__##name##__descriptor)

static void *make(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = arena_alloc(sim->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

// A command under consideration.
struct desk {
    const Orderclerk__V1__DepartmentCommand *command;
    struct bytes key;
    struct sim_random random;
    uint32_t nth; // sighting
    char *money;  // the id of what is told of money, which comes in once however often it is told; else NULL
    uint32_t replies;
};

struct reply {
    struct bytes key, value;
};

static void by_kafka(void *self)
{
    const struct reply *reply = self;
    sim_bus_append(TOPIC_DEPARTMENT_REPLIES, reply->key, reply->value, NULL);
}

// Some departments write to the topic themselves, some go through intake.
static void send(struct desk *desk, Orderclerk__V1__DepartmentReply *reply, int64_t after_us)
{
    char *name = desk->money != NULL ? desk->money
                                     : arena_printf(sim->arena, "reply-%s-%u-%u", desk->command->event_id,
                                                    desk->nth, desk->replies++);
    reply->department = desk->command->department;
    reply->actor = (char *)"somebody";
    const bool by_intake =
        desk->money != NULL ? hash_fnv1a(bytes_str(name)) % 5 < 2 : sim_chance(&desk->random, 40);
    if (by_intake) {
        struct sim_note note = {.topic = TOPIC_DEPARTMENT_REPLIES,
                                .endpoint = "replies",
                                .key = arena_str(sim->arena, desk->key),
                                .name = name,
                                .message = &reply->base};
        sim_client_note(SIM_INTAKE, &note, sim->now + after_us);
        return;
    }
    struct head head = {.event_id = bytes_str(name),
                        .key = desk->key,
                        .source = bytes_str("departments"),
                        .occurred_at = sim->now};
    struct reply *record = arena_new_object(sim->arena, struct reply);
    record->key = arena_bytes(sim->arena, desk->key);
    record->value = head_write(sim->arena, &head, &reply->base);
    sim_after(after_us, by_kafka, record);
    if (sim_chance(&desk->random, 10)) // the same record twice
        sim_after(after_us + sim_below(&desk->random, 2000000), by_kafka, record);
}

static int64_t pace(struct desk *desk)
{
    uint32_t dice = sim_below(&desk->random, 100);
    if (sim->healed)
        return sim_below(&desk->random, 1000000);
    uint32_t most = dice < 60 ? 3000 : dice < 85 ? 600000 : dice < 97 ? 20000000 : 200000000;
    return (int64_t)sim_below(&desk->random, most) * INSTANT_MS;
}

#define REPLY(NAME, member, body)                                                                            \
    do {                                                                                                     \
        Orderclerk__V1__DepartmentReply *reply_ = NEW(department_reply);                                     \
        reply_->body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_##NAME;                                   \
        reply_->member = (body);                                                                             \
        send(desk, reply_, pace(desk));                                                                      \
    } while (0)

static void answer_task(struct desk *desk, char *task_id)
{
    uint32_t dice = sim_below(&desk->random, 100);
    if (dice < 65) {
        Orderclerk__V1__Approved *body = NEW(approved);
        body->task_id = task_id;
        REPLY(APPROVED, approved, body);
    } else if (dice < 85) {
        Orderclerk__V1__Refused *body = NEW(refused);
        body->task_id = task_id;
        body->reason = (char *)"against policy";
        body->fatal = sim_chance(&desk->random, 50);
        REPLY(REFUSED, refused, body);
    } else {
        Orderclerk__V1__ChangesWanted *body = NEW(changes_wanted);
        body->task_id = task_id;
        REPLY(CHANGES_WANTED, changes_wanted, body);
    }
    if (sim_chance(&desk->random, 6)) { // somebody else's word on it, or one more of the same
        Orderclerk__V1__Approved *body = NEW(approved);
        body->task_id = sim_chance(&desk->random, 50) ? task_id : (char *)"another-task";
        REPLY(APPROVED, approved, body);
    }
}

static void make_goods(struct desk *desk, const Orderclerk__V1__Plan *plan)
{
    for (size_t i = 0; i < plan->n_lines; i++) {
        const Orderclerk__V1__ResolvedLine *line = plan->lines[i];
        if (line->kind != ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE)
            continue;
        if (sim_chance(&desk->random, 40)) {
            Orderclerk__V1__ProductionProgress *progress = NEW(production_progress);
            progress->line_no = line->line_no;
            progress->percent = 50;
            REPLY(PRODUCTION_PROGRESS, production_progress, progress);
        }
        if (sim_chance(&desk->random, 25)) {
            Orderclerk__V1__ScheduleSlipped *slipped = NEW(schedule_slipped);
            slipped->new_date = (char *)(sim_chance(&desk->random, 80) ? "2026-11-20" : "soon");
            REPLY(SCHEDULE_SLIPPED, schedule_slipped, slipped);
        }
        int64_t part =
            sim_chance(&desk->random, 30) && line->quantity > 1 ? line->quantity / 2 : line->quantity;
        for (int64_t done = 0; done < line->quantity; done += part) {
            Orderclerk__V1__ProductionDone *made = NEW(production_done);
            made->line_no = line->line_no;
            made->quantity = part < line->quantity - done ? part : line->quantity - done;
            made->warehouse = (char *)"GZ1";
            Orderclerk__V1__DepartmentReply *reply = NEW(department_reply);
            reply->body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PRODUCTION_DONE;
            reply->production_done = made;
            send(desk, reply, INSTANT_HOUR + (int64_t)sim_below(&desk->random, 200) * INSTANT_HOUR);
        }
    }
}

static void answer_plan(struct desk *desk, const Orderclerk__V1__Plan *plan)
{
    if (sim_chance(&desk->random, 7)) {
        Orderclerk__V1__PlanInfeasible *body = NEW(plan_infeasible);
        body->kind = plan->kind;
        body->earliest_date = (char *)"2026-12-01";
        body->reason = (char *)"no capacity";
        REPLY(PLAN_INFEASIBLE, plan_infeasible, body);
        if (sim_chance(&desk->random, 50))
            return;
    }
    Orderclerk__V1__PlanConfirmed *body = NEW(plan_confirmed);
    body->kind = sim_chance(&desk->random, 3) ? (char *)"LUNCH" : plan->kind;
    body->date = (char *)"2026-11-02";
    body->window = (char *)"09:00-18:00";
    REPLY(PLAN_CONFIRMED, plan_confirmed, body);
    if (strcmp(body->kind, "LUNCH") == 0 || sim_chance(&desk->random, 5)) {
        Orderclerk__V1__PlanConfirmed *once_more = NEW(plan_confirmed);
        *once_more = *body;
        once_more->kind = plan->kind;
        REPLY(PLAN_CONFIRMED, plan_confirmed, once_more);
    }
    if (strcmp(plan->kind, "PRODUCTION") == 0)
        make_goods(desk, plan);
}

static void answer_money(struct desk *desk)
{
    const Orderclerk__V1__DepartmentCommand *c = desk->command;
    if (c->body_case == ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_INVOICE) {
        Orderclerk__V1__InvoiceIssued *issued = NEW(invoice_issued);
        issued->shipment_id = c->request_invoice->shipment_id;
        issued->gross_minor = c->request_invoice->gross_minor + (sim_chance(&desk->random, 2) ? 1 : 0);
        issued->invoice_no = arena_printf(sim->arena, "INV-%.8s", c->event_id);
        issued->date = (char *)"2026-11-24";
        REPLY(INVOICE_ISSUED, invoice_issued, issued);
        if (issued->gross_minor != c->request_invoice->gross_minor) { // a slip of the pen, then the right one
            Orderclerk__V1__InvoiceIssued *right = NEW(invoice_issued);
            *right = *issued;
            right->gross_minor = c->request_invoice->gross_minor;
            REPLY(INVOICE_ISSUED, invoice_issued, right);
        }
    } else if (c->body_case == ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PAYMENT_DUE) {
        int64_t due = c->payment_due->amount_minor;
        const bool parts = hash_fnv1a(bytes_str(c->event_id)) % 8 == 0 && due > 1;
        const int64_t part = parts ? due / 2 : due;
        for (int64_t paid = 0; paid < due; paid += part) {
            Orderclerk__V1__PaymentReceived *received = NEW(payment_received);
            received->amount_minor = part < due - paid ? part : due - paid;
            received->currency = sim_chance(&desk->random, 2) ? (char *)"XXX" : c->payment_due->currency;
            received->reference = (char *)"bank";
            desk->money = arena_printf(sim->arena, "money-%s-%lld-%s", c->event_id, (long long)paid,
                                       received->currency);
            REPLY(PAYMENT_RECEIVED, payment_received, received);
        }
        desk->money = NULL;
    } else {
        Orderclerk__V1__CreditNoteIssued *note = NEW(credit_note_issued);
        note->amount_minor = c->credit_note->amount_minor;
        note->note_no = (char *)"CN-1";
        REPLY(CREDIT_NOTE_ISSUED, credit_note_issued, note);
    }
}

static void answer_credit(struct desk *desk)
{
    if (sim_chance(&desk->random, 12)) {
        Orderclerk__V1__CreditRefused *refused = NEW(credit_refused);
        refused->reason = (char *)"owes too much";
        REPLY(CREDIT_REFUSED, credit_refused, refused);
        if (sim_chance(&desk->random, 20))
            REPLY(CREDIT_REFUSED, credit_refused, refused);
    }
    Orderclerk__V1__CreditOk *ok = NEW(credit_ok);
    REPLY(CREDIT_OK, credit_ok, ok);
}

static void answer(struct desk *desk)
{
    const Orderclerk__V1__DepartmentCommand *c = desk->command;
    switch ((int)c->body_case) {
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_HAND_OVER: {
        Orderclerk__V1__ErpAccepted *body = NEW(erp_accepted);
        body->erp_no = (char *)"E-1";
        REPLY(ERP_ACCEPTED, erp_accepted, body);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CHECK_CREDIT:
        answer_credit(desk);
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PLAN:
        answer_plan(desk, c->plan);
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_PLAN: {
        Orderclerk__V1__PlanCancelled *body = NEW(plan_cancelled);
        body->kind = c->cancel_plan->kind;
        REPLY(PLAN_CANCELLED, plan_cancelled, body);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_PRODUCTION: {
        Orderclerk__V1__ProductionCancelled *body = NEW(production_cancelled);
        body->accepted = sim->healed || sim_chance(&desk->random, 70);
        REPLY(PRODUCTION_CANCELLED, production_cancelled, body);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_ERP: {
        Orderclerk__V1__ErpCancelled *body = NEW(erp_cancelled);
        REPLY(ERP_CANCELLED, erp_cancelled, body);
        break;
    }
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_APPROVAL:
        answer_task(desk, c->request_approval->task_id);
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_REVIEW:
        answer_task(desk, c->request_review->task_id);
        break;
    default:
        answer_money(desk);
        break;
    }
}

// Any reply about anything: a department that has mixed up its papers.
static void be_confused(struct desk *desk)
{
    const ProtobufCMessageDescriptor *type = &orderclerk__v1__department_reply__descriptor;
    const ProtobufCFieldDescriptor *field;
    do {
        field = &type->fields[sim_below(&desk->random, type->n_fields)];
    } while ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0);
    if (field->id == ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED)
        return; // money that isn't there would be no mix-up
    Orderclerk__V1__DepartmentReply *reply = NEW(department_reply);
    reply->body_case = (Orderclerk__V1__DepartmentReply__BodyCase)field->id;
    reply->approved = make(field->descriptor);
    if (field->id == ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PRODUCTION_DONE) { // of a line that no order has
        reply->production_done->line_no = 77;
        reply->production_done->quantity = 1;
        reply->production_done->warehouse = (char *)"GZ1";
    }
    send(desk, reply, pace(desk));
}

void sim_department_heed(const struct sim_entry *entry)
{
    const Orderclerk__V1__DepartmentCommand *command = orderclerk__v1__department_command__unpack(
        arena_protobuf(sim->arena), entry->record.value.size, entry->record.value.data);
    if (command == NULL)
        return; // not a command: somebody has written garbage
    struct sim_map_item *seen = sim_map_at(&sim->department_seen, sim_key(1, bytes_str(command->event_id)));
    uint32_t nth = (uint32_t)seen->value.number++;
    struct desk desk = {
        .command = command,
        .key = entry->record.key,
        .random = sim_stream(sim->options.seed, 9, hash_fnv1a(bytes_str(command->event_id)) + nth * 7919),
        .nth = nth};
    if (nth > 0 && !command->again)
        return; // a copy
    uint32_t silent = sim->healed ? 0 : nth == 0 ? 7 : 25;
    if (sim_chance(&desk.random, silent))
        return; // they didn't see it
    if (nth > 0 && !sim->healed && sim_chance(&desk.random, 30))
        return; // answered before
    if (!sim->healed && sim_chance(&desk.random, 2))
        be_confused(&desk);
    answer(&desk);
}

// What a department writes to the topic of its own accord.
static void write_down(struct bytes order_id, const char *what, Orderclerk__V1__DepartmentReply *reply)
{
    const struct head head = {.event_id =
                                  bytes_str(arena_printf(sim->arena, "%s-%.*s-%lld", what, (int)order_id.size,
                                                         (const char *)order_id.data, (long long)sim->now)),
                              .key = order_id,
                              .source = bytes_str("departments"),
                              .occurred_at = sim->now};
    sim_bus_append(TOPIC_DEPARTMENT_REPLIES, arena_bytes(sim->arena, order_id),
                   head_write(sim->arena, &head, &reply->base), NULL);
}

// Finance comes back to an order that nobody thinks of any more.
void sim_department_late(struct bytes order_id)
{
    Orderclerk__V1__DepartmentReply *reply = NEW(department_reply);
    reply->department = (char *)"finance";
    reply->body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_CREDIT_OK;
    reply->credit_ok = NEW(credit_ok);
    write_down(order_id, "late", reply);
}

// Faults are over: what is still to be made is made.
void sim_department_push(const Orderclerk__V1__OrderState *doc, struct bytes order_id)
{
    for (size_t i = 0; i < doc->n_quantities; i++) {
        const Orderclerk__V1__LineQuantities *q = doc->quantities[i];
        if (q->in_production == 0)
            continue;
        Orderclerk__V1__ProductionDone *made = NEW(production_done);
        made->line_no = q->line_no;
        made->quantity = q->in_production;
        made->warehouse = (char *)"GZ1";
        Orderclerk__V1__DepartmentReply *reply = NEW(department_reply);
        reply->department = (char *)"production";
        reply->body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PRODUCTION_DONE;
        reply->production_done = made;
        write_down(order_id, arena_printf(sim->arena, "made-%u", q->line_no), reply);
    }
}
