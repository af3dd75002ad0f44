// Invariants of orders: transitions, owners, what is taken back.
#include "sim/sim_check.h"

#include "orchestrator/orchestrator_store.h"
#include "orchestrator/saga/saga.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/department_replies.pb-c.h"
#include "orderclerk/v1/inventory_events.pb-c.h"
#include "orderclerk/v1/shipment_events.pb-c.h"

#include <assert.h>
#include <string.h>

struct sim_saga *sim_saga_of(struct uuid order_id)
{
    struct sim_map_item *item = sim_map_at(&sim->check->sagas, sim_key_uuid(1, order_id));
    if (item->value.pointer == NULL) {
        struct sim_saga *saga = arena_new_object(sim->arena, struct sim_saga);
        saga->state = "RECEIVED";
        item->value.pointer = saga;
    }
    return item->value.pointer;
}

static const struct saga_rule *rule_of(uint32_t id)
{
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        if (saga_rules_v1[i].id == id)
            return &saga_rules_v1[i];
    }
    return NULL;
}

static void check_transition(const struct saga_history_row *row)
{
    struct sim_saga *saga = sim_saga_of(row->order_id);
    const struct saga_rule *rule = rule_of((uint32_t)row->rule_id);
    if (saga->revision == 0) {
        char order[UUID_TEXT_SIZE];
        uuid_format(row->order_id, order);
        SIM_CHECK(I2_ASKED_FOR, sim_map_find(&sim->check->accounts, sim_key(2, bytes_str(order))) != NULL,
                  "order %s was never submitted", order);
    }
    SIM_CHECK(I6_TRANSITION, (uint64_t)row->revision == saga->revision + 1, "revision %lld comes after %llu",
              (long long)row->revision, (unsigned long long)saga->revision);
    SIM_CHECK(I6_TRANSITION, bytes_is(row->from_state, saga->state),
              "a transition from %.*s of an order in %s", (int)row->from_state.size,
              (const char *)row->from_state.data, saga->state);
    SIM_CHECK(I6_TRANSITION, rule != NULL, "rule %d isn't in the table", row->rule_id);
    enum saga_state from = saga_state_find(saga->state);
    char *event_name = arena_str(sim->arena, row->event);
    enum saga_event event = saga_event_find(event_name);
    SIM_CHECK(I6_TRANSITION,
              (rule->from == 0 || (rule->from & SAGA_BIT(from)) != 0) && (rule->on & SAGA_BIT(event)) != 0,
              "rule %d doesn't speak of %s in %s", row->rule_id, event_name, saga->state);
    enum saga_state to = saga_state_find(arena_str(sim->arena, row->to_state));
    SIM_CHECK(I6_TRANSITION,
              to != SAGA_STATE_NONE && (rule->to >= SAGA_STATE_COUNT || rule->to == to) &&
                  (rule->to != SAGA_SAME || to == from),
              "rule %d leads to %.*s", row->rule_id, (int)row->to_state.size,
              (const char *)row->to_state.data);
    sim_cover_rule(from, event, rule->id);
    saga->revision++;
    saga->state = saga_state_info(to)->name;
    if (sim->options.trace) {
        char order[UUID_TEXT_SIZE];
        uuid_format(row->order_id, order);
        sim_trace("order %s: %s -> %s on %s (rule %d)", order, saga_state_info(from)->name, saga->state,
                  event_name, row->rule_id);
    }
}

static void check_row(const struct saga_row *row)
{
    const struct sim_saga *saga = sim_saga_of(row->order_id);
    const struct saga_state_info *info = saga_state_info(saga_state_find(saga->state));
    SIM_CHECK(I6_TRANSITION, bytes_is(row->state, saga->state) && (uint64_t)row->revision == saga->revision,
              "the row says %.*s, revision %lld; its history %s, %llu", (int)row->state.size,
              (const char *)row->state.data, (long long)row->revision, saga->state,
              (unsigned long long)saga->revision);
    if (info->kind == SAGA_WAITING)
        SIM_CHECK(I7_OWNER, row->waiting_on.size > 0 && row->deadline != INSTANT_NONE,
                  "an order in %s waits for nobody, or without end", saga->state);
}

void sim_check_sagas(const struct store_changes *changes)
{
    for (size_t i = 0; i < changes->change_count; i++) {
        for (size_t k = 0;
             changes->changes[i].table == &saga_history_table && k < changes->changes[i].row_count; k++)
            check_transition(changes->changes[i].rows[k]);
    }
    for (size_t i = 0; i < changes->change_count; i++) {
        for (size_t k = 0; changes->changes[i].table == &saga_table && k < changes->changes[i].row_count; k++)
            check_row(changes->changes[i].rows[k]);
    }
}

// ---- undoing

static bool *undoing(struct bytes order, const char *thing)
{
    struct sim_map_item *item = sim_map_at(&sim->check->undoing, sim_key2(1, order, bytes_str(thing)));
    return (bool *)(void *)&item->value.number;
}

