// The validator process.
#include "lane/process.h"
#include "validator/validator.h"

static const struct setting settings[] = {
    {.key = "calendar",
     .type = SETTING_TEXT,
     .offset = offsetof(struct validator_settings, calendar),
     .fallback = "CN",
     .help = "Calendar of working days for countries that have none of their own"},
};

int main(int argc, char **argv)
{
    const struct setting_table table = {settings, sizeof settings / sizeof settings[0], &validator_settings};
    const struct service_process process = {
        .lane = &validator_lane,
        .settings = &table,
        .setting_count = 1,
        .migrations = {"validator", validator_migrations, validator_migrations_count},
    };
    return process_main(&process, argc, argv);
}
