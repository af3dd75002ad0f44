// The fulfillment tracker's process.
#include "fulfillment-tracker/fulfillment.h"
#include "fulfillment-tracker/fulfillment_callbacks.h"
#include "lane/process.h"

int main(int argc, char **argv)
{
    const struct service_process process = {
        .lane = &fulfillment_lane,
        .settings = fulfillment_setting_tables,
        .setting_count = fulfillment_setting_table_count,
        .migrations = {"fulfillment", fulfillment_migrations, fulfillment_migrations_count},
        .routes = callback_routes,
        .route_count = callback_route_count,
        .ingress = true,
        .start = callbacks_start,
        .stop = callbacks_stop,
    };
    return process_main(&process, argc, argv);
}
