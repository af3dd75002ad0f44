// The database's time, as its processes know it: what all of them agree on, however wrong a machine's own clock is. Told by
// ingress before it takes anything in, and with each commit and batch from then on.
#pragma once

#include "base/clock.h"

// The database said that it is `now`. Any thread.
void db_clock_learn(instant now);
// The database's time by the monotonic clock since it was learned last; the machine's own while nothing was. Any thread.
instant db_clock_now(void);
