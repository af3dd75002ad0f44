// Named points at which a fault build crashes on request: ORDERCLERK_FAULT=<point>[:nth]. Nothing in other
// builds.
#pragma once

// X(name): every point there is. The fault harness walks this list.
#define FAULT_POINTS(X)                                                                                      \
    X(lane_before_load)                                                                                      \
    X(lane_after_load)                                                                                       \
    X(lane_after_decide)                                                                                     \
    X(lane_after_save)                                                                                       \
    X(lane_commit_sent)                                                                                      \
    X(lane_after_commit)                                                                                     \
    X(lane_after_produce)                                                                                    \
    X(lane_after_report)                                                                                     \
    X(claim_after_epoch)                                                                                     \
    X(claim_after_publish)                                                                                   \
    X(effect_before_call)                                                                                    \
    X(effect_after_call)                                                                                     \
    X(ingress_after_claim)                                                                                   \
    X(ingress_before_commit)                                                                                 \
    X(ingress_after_commit)                                                                                  \
    X(ingress_after_produce)                                                                                 \
    X(ingress_after_report)                                                                                  \
    X(ingress_after_takeover)

enum fault_point {
#define FAULT_ENUM(name) FAULT_##name,
    FAULT_POINTS(FAULT_ENUM)
#undef FAULT_ENUM
        FAULT_COUNT
};

#ifdef ORDERCLERK_FAULTS
// Kills the process (SIGKILL to itself) when this point's turn has come, after a line about it on standard error.
// Thread-safe.
void fault_hit(enum fault_point point);
// Called at every point from now on, instead of looking at ORDERCLERK_FAULT. Before threads are started. NULL: as before.
void fault_on_hit(void (*hook)(enum fault_point point));
#define FAULT_POINT(name) fault_hit(FAULT_##name)
#else
#define FAULT_POINT(name) ((void)0)
#endif
const char *fault_name(enum fault_point point);
