// The desk process.
#include "desk/desk.h"
#include "desk/desk_store.h"

int main(int argc, char **argv)
{
    const struct service_process process = {
        .lane = &desk_lane,
        .migrations = {"desk", desk_migrations, desk_migrations_count},
        .routes = desk_routes,
        .route_count = desk_route_count,
        .start = desk_query_start,
        .stop = desk_query_stop,
    };
    return process_main(&process, argc, argv);
}
