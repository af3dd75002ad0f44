// The orchestrator process.
#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_store.h"

int main(int argc, char **argv)
{
    const struct setting_table settings = orchestrator_setting_table();
    const struct service_process process = {
        .lane = &orchestrator_lane,
        .settings = &settings,
        .setting_count = 1,
        .migrations = {"orchestrator", orchestrator_migrations, orchestrator_migrations_count},
        .start = orchestrator_start,
    };
    return process_main(&process, argc, argv);
}
