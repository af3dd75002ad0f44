// One order's life for tests: the saga, and a small world that answers its commands.
//
// Every input goes through a document packed and unpacked anew, as if the process had been restarted; after every input
// life_check asserts what must always hold. With SAGA_LIFE_TRACE in the environment every transition is printed. Messages are built with the constructors below and live as long as the life.
#pragma once

#include "orchestrator/saga/saga.h"

#define LIFE_LINES_MAX 4
#define LIFE_SENT_MAX  2048 // commands, events, answers of one life: a walk of 400 inputs stays below

// What becomes of a released shipment; life_ship goes no further than `ship_until`.
enum life_stage {
    LIFE_RELEASED,
    LIFE_ACCEPTED,
    LIFE_PICKING,
    LIFE_PACKED,
    LIFE_HANDED_OVER,
    LIFE_IN_TRANSIT,
    LIFE_DELIVERED
};

struct life_command {
    enum saga_peer peer;
    const char *name; // of the body's message: ReserveStock
    const ProtobufCMessage *body;
    const ProtobufCMessage *message;
    struct uuid id;
    int64_t booked; // of ReceiveForOrder: what inventory then held of the line
    bool answered;  // taken by the world, or muted for good
};

struct life_line {
    const char *sku;
    int64_t quantity;
    int64_t net_minor, tax_minor; // of the whole line
    bool make;
    bool no_picking;
    const char *warehouse;
    int64_t available; // what inventory has of it
};

struct life {
    struct arena *arena;
    struct saga_settings settings;
    struct saga_book book;
    struct saga_context context;
    Orderclerk__V1__OrderState *doc;
    instant now;
    struct saga_result result; // of the last input

    // The world.
    struct life_line lines[LIFE_LINES_MAX];
    size_t line_count;
    const char *currency;
    const char *duplicate_of; // NULL: no look-alike
    Orderclerk__V1__PaymentKind terms;
    Orderclerk__V1__Violation *violations[8]; // the validator's next answers, unless waived or answered
    size_t violation_count;
    const char *mute[16]; // commands that the world leaves unanswered
    size_t mute_count;
    enum life_stage ship_until;
    bool cancel_refused;        // the warehouse's answer to CancelShipment
    bool production_goes_on;    // production's answer to CancelProduction
    bool handed_over_meanwhile; // instead of an answer to CancelShipment
    uint64_t number;
    struct {
        int64_t reserved, backordered;
    } stock[LIFE_LINES_MAX + 1]; // what inventory holds for the order, by line number

    // What the saga has sent.
    struct life_command commands[LIFE_SENT_MAX];
    size_t command_count;
    Orderclerk__V1__OrderEvent *events[LIFE_SENT_MAX];
    size_t event_count;
    struct uuid again[LIFE_SENT_MAX];
    size_t again_count;
    uint64_t transition_revision; // of the last transition reported
    const char *transition_to;
};

struct life *life_new(void); // a stock line of 10 at 1.00, PREPAID, CNY, express
void life_free(struct life *life);
void life_mute(struct life *life, const char *command);
void life_unmute(struct life *life);
struct life_line *life_line(struct life *life, const char *sku, int64_t quantity, int64_t net_minor,
                            int64_t tax_minor);

// Inputs. Each returns the outcome.
enum saga_outcome life_submit(struct life *life);
enum saga_outcome life_send(struct life *life,
                            const ProtobufCMessage *message); // of any of the orchestrator's topics
enum saga_outcome life_cancel(struct life *life);
enum saga_outcome life_exit(struct life *life, Orderclerk__V1__OperatorExit exit);
enum saga_outcome life_answer(struct life *life, const char *field, const char *value);
enum saga_outcome life_choose(struct life *life, uint32_t line_no, Orderclerk__V1__ShortageChoiceKind kind,
                              int64_t quantity, const char *sku);
enum saga_outcome life_news(struct life *life, const char *shipment_id,
                            Orderclerk__V1__ShipmentEvent__BodyCase news);
enum saga_outcome life_reply(struct life *life, const char *department,
                             Orderclerk__V1__DepartmentReply__BodyCase body_case, ProtobufCMessage *body);

void life_book(struct life *life, struct life_command *command); // inventory books what it is asked to
int64_t life_held(const struct life *life); // reserved and backordered for the order, of all lines

// The world answers the oldest unanswered command that isn't muted. False: there is none.
void life_fill(struct life *life); // what is backordered comes in; nothing when nothing is
bool life_turn(struct life *life);
void life_run(struct life *life);     // until there is none
void life_run_due(struct life *life); // deadlines that are due now
void life_advance(struct life *life,
                  int64_t us); // deadlines on the way fire when they are due; the world answers after each
void life_start(struct life *life, const char *state); // submits, runs, and asserts the state

const struct life_command *life_last(const struct life *life, const char *command); // NULL: never sent
size_t life_count(const struct life *life, const char *command);
size_t life_told(const struct life *life, Orderclerk__V1__OrderEvent__BodyCase body);
size_t life_mailed(const struct life *life, const char *kind);

void *life_message(struct life *life, const ProtobufCMessageDescriptor *descriptor);
#define MESSAGE(life, name) life_message((life), &orderclerk__v1__##name##__descriptor)
void life_check(struct life *life);
void life_assert_state(const struct life *life, const char *state);

// Common ends of tests.
void life_complete(
    struct life *life); // runs to DELIVERED, lets the dispute window pass: COMPLETED, invoiced and paid
void life_assert_undone(struct life *life); // runs to CANCELLED: as many undoings as commands, nothing kept
// Production says that so much of a line is made, into warehouse GZ1; life_produce: and is believed.
enum saga_outcome life_produced(struct life *life, uint32_t line_no, int64_t quantity);
void life_produce(struct life *life, uint32_t line_no, int64_t quantity);

// Each test has a life of its own.
int life_setup(void **state);
int life_teardown(void **state);
#define LIFE(test) cmocka_unit_test_setup_teardown(test, life_setup, life_teardown)
