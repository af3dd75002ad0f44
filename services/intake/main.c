// The intake process.
#include "intake/intake.h"

int main(int argc, char **argv)
{
    const struct service_process process = {
        .lane = &intake_lane,
        .settings = intake_setting_tables,
        .setting_count = intake_setting_table_count,
        .migrations = {"intake", intake_migrations, intake_migrations_count},
        .routes = intake_routes,
        .route_count = intake_route_count,
        .ingress = true,
        .start = intake_start,
        .stop = intake_stop,
    };
    return process_main(&process, argc, argv);
}
