// Bugs that are built in on purpose, at most one per build (cmake -DMUTANT=<name>), to see that the simulator and the checker
// catch them. A build without one contains nothing of them: MUTANT(name) is a constant.
#pragma once

// X(name, "what is wrong"): the seventeen of the reliability measure. Where the design makes one impossible, the nearest
// mistake that it does allow stands in its place.
#define MUTANTS(X)                                                                                           \
    X(no_dedupe, "an event that was applied is applied again")                                               \
    X(acknowledged_before_commit, "a client hears 2xx although the commit failed")                           \
    X(positions_run_ahead, "positions say what was read, not what was applied in the same transaction")      \
    X(watermark_unacknowledged, "a batch counts as published before its delivery reports")                   \
    X(claim_without_republishing, "a claim reads on, and never publishes what the last owner left")          \
    X(claim_keeps_epoch, "a claim doesn't raise the epoch")                                                  \
    X(foreign_slot, "a slot that another owner has is worked on, and what comes of it published")            \
    X(deadline_unread, "a deadline fires before the high watermarks were read")                              \
    X(lost_commit_done, "a COMMIT without an answer is taken for done")                                      \
    X(asynchronous_commit, "synchronous_commit is off")                                                      \
    X(compensation_twice, "goods are released by two commands")                                              \
    X(release_unreserved, "what was only waited for is released as if it had been reserved")                 \
    X(resend_renumbered, "a record is sent again under a new sequence")                                      \
    X(rejected_skipped, "rejected input is skipped, not held")                                               \
    X(effect_before_commit, "an effect is performed before its row is committed")                            \
    X(key_not_unique, "the idempotency key isn't part of a submission's name")                               \
    X(stock_unlocked, "stock is read without a lock, then written")

enum mutant {
    MUTANT_none,
#define MUTANT_ENUM(name, text) MUTANT_##name,
    MUTANTS(MUTANT_ENUM)
#undef MUTANT_ENUM
};

#ifdef ORDERCLERK_MUTANTS
#include "mutant_chosen.h" // made by CMake: ORDERCLERK_MUTANT
#else
#define ORDERCLERK_MUTANT MUTANT_none
#endif

#define MUTANT(name) (ORDERCLERK_MUTANT == MUTANT_##name)
