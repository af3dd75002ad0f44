// Deadlines of states: fixed, in working time, after the promised date, after the expected arrival.
#include "orchestrator/saga/saga_run.h"

#include <string.h>

#define WORK_BEGIN    (9 * 60) // minutes of the local day
#define WORK_END      (17 * 60)
#define DAY_MINUTES   (24 * 60)
#define WORK_WALK_MAX 400 // days that working time is followed for; longer settings than that end there

static instant next_day(instant at, int minute)
{
    const instant into_minute = at % INSTANT_MINUTE;
    return at - into_minute + (instant)(DAY_MINUTES - minute + WORK_BEGIN) * INSTANT_MINUTE;
}

// Offsets that change within a working day would move the result by their difference: no zone does that at work time.
instant saga_working_time(const char *zone, instant from, int64_t working_us)
{
    instant at = from;
    for (int walked = 0; walked < WORK_WALK_MAX; walked++) {
        local_date date;
        int minute;
        if (!zone_local(zone, at, &date, &minute))
            return from + working_us;
        if (date_weekday(date) > 5 || minute >= WORK_END) {
            at = next_day(at, minute);
            continue;
        }
        if (minute < WORK_BEGIN)
            at += (instant)(WORK_BEGIN - minute) * INSTANT_MINUTE - at % INSTANT_MINUTE;
        const int begun = minute < WORK_BEGIN ? WORK_BEGIN : minute;
        const int64_t left = (instant)(WORK_END - begun) * INSTANT_MINUTE - at % INSTANT_MINUTE;
        if (working_us <= left)
            return at + working_us;
        working_us -= left;
        at += left;
    }
    return at;
}

instant saga_instant_of(const char *zone, local_date date)
{
    const instant utc = (instant)date * INSTANT_DAY;
    local_date local;
    int minute;
    if (!zone_local(zone, utc, &local, &minute))
        return utc;
    return utc - ((instant)(local - date) * DAY_MINUTES + minute) * INSTANT_MINUTE;
}

static int64_t setting_of(const struct saga_run *run, enum saga_state state)
{
    int64_t us;
    memcpy(&us, (const char *)run->settings + saga_state_info(state)->setting, sizeof us);
    return us;
}

static const char *promise_zone(const struct saga_run *run)
{
    const Orderclerk__V1__Promise *promise = run->doc->promise;
    return promise == NULL || IS_EMPTY(promise->zone) ? run->settings->business_zone : promise->zone;
}

static instant later(instant a, instant b)
{
    return a > b ? a : b;
}

static instant promised(const struct saga_run *run)
{
    local_date date;
    const Orderclerk__V1__Promise *promise = run->doc->promise;
    if (promise == NULL || !date_parse(promise->date, &date))
        return run->now;
    return later(run->now, saga_instant_of(promise_zone(run), date));
}

// The last expected arrival of what is under way.
static instant arrival(const struct saga_run *run)
{
    instant last = run->now;
    for (size_t i = 0; i < run->doc->n_shipments; i++) {
        const Orderclerk__V1__ShipmentState *shipment = run->doc->shipments[i];
        local_date date;
        if (!saga_shipment_gone(shipment))
            continue;
        if (date_parse(shipment->eta_date, &date))
            last = later(last, saga_instant_of(promise_zone(run), date));
        else
            last = later(last, run->now + run->settings->arrival_unknown);
    }
    return last;
}

instant saga_deadline(const struct saga_run *run, enum saga_state state)
{
    const int64_t us = setting_of(run, state);
    switch (saga_state_info(state)->basis) {
    case SAGA_DEADLINE_NONE:
        return INSTANT_NONE;
    case SAGA_DEADLINE_FIXED:
        return run->now + us;
    case SAGA_DEADLINE_WINDOW: {
        const instant end = run->doc->state_since_us + us;
        return end > run->now ? end : run->now + run->settings->closing_again;
    }
    case SAGA_DEADLINE_WORKING:
        return run->settings->working_time ? saga_working_time(run->settings->business_zone, run->now, us)
                                           : run->now + us;
    case SAGA_DEADLINE_PLANNED:
        return promised(run) + us;
    case SAGA_DEADLINE_ARRIVAL:
        return arrival(run) + us;
    }
    return INSTANT_NONE;
}

// The customer is reminded once, when tries is still 0.
instant saga_reminder(const struct saga_settings *settings, const Orderclerk__V1__OrderState *doc)
{
    const enum saga_state state = saga_state_find(doc->state);
    if (doc->tries != 0 || (state != SAGA_AWAITING_CUSTOMER && state != SAGA_SHORTAGE_OFFERED))
        return INSTANT_NONE;
    const instant reminder = doc->state_since_us + settings->customer_reminder;
    return reminder < doc->deadline_us ? reminder : INSTANT_NONE;
}
