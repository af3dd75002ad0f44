// The echo service as a process.
#include "echo.h"
#include "lane/process.h"

extern const struct migration echo_migrations[];
extern const unsigned echo_migrations_count;

int main(int argc, char **argv)
{
    const struct service_process process = {.lane = &echo_service,
                                            .migrations = {"echo", echo_migrations, echo_migrations_count}};
    return process_main(&process, argc, argv);
}
