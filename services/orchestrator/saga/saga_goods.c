// Lines, allocations, shipments, holds: where the order's goods are.
//
// Quantities are base units. A line's reserved and backordered are sums over the allocations; a shipment is made for each
// warehouse that holds something, and one named AUTO for lines that need no picking.
#include "orchestrator/saga/saga_run.h"

#include <stdio.h>
#include <string.h>

#define AUTO_WAREHOUSE "AUTO"

// --- Finding.

Orderclerk__V1__ResolvedLine *saga_line(const Orderclerk__V1__OrderState *doc, uint32_t line_no)
{
    for (size_t i = 0; i < doc->n_resolved; i++)
        if (doc->resolved[i]->line_no == line_no)
            return doc->resolved[i];
    return NULL;
}

Orderclerk__V1__LineQuantities *saga_quantities(const Orderclerk__V1__OrderState *doc, uint32_t line_no)
{
    for (size_t i = 0; i < doc->n_quantities; i++)
        if (doc->quantities[i]->line_no == line_no)
            return doc->quantities[i];
    return NULL;
}

Orderclerk__V1__ShipmentState *saga_shipment(const Orderclerk__V1__OrderState *doc, const char *shipment_id)
{
    for (size_t i = 0; i < doc->n_shipments; i++)
        if (strcmp(doc->shipments[i]->shipment_id, shipment_id) == 0)
            return doc->shipments[i];
    return NULL;
}

bool saga_shipment_is(const Orderclerk__V1__ShipmentState *shipment, const char *state)
{
    return strcmp(shipment->state, state) == 0;
}

// How far along: what has left is at 5 and above; CANCELLED is beyond everything.
static const struct {
    const char *state;
    unsigned rank;
} ranks[] = {
    {"DRAFT", 0},  {"REJECTED", 0},    {"RELEASE_REQUESTED", 1}, {"ACCEPTED", 2},  {"PICKING", 3},
    {"PACKED", 4}, {"HANDED_OVER", 5}, {"IN_TRANSIT", 6},        {"EXCEPTION", 6}, {"RETURNED_TO_SENDER", 7},
    {"LOST", 7},   {"DELIVERED", 8},   {"CANCELLED", 9},
};
#define RANK_PACKED    4
#define RANK_GONE      5
#define RANK_CANCELLED 9

unsigned saga_shipment_rank(const char *state)
{
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        if (strcmp(ranks[i].state, state) == 0)
            return ranks[i].rank;
    return 0;
}

bool saga_shipment_gone(const Orderclerk__V1__ShipmentState *shipment)
{
    const unsigned rank = saga_shipment_rank(shipment->state);
    return rank >= RANK_GONE && rank < RANK_CANCELLED;
}

bool saga_shipment_open(const Orderclerk__V1__ShipmentState *shipment)
{
    return saga_shipment_rank(shipment->state) < RANK_GONE;
}

bool saga_has_make_lines(const Orderclerk__V1__OrderState *doc)
{
    for (size_t i = 0; i < doc->n_resolved; i++)
        if (doc->resolved[i]->kind == ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE)
            return true;
    return false;
}

int64_t saga_units(const Orderclerk__V1__OrderState *doc)
{
    int64_t units = 0;
    for (size_t i = 0; i < doc->n_resolved; i++)
        if (__builtin_add_overflow(units, doc->resolved[i]->quantity, &units))
            return INT64_MAX;
    return units;
}

static int64_t in_shipment(const Orderclerk__V1__ShipmentState *shipment, uint32_t line_no)
{
    int64_t quantity = 0;
    for (size_t i = 0; i < shipment->n_lines; i++)
        if (shipment->lines[i]->line_no == line_no)
            quantity += shipment->lines[i]->quantity;
    return quantity;
}

// What open shipments have of a line's goods at a warehouse (NULL: anywhere); drafts aside where the question is what a draft may take.
static int64_t spoken_for(const Orderclerk__V1__OrderState *doc, uint32_t line_no,
                          const char *stock_warehouse, bool drafts)
{
    int64_t quantity = 0;
    for (size_t i = 0; i < doc->n_shipments; i++) {
        const Orderclerk__V1__ShipmentState *shipment = doc->shipments[i];
        if (saga_shipment_open(shipment) &&
            (stock_warehouse == NULL || strcmp(shipment->stock_warehouse, stock_warehouse) == 0) &&
            (drafts || !saga_shipment_is(shipment, "DRAFT")))
            quantity += in_shipment(shipment, line_no);
    }
    return quantity;
}

