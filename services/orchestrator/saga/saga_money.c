// What is invoiced and paid: minor units, nothing lost to rounding.
#include "orchestrator/saga/saga_run.h"

#include "base/money.h"

#include <assert.h>
#include <string.h>

// The part of a line's amount that falls to its first `shipped` units. Differences of it add up to the amount exactly.
static int64_t amount_up_to(int64_t amount, int64_t shipped, int64_t ordered)
{
    const int64_t weights[2] = {shipped, ordered - shipped};
    int64_t parts[2];
    const bool split = money_split(amount, weights, parts, 2);
    assert(split); // 0 <= shipped <= ordered, 0 < ordered: see saga_invoice_of
    return parts[0];
}

void saga_invoice_of(const Orderclerk__V1__OrderState *doc, Orderclerk__V1__ShipmentLine *const *lines,
                     size_t count, int64_t *ret_net, int64_t *ret_tax)
{
    int64_t net = 0;
    int64_t tax = 0;
    for (size_t i = 0; i < count; i++) {
        const Orderclerk__V1__ResolvedLine *line = saga_line(doc, lines[i]->line_no);
        const Orderclerk__V1__LineQuantities *quantities = saga_quantities(doc, lines[i]->line_no);
        if (line == NULL || quantities == NULL || quantities->ordered <= 0)
            continue;
        int64_t before = quantities->shipped;
        for (size_t j = 0; j < i; j++)
            if (lines[j]->line_no == lines[i]->line_no)
                before += lines[j]->quantity;
        const int64_t ordered = quantities->ordered;
        const int64_t after = before + lines[i]->quantity > ordered ? ordered : before + lines[i]->quantity;
        before = before > ordered ? ordered : before;
        net += amount_up_to(line->net_minor, after, ordered) - amount_up_to(line->net_minor, before, ordered);
        tax += amount_up_to(line->tax_minor, after, ordered) - amount_up_to(line->tax_minor, before, ordered);
    }
    *ret_net = net;
    *ret_tax = tax;
}

bool saga_paid(const Orderclerk__V1__OrderState *doc)
{
    return doc->paid_minor >= doc->total_minor || strcmp(doc->payment_state, "WRITTEN_OFF") == 0;
}

void saga_payment_state(Orderclerk__V1__OrderState *doc)
{
    const char *state = "UNPAID";
    if (doc->credited_minor > 0)
        state = doc->credited_minor >= doc->paid_minor ? "REFUND_PENDING" : "PARTIALLY_REFUNDED";
    else if (doc->paid_minor >= doc->total_minor && doc->paid_minor > 0)
        state = "PAID";
    else if (strcmp(doc->payment_state, "WRITTEN_OFF") == 0)
        state = "WRITTEN_OFF";
    else if (doc->paid_minor > 0)
        state = "PARTIAL";
    doc->payment_state = (char *)state;
}
