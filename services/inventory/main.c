// The inventory process.
#include "inventory/inventory.h"
#include "lane/process.h"

int main(int argc, char **argv)
{
    const struct service_process process = {
        .lane = &inventory_lane,
        .migrations = {"inventory", inventory_migrations, inventory_migrations_count},
    };
    return process_main(&process, argc, argv);
}