static int64_t reserved_at(const Orderclerk__V1__OrderState *doc, uint32_t line_no, const char *warehouse)
{
    int64_t quantity = 0;
    for (size_t i = 0; i < doc->n_allocations; i++)
        if (doc->allocations[i]->line_no == line_no && strcmp(doc->allocations[i]->warehouse, warehouse) == 0)
            quantity += doc->allocations[i]->reserved;
    return quantity;
}

bool saga_at_hand(const Orderclerk__V1__OrderState *doc, const Orderclerk__V1__ShipmentState *shipment)
{
    for (size_t i = 0; i < shipment->n_lines; i++) {
        const Orderclerk__V1__ShipmentLine *line = shipment->lines[i];
        const int64_t free = reserved_at(doc, line->line_no, shipment->stock_warehouse) -
                             spoken_for(doc, line->line_no, shipment->stock_warehouse, false);
        if (free < line->quantity)
            return false;
    }
    return shipment->n_lines > 0;
}

bool saga_everything_gone(const Orderclerk__V1__OrderState *doc, const Orderclerk__V1__ShipmentState *with)
{
    for (size_t i = 0; i < doc->n_quantities; i++) {
        const Orderclerk__V1__LineQuantities *q = doc->quantities[i];
        const int64_t leaving = with == NULL ? 0 : in_shipment(with, q->line_no);
        if (q->shipped + leaving + q->cancelled < q->ordered)
            return false;
    }
    return doc->n_quantities > 0;
}

// --- Allocations and quantities.

static bool is_make(const Orderclerk__V1__OrderState *doc, uint32_t line_no)
{
    const Orderclerk__V1__ResolvedLine *line = saga_line(doc, line_no);
    return line != NULL && line->kind == ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE;
}

void saga_quantities_held(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    for (size_t i = 0; i < doc->n_quantities; i++) {
        Orderclerk__V1__LineQuantities *q = doc->quantities[i];
        const int64_t most = q->ordered - q->shipped -
                             q->cancelled; // a revision may want less than is held until it is answered
        int64_t reserved = 0;
        int64_t backordered = 0;
        for (size_t j = 0; j < doc->n_allocations; j++) {
            if (doc->allocations[j]->line_no != q->line_no)
                continue;
            reserved += doc->allocations[j]->reserved;
            backordered += doc->allocations[j]->backordered;
        }
        q->reserved = reserved > most ? most : reserved;
        q->backordered = backordered > most - q->reserved ? most - q->reserved : backordered;
        if (q->in_production > most - q->reserved - q->backordered)
            q->in_production = most - q->reserved - q->backordered;
    }
}

void saga_quantities_rebuild(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__LineQuantities **rows =
        arena_new_array(run->arena, Orderclerk__V1__LineQuantities *, doc->n_resolved + 1);
    for (size_t i = 0; i < doc->n_resolved; i++) {
        const Orderclerk__V1__ResolvedLine *line = doc->resolved[i];
        const Orderclerk__V1__LineQuantities *old = saga_quantities(doc, line->line_no);
        rows[i] = NEW(run, line_quantities);
        rows[i]->line_no = line->line_no;
        rows[i]->ordered = line->quantity;
        rows[i]->backorder_agreed = old != NULL && old->backorder_agreed;
    }
    doc->quantities = rows;
    doc->n_quantities = doc->n_resolved;
    saga_quantities_held(run);
}

void saga_deallocate(Orderclerk__V1__OrderState *doc, const Orderclerk__V1__ShipmentState *shipment,
                     const Orderclerk__V1__ShipmentLine *line)
{
    int64_t left = line->quantity;
    for (size_t i = 0; i < doc->n_allocations && left > 0; i++) {
        Orderclerk__V1__Allocation *allocation = doc->allocations[i];
        if (allocation->line_no != line->line_no ||
            strcmp(allocation->warehouse, shipment->stock_warehouse) != 0)
            continue;
        const int64_t part = allocation->reserved < left ? allocation->reserved : left;
        allocation->reserved -= part;
        left -= part;
    }
}

