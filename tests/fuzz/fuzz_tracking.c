// Tracking numbers.
#include "fulfillment-tracker/fulfillment_tracking.h"
#include "fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const carriers[] = {"SF", "yto", "ZTO", "UPS", "FedEx", "DHL", "AUTO", "Other", ""};
    struct arena *arena = arena_new(256);
    struct fuzz_source source = fuzz_source_of(data, size);
    const uint8_t which = fuzz_byte(&source);
    const struct bytes carrier = which < 240
                                     ? bytes_str(carriers[which % (sizeof carriers / sizeof carriers[0])])
                                     : fuzz_piece(&source, arena, 60);
    struct uuid shipment = {{0}};
    const struct bytes number = fuzz_rest(&source);
    const char *text = number.data;
    if (tracking_valid(carrier, number)) {
        FUZZ_CHECK(number.size >= 6 && number.size <= TRACKING_NUMBER_MAX);
        for (size_t i = 0; i < number.size; i++)
            FUZZ_CHECK(strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-", text[i]) &&
                       text[i] != '\0');
    }
    memcpy(shipment.b, data, size < sizeof shipment.b ? size : sizeof shipment.b);
    FUZZ_CHECK(tracking_valid(bytes_str("AUTO"), bytes_str(tracking_auto(arena, shipment))));
    arena_free(arena);
    return 0;
}
