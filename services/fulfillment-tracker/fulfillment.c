// The fulfillment tracker, the whole service at a glance.
#include "fulfillment-tracker/fulfillment.h"

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const enum topic inputs[] = {TOPIC_COMMANDS_FULFILLMENT, TOPIC_WAREHOUSE_REPLIES,
                                    TOPIC_REFERENCE_WAREHOUSES};
static const enum topic outputs[] = {TOPIC_SHIPMENT_EVENTS};

// In lock order.
static const struct table *const tables[] = {&shipment_table, &shipment_release_table, &warehouse_ref_table};

struct fulfillment_settings fulfillment_settings = {
    .accept_silence = 15 * INSTANT_MINUTE,
    .unreachable_after = 5 * INSTANT_MINUTE,
    .callback_cache = 5 * INSTANT_SECOND,
    .callback_window = 5 * INSTANT_MINUTE,
};

#define S(member, initial, low, high, text)                                                                  \
    {                                                                                                        \
        .key = #member, .type = SETTING_DURATION, .offset = offsetof(struct fulfillment_settings, member),   \
        .fallback = (initial), .min = (low), .max = (high), .help = (text)                                   \
    }
static const struct setting settings[] = {
    S(accept_silence, "15m", INSTANT_MS, INSTANT_DAY,
      "A request that a warehouse has taken but not answered is sent again after this, then doubling."),
    S(unreachable_after, "5m", INSTANT_MS, INSTANT_DAY,
      "A warehouse that hasn't taken a request for so long is told to be unreachable; tries go on."),
    S(callback_cache, "5s", INSTANT_MS, INSTANT_HOUR,
      "How long a warehouse's secret is remembered; a new one holds after this."),
    S(callback_window, "5m", INSTANT_SECOND, INSTANT_DAY, "How far a callback's timestamp may be from now."),
};
#undef S

const struct setting_table fulfillment_setting_tables[] = {
    {.settings = settings, .count = COUNT_OF(settings), .target = &fulfillment_settings}};
const size_t fulfillment_setting_table_count = COUNT_OF(fulfillment_setting_tables);

const struct lane_service fulfillment_lane = {
    .name = "fulfillment",
    .group = "fulfillment.v1",
    .inputs = inputs,
    .input_count = COUNT_OF(inputs),
    .outputs = outputs,
    .output_count = COUNT_OF(outputs),
    .tables = tables,
    .table_count = COUNT_OF(tables),
    .want = fulfillment_want,
    .decide = fulfillment_decide,
    .context = &fulfillment_settings,
};
