// The slots of the writer: claiming them, keeping their published_no, reading back what the publisher had no room for, and
// taking over what other instances have left.
#include "base/fault.h"
#include "ingress/ingress_internal.h"
#include "metrics/metrics.h"

#include <stdio.h>

#define CONNECT_AGAIN_US (300 * INSTANT_MS)
#define TICK_US          (1 * INSTANT_SECOND) // taking over, signs of life
#define IDLE_MARK_US     (100 * INSTANT_MS)
#define MAINTAIN_US      (1 * INSTANT_HOUR)

static struct metric unpublished = {
    .type = METRIC_GAUGE,
    .name = "orderclerk_ingress_unpublished_batches",
    .help = "Committed batches of the own slot that are not known to be on their topics."};
static struct metric taken_over = {.type = METRIC_COUNTER,
                                   .name = "orderclerk_ingress_slots_taken_over_total",
                                   .help = "Slots of other instances taken over to publish what they left."};

void ingress_slots_register(void)
{
    metrics_register(&unpublished);
    metrics_register(&taken_over);
}

static void note_trouble(struct ingress *g, const char *text)
{
    pthread_mutex_lock(&g->lock);
    snprintf(g->trouble, sizeof g->trouble, "%s", text);
    pthread_mutex_unlock(&g->lock);
}

static void set_ready(struct ingress *g, bool ready)
{
    pthread_mutex_lock(&g->lock);
    g->ready = ready;
    if (ready) {
        g->own_slot = g->slots[0].i;
        g->own_batch_no = g->slots[0].batch_no;
        g->progress_us = clock_monotonic_us();
        g->trouble[0] = '\0';
    }
    pthread_mutex_unlock(&g->lock);
}

// Everything in memory about slots and connection goes; the next turn claims again.
void ingress_disconnect(struct ingress *g, const char *why)
{
    set_ready(g, false);
    note_trouble(g, why);
    pg_close(g->pg);
    g->pg = NULL;
    for (size_t i = 0; i < g->slot_count; i++)
        publisher_start_slot(g->publisher, g->slots[i].i, g->slots[i].marked_no);
    g->slot_count = 0;
}

static struct err claim(struct ingress *g, int32_t i, bool *ret_held)
{
    bool held = false;
    struct err e = ingress_store_hold(g->pg, i, &held);
    *ret_held = held && !err_is(&e);
    if (err_is(&e) || !held)
        return e;
    struct held_slot *slot = &g->slots[g->slot_count];
    e = ingress_store_claim(g->pg, i, slot);
    if (!err_is(&e)) {
        FAULT_POINT(ingress_after_claim);
        publisher_start_slot(g->publisher, i, slot->marked_no);
        g->slot_count++;
    }
    return e;
}

static struct err claim_own(struct ingress *g)
{
    for (int32_t k = 0; k < g->settings.slots; k++) {
        int32_t i = (g->preferred + k) % g->settings.slots;
        bool held = false;
        struct err e = claim(g, i, &held);
        if (err_is(&e))
            return e;
        if (held) {
            g->preferred = i;
            return e;
        }
    }
    return err_make(ERR_RETRY, "all %d ingress slots are taken: more instances than slots",
                    g->settings.slots);
}

struct err ingress_connect(struct ingress *g)
{
    g->next_connect_us = clock_monotonic_us() + CONNECT_AGAIN_US;
    struct err e = ingress_store_open(g->settings.pg, g->settings.slots, &g->pg);
    if (!err_is(&e))
        e = claim_own(g);
    if (!err_is(&e) && clock_monotonic_us() >= g->next_maintain_us) {
        g->next_maintain_us = clock_monotonic_us() + MAINTAIN_US;
        e = ingress_store_maintain(g->pg);
    }
    if (err_is(&e))
        ingress_disconnect(g, e.text);
    else
        set_ready(g, true);
    return e;
}

