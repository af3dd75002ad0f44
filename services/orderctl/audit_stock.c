// Counters of stock against what is written down of them.
#include "orderctl/audit_stock.h"

#include <assert.h>
#include <string.h>

static int compare(const struct audit_stock *item, struct bytes sku, struct bytes warehouse)
{
    int order = bytes_compare(item->sku, sku);
    return order != 0 ? order : bytes_compare(item->warehouse, warehouse);
}

struct audit_stock *audit_stock_item(struct audit_stock_list *list, struct bytes sku, struct bytes warehouse)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare(&list->items[middle], sku, warehouse);
        if (order == 0)
            return &list->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct audit_stock *grown = arena_new_array(list->arena, struct audit_stock, list->capacity);
        if (list->count > 0)
            memcpy(grown, list->items, list->count * sizeof *grown);
        list->items = grown;
    }
    // Counters come sorted and nearly all of the ledger's keys with them: this moves little.
    memmove(&list->items[low + 1], &list->items[low], (list->count - low) * sizeof *list->items);
    list->count++;
    list->items[low] = (struct audit_stock){.sku = arena_bytes(list->arena, sku),
                                            .warehouse = arena_bytes(list->arena, warehouse)};
    return &list->items[low];
}

const char *audit_stock_field_name(enum audit_stock_field field)
{
    switch (field) {
    case AUDIT_STOCK_ROW:
        return "row";
    case AUDIT_STOCK_ON_HAND:
        return "on_hand";
    case AUDIT_STOCK_RESERVED:
        return "reserved";
    case AUDIT_STOCK_BACKORDERED:
        return "backordered";
    case AUDIT_STOCK_MOVEMENTS:
        return "movements";
    case AUDIT_STOCK_LEDGER:
        return "ledger rows";
    case AUDIT_STOCK_SHARES:
        return "orders' shares";
    }
    return "";
}

void audit_stock_values(const struct audit_stock *s, enum audit_stock_field field, int64_t *ret_written,
                        int64_t *ret_counter)
{
    int64_t written = 0;
    int64_t counter = 0;
    switch (field) {
    case AUDIT_STOCK_ROW:
        written = s->ledger_rows;
        break;
    case AUDIT_STOCK_ON_HAND:
        written = s->ledger_on_hand;
        counter = s->on_hand;
        break;
    case AUDIT_STOCK_RESERVED:
        written = s->ledger_reserved;
        counter = s->reserved;
        break;
    case AUDIT_STOCK_BACKORDERED:
        written = s->queued;
        counter = s->backordered;
        break;
    case AUDIT_STOCK_MOVEMENTS:
        written = s->ledger_last;
        counter = s->movements;
        break;
    case AUDIT_STOCK_LEDGER:
        written = s->ledger_rows;
        counter = s->ledger_last;
        break;
    case AUDIT_STOCK_SHARES:
        written = s->ledger_reserved;
        counter = s->shares;
        break;
    }
    *ret_written = written;
    *ret_counter = counter;
}

unsigned audit_stock_compare(const struct audit_stock *s)
{
    unsigned found = 0;
    for (unsigned bit = 0; bit < AUDIT_STOCK_FIELDS; bit++) {
        int64_t written, counter;
        audit_stock_values(s, (enum audit_stock_field)(1 << bit), &written, &counter);
        if (written != counter)
            found |= 1u << bit;
    }
    if (s->there)
        return found & ~(unsigned)AUDIT_STOCK_ROW;
    return found & (AUDIT_STOCK_ROW | AUDIT_STOCK_LEDGER | AUDIT_STOCK_SHARES);
}

const char *audit_stock_unrepairable(const struct audit_stock *s)
{
    const unsigned found = audit_stock_compare(s);
    if ((found & AUDIT_STOCK_ROW) != 0)
        return "there is no counter to repair";
    if ((found & (AUDIT_STOCK_MOVEMENTS | AUDIT_STOCK_LEDGER)) != 0)
        return "the ledger itself isn't whole";
    if (s->ledger_on_hand < 0 || s->ledger_reserved < 0)
        return "the ledger comes to less than nothing";
    if (s->ledger_reserved > s->ledger_on_hand - s->damaged - s->qc_hold)
        return "more is reserved than there is";
    return NULL;
}
