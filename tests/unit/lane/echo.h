// A service of a few lines for tests of the lane: answers ValidateOrder with OrderValidated, counts in a row of its own, and
// does odd things on request (by the order's remarks).
#pragma once

#include "lane/lane.h"

struct echo_row {
    struct uuid order_id;
    int64_t count;
    struct bytes last;
};
extern const struct table echo_table;
extern const struct lane_service echo_service;

// remarks of the order: "" answer; "reject"; "unknown"; "deadline" sets one in 10 s, "later" in 60 s, "never" none; "effect" asks for a call, whose id is then `last`; "give up" cancels it;
// "bad text" answers with what isn't UTF-8;
// "fail" makes a row that the table's CHECK refuses; "refused time", "bad time", "worse time" set a deadline in 10 s that is refused
// by decide, by the CHECK, and by the CHECK once more when it is refused; else what is told of the refusal is in `last`.
ProtobufCMessage *echo_command(const char *remarks);
extern bool echo_reject_results; // of effects
extern unsigned
    echo_races; // how often the row of "race" is refused like that of "fail": another process was quicker
extern bool echo_accept_rejects; // what was refused is accepted from now on (a mended program)
