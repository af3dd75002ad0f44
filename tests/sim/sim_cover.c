// What the seeds have reached: saga rules and cells, named crash points, branches of decide functions, faults.
#include "sim/sim_faults.h"
#include "sim/sim_share.h"

#include "lane/internal.h"
#include "orchestrator/saga/saga.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct sim_share *sim_share;
struct sim_counts sim_counts;

void sim_share_make(void)
{
    sim_share = mmap(NULL, sizeof *sim_share, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

#define COUNTS (sizeof(struct sim_counts) / sizeof(uint64_t))

void sim_share_add(void)
{
    static uint64_t own[COUNTS];
    memcpy(own, &sim_counts, sizeof own);
    for (size_t i = 0; i < COUNTS; i++) {
        if (own[i] != 0)
            atomic_fetch_add_explicit(&sim_share->counts[i], own[i], memory_order_relaxed);
    }
    sim_counts = (struct sim_counts){0};
}

void sim_share_collect(void)
{
    static uint64_t sums[COUNTS];
    for (size_t i = 0; i < COUNTS; i++)
        sums[i] = atomic_load(&sim_share->counts[i]);
    memcpy(&sim_counts, sums, sizeof sums);
}

void sim_checked(enum sim_invariant invariant)
{
    sim->checked[invariant]++;
}

void sim_cover_rule(uint32_t state, uint32_t event, uint32_t rule_id)
{
    sim_counts.cells[state][event]++;
    sim_counts.rules[rule_id]++;
}

void sim_cover_point(enum fault_point point)
{
    sim_counts.points[point]++;
}

void sim_cover_fault(uint32_t kind)
{
    sim_counts.struck[kind]++;
}

void sim_cover_branch(enum sim_service_id service, enum input_kind kind, enum topic topic, uint32_t body)
{
    if (body < SIM_BODIES)
        sim_counts.branches[service][kind][topic][body]++;
}

void sim_cover_ending(const char *state)
{
    sim_counts.endings[saga_state_find(state)]++;
}

// Rules that change nothing leave no history: their results are seen here (the linker's --wrap).
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
struct saga_result __real_saga_step(const struct saga_context *context, struct arena *arena,
                                    Orderclerk__V1__OrderState *doc, const struct saga_input *input,
                                    instant now, const struct saga_sink *sink);
struct saga_result __wrap_saga_step(const struct saga_context *context, struct arena *arena,
                                    Orderclerk__V1__OrderState *doc, const struct saga_input *input,
                                    instant now, const struct saga_sink *sink);
struct saga_result __wrap_saga_step(const struct saga_context *context, struct arena *arena,
                                    Orderclerk__V1__OrderState *doc, const struct saga_input *input,
                                    instant now, const struct saga_sink *sink)
{
    enum saga_state state = saga_state_find(doc->state);
    struct saga_result result = __real_saga_step(context, arena, doc, input, now, sink);
    if (result.outcome == SAGA_IGNORED || result.outcome == SAGA_NEVER)
        sim_cover_rule(state, input->event, result.rule_id);
    return result;
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)

// ---- what can't be reached

static const struct {
    uint32_t rule;
    const char *why;
} unreachable_rules[] = {
#define UNREACHABLE_RULE(id, why) {id, why},
#include "sim/sim_unreached.def"
#undef UNREACHABLE_RULE
    {0, ""}};

static const struct {
    enum fault_point point;
    const char *why;
} unreachable_points[] = {
#define UNREACHABLE_POINT(name, why) {FAULT_##name, why},
#include "sim/sim_unreached.def"
#undef UNREACHABLE_POINT
    {FAULT_COUNT, ""}};

static const struct {
    uint32_t rule;
    const char *why;
} rare_rules[] = {
#define RARE_RULE(id, why) {id, why},
#include "sim/sim_unreached.def"
#undef RARE_RULE
    {0, ""}};

static bool rule_rare(uint32_t id)
{
    for (size_t i = 0; i < sizeof rare_rules / sizeof rare_rules[0]; i++) {
        if (rare_rules[i].rule == id)
            return true;
    }
    return false;
}

static bool rule_excused(uint32_t id)
{
    for (size_t i = 0; i < sizeof unreachable_rules / sizeof unreachable_rules[0]; i++) {
        if (unreachable_rules[i].rule == id)
            return true;
    }
    return false;
}

static bool point_excused(enum fault_point point)
{
    for (size_t i = 0; i < sizeof unreachable_points / sizeof unreachable_points[0]; i++) {
        if (unreachable_points[i].point == point)
            return true;
    }
    return false;
}

static bool body_excused(enum sim_service_id service, const char *message, const char *body)
{
    static const struct {
        enum sim_service_id service;
        const char *body, *why;
    } bodies[] = {
#define UNREACHABLE_BODY(SERVICE, body, why) {SIM_##SERVICE, body, why},
#include "sim/sim_unreached.def"
#undef UNREACHABLE_BODY
        {SIM_SERVICES, "", ""}};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", message, body);
        if (bodies[i].service == service && strcmp(bodies[i].body, name) == 0)
            return true;
    }
    return false;
}

// ---- printing

static bool print_rules(bool complete)
{
    size_t reached = 0, excused = 0, rare = 0;
    bool good = true;
    for (size_t i = 0; i < saga_rules_v1_count; i++) {
        uint32_t id = saga_rules_v1[i].id;
        bool hit = sim_counts.rules[id] > 0;
        reached += hit;
        excused += rule_excused(id);
        rare += rule_rare(id) && !hit;
        if (hit == rule_excused(id) && (hit || !rule_rare(id)) && complete) {
            printf("  rule %u is %s: %s\n", id,
                   hit ? "reached, and on the list of what can't be" : "never reached", saga_rules_v1[i].why);
            good = false;
        }
    }
    size_t cells = 0;
    for (size_t s = 0; s < SAGA_STATE_COUNT; s++) {
        for (size_t e = 0; e < SAGA_EVENT_COUNT; e++)
            cells += sim_counts.cells[s][e] > 0;
    }
    printf("coverage: %zu of %zu saga rules, %zu can't be reached here, %zu are rare and weren't; %zu cells "
           "(state, event)\n",
           reached, saga_rules_v1_count, excused, rare, cells);
    return good;
}

static bool print_points(bool complete)
{
    size_t reached = 0;
    bool good = true;
    for (enum fault_point p = 0; p < FAULT_COUNT; p++) {
        bool hit = sim_counts.points[p] > 0;
        reached += hit;
        if (hit == point_excused(p) && complete) {
            printf("  crash point %s is %s\n", fault_name(p), hit ? "reached, and excused" : "never reached");
            good = false;
        }
    }
    printf("coverage: %zu of %d named crash points\n", reached, FAULT_COUNT);
    return good;
}

static bool is_body(const ProtobufCFieldDescriptor *f)
{
    return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && f->type == PROTOBUF_C_TYPE_MESSAGE;
}

// Every service's inputs: each body of each topic that it reads.
static bool print_branches(bool complete)
{
    size_t reached = 0, all = 0;
    bool good = true;
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        const struct lane_service *lane = sim_lane_of(s);
        for (size_t i = 0; i < lane->input_count; i++) {
            const ProtobufCMessageDescriptor *d = topic_info(lane->inputs[i])->descriptor;
            bool bodies = false;
            for (unsigned k = 0; k < d->n_fields; k++) {
                if (!is_body(&d->fields[k]))
                    continue;
                bodies = true;
                all++;
                bool hit = sim_counts.branches[s][INPUT_MESSAGE][lane->inputs[i]][d->fields[k].id] > 0;
                reached += hit;
                if (!hit && complete && !body_excused(s, d->short_name, d->fields[k].name)) {
                    printf("  %s never gets %s.%s\n", sim_service_name(s), d->short_name, d->fields[k].name);
                    good = false;
                }
            }
            if (!bodies) {
                all++;
                reached += sim_counts.branches[s][INPUT_MESSAGE][lane->inputs[i]][0] > 0;
            }
        }
    }
    printf("coverage: %zu of %zu (service, message body)", reached, all);
    for (enum sim_service_id s = 0; s < SIM_SERVICES; s++) {
        uint64_t deadlines = sim_counts.branches[s][INPUT_DEADLINE][0][0];
        uint64_t effects = sim_counts.branches[s][INPUT_EFFECT][0][0];
        if (deadlines + effects > 0)
            printf("; %s: %llu deadlines, %llu results", sim_service_name(s), (unsigned long long)deadlines,
                   (unsigned long long)effects);
    }
    printf("\n");
    return good;
}

static void print_counts(void)
{
    static const char *const names[] = {
#define INVARIANT(NAME, WHEN, text) #NAME,
#include "sim/sim_invariants.def"
#undef INVARIANT
    };
    printf("checked:");
    for (size_t i = 0; i < SIM_INVARIANTS; i++)
        printf(" %s %llu", names[i], (unsigned long long)sim_counts.checks[i]);
    printf("\nfaults that struck:");
    for (uint32_t k = 0; k < SIM_FAULT_KINDS; k++)
        printf(" %s %llu", sim_fault_name((enum sim_fault_kind)k), (unsigned long long)sim_counts.struck[k]);
    printf("\nended:");
    for (enum saga_state s = 1; s < SAGA_STATE_COUNT; s++) {
        if (sim_counts.endings[s] > 0)
            printf(" %s %llu", saga_state_info(s)->name, (unsigned long long)sim_counts.endings[s]);
    }
    printf("\n");
}

bool sim_cover_print(bool complete)
{
    print_counts();
    bool rules = print_rules(complete);
    bool points = print_points(complete);
    return print_branches(complete) && rules && points;
}