// Goods that have left, but whose ConsumeStock inventory had not seen when it said what it holds.
static void subtract_unconsumed(Orderclerk__V1__OrderState *doc)
{
    for (size_t i = 0; i < doc->n_shipments; i++) {
        const Orderclerk__V1__ShipmentState *shipment = doc->shipments[i];
        if (!saga_shipment_gone(shipment) ||
            saga_step_find(doc, SAGA_STEP_CONSUME, shipment->shipment_id, STEP_ASKED) == NULL)
            continue;
        for (size_t j = 0; j < shipment->n_lines; j++)
            saga_deallocate(doc, shipment, shipment->lines[j]);
    }
}

void saga_allocate(struct saga_run *run, Orderclerk__V1__Allocation *const *allocations, size_t count)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    Orderclerk__V1__Allocation **kept =
        arena_new_array(run->arena, Orderclerk__V1__Allocation *, doc->n_allocations + count + 1);
    size_t n = 0;
    // Inventory says what it holds of STOCK lines, all of it; what was made stays unless it speaks of the line.
    for (size_t i = 0; i < doc->n_allocations; i++) {
        const Orderclerk__V1__ResolvedLine *line = saga_line(doc, doc->allocations[i]->line_no);
        bool mentioned =
            !is_make(doc, doc->allocations[i]->line_no) || strcmp(line->sku, doc->allocations[i]->sku) != 0;
        for (size_t j = 0; j < count && !mentioned; j++)
            mentioned = allocations[j]->line_no == doc->allocations[i]->line_no;
        if (!mentioned)
            kept[n++] = doc->allocations[i];
    }
    for (size_t j = 0; j < count; j++) {
        Orderclerk__V1__Allocation *copy = NEW(run, allocation);
        copy->line_no = allocations[j]->line_no;
        copy->sku = allocations[j]->sku;
        copy->warehouse = allocations[j]->warehouse;
        copy->reserved = allocations[j]->reserved;
        copy->backordered = allocations[j]->backordered;
        copy->promised_date = allocations[j]->promised_date;
        kept[n++] = copy;
    }
    doc->allocations = kept;
    doc->n_allocations = n;
    subtract_unconsumed(doc);
    saga_quantities_held(run);
}

void saga_quantities_count(Orderclerk__V1__OrderState *doc)
{
    for (size_t i = 0; i < doc->n_quantities; i++) {
        Orderclerk__V1__LineQuantities *q = doc->quantities[i];
        q->released = 0;
        q->picked = 0;
        for (size_t j = 0; j < doc->n_shipments; j++) {
            const unsigned rank = saga_shipment_rank(doc->shipments[j]->state);
            const int64_t quantity = in_shipment(doc->shipments[j], q->line_no);
            if (rank > 0 && rank < RANK_CANCELLED)
                q->released += quantity;
            if (rank >= RANK_PACKED && rank < RANK_CANCELLED)
                q->picked += quantity;
        }
        q->packed = q->picked;
    }
}

void saga_count_short(struct saga_run *run, const Orderclerk__V1__ShipmentState *shipment, int64_t sign)
{
    for (size_t i = 0; i < shipment->n_lines; i++)
        saga_quantities(run->doc, shipment->lines[i]->line_no)->short_delivered +=
            sign * shipment->lines[i]->quantity;
}

// --- Shipments.

static void drop_drafts(Orderclerk__V1__OrderState *doc)
{
    size_t n = 0;
    for (size_t i = 0; i < doc->n_shipments; i++)
        if (!saga_shipment_is(doc->shipments[i], "DRAFT"))
            doc->shipments[n++] = doc->shipments[i];
    doc->n_shipments = n;
}

static Orderclerk__V1__ShipmentState *draft_of(struct saga_run *run, const char *warehouse,
                                               const char *stock_warehouse)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    unsigned attempt = 1;
    for (size_t i = 0; i < doc->n_shipments; i++) {
        Orderclerk__V1__ShipmentState *other = doc->shipments[i];
        if (strcmp(other->warehouse, warehouse) != 0 || strcmp(other->stock_warehouse, stock_warehouse) != 0)
            continue;
        if (saga_shipment_is(other, "DRAFT"))
            return other;
        attempt++;
    }
    char id[UUID_TEXT_SIZE];
    const char *name = saga_text(run, "%s/%s#%u", warehouse, stock_warehouse, attempt);
    uuid_format(uuid_derive(run->order_id, "shipment", bytes_str(name)), id);
    Orderclerk__V1__ShipmentState *shipment = NEW(run, shipment_state);
    shipment->shipment_id = saga_copy(run, id);
    shipment->warehouse = (char *)warehouse;
    shipment->stock_warehouse = (char *)stock_warehouse;
    shipment->state = (char *)"DRAFT";
    shipment->cancel_request = (char *)"NONE";
    saga_append(run->arena, &doc->shipments, &doc->n_shipments, shipment);
    return shipment;
}

