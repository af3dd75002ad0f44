// Validator: judges an order against its own copies of the master data, everything that is wrong at once.
#pragma once

#include "lane/lane.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/orders.pb-c.h"
#include "orderclerk/v1/reference.pb-c.h"
#include "pg/migrate.h"

extern const struct lane_service validator_lane;
extern const struct migration validator_migrations[]; // sql/
extern const unsigned validator_migrations_count;

struct validator_settings {
    const char *calendar; // for countries that have none of their own
};
extern struct validator_settings validator_settings; // filled before the lane runs

// A code without blanks around it: what it is looked up by.
struct bytes validator_code(const char *code);

// validator_want.c
void validator_want(struct batch *batch, const struct input *in);

// validator_reference.c: keeps the higher version of each record
struct err validator_decide_reference(struct batch *batch, const struct input *in);

// validator_decide.c. Codes that aren't known as they are written need more rows than the command names: near codes, the
// prices of products known by GTIN. Their lookup is an effect that answers by itself; the answer is judged like the command.
struct err validator_decide_command(struct batch *batch, const struct input *in);
struct err validator_decide_lookup(struct batch *batch, const struct input *in);
#define VALIDATOR_LOOKUP                                                                                     \
    "lookup" // kind of the effect; body: the command; note: skus by GTIN, one per text line

// The command in the body of a lookup; NULL: not one.
const Orderclerk__V1__ValidatorCommand *
validator_lookup_command(struct arena *arena, const Orderclerk__V1__EffectRequest *request);
// Takes the next text line off *rest. False: none left.
bool validator_next_line(struct bytes *rest, struct bytes *ret_line);
