// The orchestrator, the whole service at a glance.
#include "orchestrator/orchestrator.h"

#include "orchestrator/orchestrator_store.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const enum topic inputs[] = {TOPIC_ORDERS, TOPIC_VALIDATION_EVENTS, TOPIC_INVENTORY_EVENTS,
                                    TOPIC_SHIPMENT_EVENTS, TOPIC_DEPARTMENT_REPLIES};
static const enum topic outputs[] = {
    TOPIC_ORDER_EVENTS,         TOPIC_ORDER_STATE,       TOPIC_COMMANDS_VALIDATOR,  TOPIC_COMMANDS_INVENTORY,
    TOPIC_COMMANDS_FULFILLMENT, TOPIC_COMMANDS_NOTIFIER, TOPIC_COMMANDS_DEPARTMENTS};
static const struct table *const tables[] = {&saga_table, &saga_history_table, &order_number_table};

static struct saga_settings settings;
static struct saga_context context = {.settings = &settings};

struct saga_settings *orchestrator_settings(void)
{
    return &settings;
}

struct saga_context *orchestrator_context(void)
{
    if (context.book == NULL) {
        context.book = saga_book();
        if (settings.business_zone == NULL)
            settings = saga_settings_default();
    }
    return &context;
}

const struct lane_service orchestrator_lane = {
    .name = "orchestrator",
    .group = "orchestrator.v1",
    .inputs = inputs,
    .input_count = COUNT_OF(inputs),
    .outputs = outputs,
    .output_count = COUNT_OF(outputs),
    .tables = tables,
    .table_count = COUNT_OF(tables),
    .want = orchestrator_want,
    .decide = orchestrator_decide,
    .send_newest = orchestrator_send_newest,
    .refuse_deadline = orchestrator_refuse_deadline,
    .beginning = TOPIC_ORDERS,
    .context = &context,
};