// Gives the publisher what it hasn't got of a slot, from the outbox. *ret_more: there is room for more.
static struct err catch_up(struct ingress *g, struct held_slot *slot, bool *ret_more)
{
    *ret_more = false;
    if (slot->handed_no >= slot->batch_no)
        return err_ok();
    struct store_outbox_row *rows = NULL;
    size_t count = 0;
    struct err e = ingress_store_outbox(g->pg, g->arena, slot->i, slot->handed_no, &rows, &count);
    if (err_is(&e))
        return e;
    if (count == 0) { // retention took them: nothing is left to publish
        slot->handed_no = slot->batch_no;
        publisher_start_slot(g->publisher, slot->i, slot->batch_no);
    }
    for (size_t i = 0; i < count; i++) {
        if (!publisher_give(g->publisher, slot->i, rows[i].batch_no, rows[i].records))
            return err_ok();
        slot->handed_no = rows[i].batch_no;
    }
    *ret_more = slot->handed_no < slot->batch_no;
    return err_ok();
}

static struct err mark(struct ingress *g, struct held_slot *slot, bool alive)
{
    int64_t published_no = publisher_published(g->publisher, slot->i);
    if (published_no <= slot->marked_no && !(alive && published_no < slot->batch_no))
        return err_ok();
    struct err e = ingress_store_mark(g->pg, slot, published_no);
    if (!err_is(&e) && published_no > slot->marked_no)
        slot->marked_no = published_no;
    return e;
}

static bool holds(const struct ingress *g, int32_t i)
{
    for (size_t k = 0; k < g->slot_count; k++)
        if (g->slots[k].i == i)
            return true;
    return false;
}

static struct err take_over(struct ingress *g)
{
    int32_t *left = NULL;
    bool *stale = NULL;
    size_t count = 0;
    struct err e = ingress_store_left(g->pg, g->arena, &left, &stale, &count);
    for (size_t i = 0; i < count && !err_is(&e); i++) {
        if (holds(g, left[i]) || left[i] >= INGRESS_SLOTS_MAX || g->slot_count == INGRESS_SLOTS_MAX)
            continue;
        bool held = false;
        e = claim(g, left[i], &held);
        if (held) {
            metric_add(&taken_over, 1);
            FAULT_POINT(ingress_after_takeover);
        } else if (!err_is(&e) &&
                   stale[i]) { // stopped in its tracks: its session ends, its slot is free next time
            e = ingress_store_end_holder(g->pg, left[i]);
        }
    }
    return e;
}

// Taken-over slots that are done go back.
static struct err give_back(struct ingress *g)
{
    for (size_t i = g->slot_count; i-- > 1;) {
        struct held_slot *slot = &g->slots[i];
        if (slot->marked_no < slot->batch_no)
            continue;
        struct err e = ingress_store_give_back(g->pg, slot->i);
        if (err_is(&e))
            return e;
        *slot = g->slots[--g->slot_count];
    }
    return err_ok();
}

static void note_progress(struct ingress *g, int64_t now)
{
    int64_t published_no = publisher_published(g->publisher, g->slots[0].i);
    bool progress = published_no != g->last_published || published_no >= g->slots[0].batch_no;
    g->last_published = published_no;
    metric_set(&unpublished, g->slots[0].batch_no - published_no);
    if (progress) {
        pthread_mutex_lock(&g->lock);
        g->progress_us = now;
        pthread_mutex_unlock(&g->lock);
    }
}

struct err ingress_upkeep(struct ingress *g, bool *ret_again)
{
    int64_t now = clock_monotonic_us();
    bool tick = now >= g->next_tick_us, marks = tick || now >= g->next_mark_us;
    struct err e = err_ok();
    *ret_again = false;
    note_progress(g, now);
    if (tick) {
        g->next_tick_us = now + TICK_US;
        e = take_over(g);
    }
    if (marks)
        g->next_mark_us = now + IDLE_MARK_US;
    for (size_t i = 0; i < g->slot_count && !err_is(&e); i++) {
        bool more = false;
        e = catch_up(g, &g->slots[i], &more);
        *ret_again = *ret_again || more;
        if (!err_is(&e) && marks)
            e = mark(g, &g->slots[i], tick);
    }
    if (!err_is(&e) && marks)
        e = give_back(g);
    if (!err_is(&e) && now >= g->next_maintain_us) {
        g->next_maintain_us = now + MAINTAIN_US;
        e = ingress_store_maintain(g->pg);
    }
    return e;
}
