// The saga's settings; see saga_settings.def. Durations are microseconds.
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct saga_settings {
#define DURATION(name, key, text, value, help) int64_t name;
#define WINDOW(name, key, text, value, help)   int64_t name;
#define NUMBER(name, key, text, value, help)   int64_t name;
#include "orchestrator/saga/saga_settings.def"
#undef DURATION
#undef WINDOW
#undef NUMBER
    bool
        working_time; // WORKING deadlines count Monday to Friday 09:00 to 17:00 in business_zone; else every hour
    const char *business_zone; // IANA: working time and the date in order numbers
};

struct saga_settings saga_settings_default(void);
