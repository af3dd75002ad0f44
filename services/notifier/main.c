// The notifier's process.
#include "lane/process.h"
#include "notifier/notifier.h"

static struct err start(struct process *process)
{
    (void)process;
    return notifier_prepare();
}

static void stop(struct process *process)
{
    (void)process;
    texts_free(&notifier_context.texts);
}

int main(int argc, char **argv)
{
    const struct service_process process = {
        .lane = &notifier_lane,
        .settings = notifier_setting_tables,
        .setting_count = notifier_setting_table_count,
        .migrations = {"notifier", notifier_migrations, notifier_migrations_count},
        .start = start,
        .stop = stop,
    };
    return process_main(&process, argc, argv);
}