// A MAKE line ships when all of it is made: production's last part says where from.
static bool is_complete(const Orderclerk__V1__OrderState *doc, uint32_t line_no)
{
    const Orderclerk__V1__LineQuantities *q = saga_quantities(doc, line_no);
    return q != NULL && (!is_make(doc, line_no) || q->reserved + q->shipped + q->cancelled >= q->ordered);
}

void saga_shipments_plan(struct saga_run *run)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    drop_drafts(doc);
    for (size_t i = 0; i < doc->n_allocations; i++) {
        const Orderclerk__V1__Allocation *allocation = doc->allocations[i];
        const Orderclerk__V1__ResolvedLine *line = saga_line(doc, allocation->line_no);
        if (line == NULL || !is_complete(doc, allocation->line_no))
            continue;
        int64_t missing = allocation->reserved + allocation->backordered -
                          spoken_for(doc, line->line_no, allocation->warehouse, true);
        const Orderclerk__V1__LineQuantities *q = saga_quantities(doc, line->line_no);
        const int64_t lacking =
            q->ordered - q->cancelled - q->shipped - spoken_for(doc, line->line_no, NULL, true);
        if (missing > lacking)
            missing = lacking;
        if (missing <= 0)
            continue;
        Orderclerk__V1__ShipmentLine *part = NEW(run, shipment_line);
        part->line_no = line->line_no;
        part->sku = line->sku;
        part->quantity = missing;
        Orderclerk__V1__ShipmentState *draft =
            draft_of(run, line->no_picking ? AUTO_WAREHOUSE : allocation->warehouse, allocation->warehouse);
        saga_append(run->arena, &draft->lines, &draft->n_lines, part);
    }
}

// --- Holds.

const Orderclerk__V1__Hold *saga_hold_find(const Orderclerk__V1__OrderState *doc, const char *kind,
                                           const char *placed_by)
{
    for (size_t i = 0; i < doc->n_holds; i++)
        if (strcmp(doc->holds[i]->kind, kind) == 0 &&
            (placed_by == NULL || strcmp(doc->holds[i]->placed_by, placed_by) == 0))
            return doc->holds[i];
    return NULL;
}

const Orderclerk__V1__Hold *saga_blocking_hold(const Orderclerk__V1__OrderState *doc)
{
    // WAREHOUSE says that a warehouse doesn't answer: other warehouses' shipments go on.
    for (size_t i = 0; i < doc->n_holds; i++)
        if (strcmp(doc->holds[i]->kind, "WAREHOUSE") != 0)
            return doc->holds[i];
    return NULL;
}

void saga_hold_place(struct saga_run *run, const char *kind, const char *placed_by, const char *reason)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    if (saga_hold_find(doc, kind, placed_by) != NULL)
        return;
    Orderclerk__V1__Hold *hold = NEW(run, hold);
    hold->kind = (char *)kind;
    hold->placed_by = (char *)placed_by;
    hold->reason = (char *)reason;
    hold->since_us = run->now;
    saga_append(run->arena, &doc->holds, &doc->n_holds, hold);
    Orderclerk__V1__HoldPlaced *body = NEW(run, hold_placed);
    body->hold = hold;
    saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_HOLD_PLACED)->hold_placed = body;
}

void saga_hold_lift(struct saga_run *run, const char *kind, const char *placed_by, const char *by,
                    const char *reason)
{
    Orderclerk__V1__OrderState *doc = run->doc;
    size_t n = 0;
    for (size_t i = 0; i < doc->n_holds; i++) {
        Orderclerk__V1__Hold *hold = doc->holds[i];
        if (strcmp(hold->kind, kind) != 0 || strcmp(hold->placed_by, placed_by) != 0) {
            doc->holds[n++] = hold;
            continue;
        }
        Orderclerk__V1__HoldReleased *body = NEW(run, hold_released);
        body->kind = hold->kind;
        body->by = (char *)by;
        body->reason = (char *)reason;
        saga_tell(run, ORDERCLERK__V1__ORDER_EVENT__BODY_HOLD_RELEASED)->hold_released = body;
    }
    doc->n_holds = n;
}
