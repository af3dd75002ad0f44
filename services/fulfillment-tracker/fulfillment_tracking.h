// Tracking numbers: the carriers' formats and check digits. Pure functions.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

#include <stdbool.h>

#define TRACKING_CARRIER_MAX 40
#define TRACKING_NUMBER_MAX  40

// True when `number` can be one of this carrier's. Carriers are named by code (SF, YTO, ZTO, UPS, FEDEX, DHL, AUTO), in any
// case; of others only length and characters are judged.
//   UPS    1Z, 15 letters and digits, a check digit (letters count (position from A + 2) mod 10, every second one twice)
//   FEDEX  12 digits, the last is the others' sum with weights 3 1 7 …, mod 11, mod 10
//   DHL    10 digits, the last is the number before it mod 7
bool tracking_valid(struct bytes carrier, struct bytes number);

// The number under which the AUTO warehouse ships: the same for the same shipment. AU, 12 digits, a check digit (Luhn).
char *tracking_auto(struct arena *arena, struct uuid shipment_id);
