// Time zone files.
#include "base/tzif.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // RFC 9636, 3.2: what an offset should stay within; a rule's may be as far as 25 hours.
    static const int32_t farthest = 26 * 3600;
    struct tzif *zone;
    if (!tzif_parse(data, size, &zone))
        return 0;
    struct fuzz_source source = fuzz_source_of(data, size);
    const int64_t instants[] = {0, INT64_MIN, INT64_MAX, 1790000000, -1, 253402300800};
    for (size_t i = 0; i < sizeof instants / sizeof instants[0]; i++) {
        const int32_t offset = tzif_offset(zone, instants[i]);
        FUZZ_CHECK(offset >= -farthest && offset <= farthest);
    }
    while (fuzz_more(&source)) {
        const int32_t offset = tzif_offset(zone, fuzz_number(&source));
        FUZZ_CHECK(offset >= -farthest && offset <= farthest);
    }
    tzif_free(zone);
    return 0;
}