// Asked for once until it is answered, or done anew.
static void undo(struct bytes order, const char *thing)
{
    bool *open = undoing(order, thing);
    SIM_CHECK(I8_UNDONE_ONCE, !*open, "%s of %.*s is taken back twice", thing, (int)order.size,
              (const char *)order.data);
    *open = true;
}

// Money that came in and didn't go back; it may come in parts, and each part goes back for itself.
static int64_t *money_in(struct bytes order)
{
    return &sim_map_at(&sim->check->undoing, sim_key2(2, order, bytes_str("payment")))->value.number;
}

static void check_inventory_command(struct bytes order, struct bytes value)
{
    const Orderclerk__V1__InventoryCommand *c =
        orderclerk__v1__inventory_command__unpack(arena_protobuf(sim->arena), value.size, value.data);
    if (c->body_case == ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RELEASE) {
        undo(order, "stock");
        return;
    }
    *undoing(order, "stock") = false;
    if (c->body_case != ORDERCLERK__V1__INVENTORY_COMMAND__BODY_RESERVE)
        return;
    for (size_t i = 0; i < c->reserve->n_lines; i++) {
        const Orderclerk__V1__ReserveLine *line = c->reserve->lines[i];
        struct sim_map_item *item = sim_map_at(&sim->check->ordered, sim_key(line->line_no, order));
        if (line->quantity > item->value.number)
            item->value.number = line->quantity;
    }
}

static void check_department_command(struct bytes order, struct bytes value)
{
    const Orderclerk__V1__DepartmentCommand *c =
        orderclerk__v1__department_command__unpack(arena_protobuf(sim->arena), value.size, value.data);
    switch ((int)c->body_case) {
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_HAND_OVER:
        *undoing(order, "erp") = false;
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_ERP:
        undo(order, "erp");
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PLAN:
        *undoing(order, c->plan->kind) = false;
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_PLAN:
        undo(order, c->cancel_plan->kind);
        break;
    case ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CREDIT_NOTE:
        *money_in(order) -= c->credit_note->amount_minor;
        SIM_CHECK(I8_UNDONE_ONCE, c->credit_note->amount_minor > 0 && *money_in(order) >= 0,
                  "more is paid back to %.*s than came in", (int)order.size, (const char *)order.data);
        break;
    default:
        break;
    }
}

static void check_reply(struct bytes order, struct bytes value)
{
    const Orderclerk__V1__DepartmentReply *r =
        orderclerk__v1__department_reply__unpack(arena_protobuf(sim->arena), value.size, value.data);
    if (r == NULL)
        return;
    if (r->body_case == ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_ERP_ACCEPTED)
        *undoing(order, "erp") = false;
    if (r->body_case == ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PLAN_CONFIRMED)
        *undoing(order, r->plan_confirmed->kind) = false;
    if (r->body_case == ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED)
        *money_in(order) += r->payment_received->amount_minor;
}

static void check_release(struct bytes order, struct bytes value)
{
    const Orderclerk__V1__FulfillmentCommand *c =
        orderclerk__v1__fulfillment_command__unpack(arena_protobuf(sim->arena), value.size, value.data);
    if (c->body_case == ORDERCLERK__V1__FULFILLMENT_COMMAND__BODY_CANCEL) {
        undo(order, c->cancel->shipment_id);
        return;
    }
    for (size_t i = 0; i < c->release->n_lines; i++) {
        const Orderclerk__V1__ShipmentLine *line = c->release->lines[i];
        const struct sim_map_item *held = sim_map_find(&sim->check->held, sim_key(line->line_no, order));
        SIM_CHECK(I5_RELEASED_RESERVED, held != NULL && held->value.number >= line->quantity,
                  "%lld of line %u of %.*s are released, %lld are reserved", (long long)line->quantity,
                  line->line_no, (int)order.size, (const char *)order.data,
                  held == NULL ? 0LL : (long long)held->value.number);
    }
}

void sim_check_command(enum topic topic, const struct sim_entry *entry, const struct head *head)
{
    struct bytes order = entry->record.key;
    struct bytes value = entry->record.value;
    (void)head;
    if (topic == TOPIC_COMMANDS_INVENTORY)
        check_inventory_command(order, value);
    else if (topic == TOPIC_COMMANDS_DEPARTMENTS)
        check_department_command(order, value);
    else if (topic == TOPIC_COMMANDS_FULFILLMENT)
        check_release(order, value);
    else if (topic == TOPIC_DEPARTMENT_REPLIES)
        check_reply(order, value);
    else if (topic == TOPIC_INVENTORY_EVENTS)
        *undoing(order, "stock") = false;
    else if (topic == TOPIC_SHIPMENT_EVENTS) {
        const Orderclerk__V1__ShipmentEvent *e =
            orderclerk__v1__shipment_event__unpack(arena_protobuf(sim->arena), value.size, value.data);
        *undoing(order, e->shipment_id) = false;
    }
}
