// Order documents: what is taken is within the limits, and reads as the same after it has been written.
#include "fuzz/fuzz.h"
#include "fuzz/problems.h"
#include "json/order_json.h"

__extension__ typedef __int128 int128;

static struct bytes write_order(struct arena *arena, Orderclerk__V1__Order *order)
{
    order->revision = 0; // not for clients
    struct jsonw w;
    jsonw_open(&w, arena);
    proto_json_write(&w, NULL, &order->base);
    return jsonw_done(&w);
}

static void check_limits(const Orderclerk__V1__Order *order)
{
    FUZZ_CHECK(order->n_lines > 0 && order->n_lines <= ORDER_LINES_MAX);
    FUZZ_CHECK(strlen(order->currency) == 3);
    int128 sum = 0;
    for (size_t i = 0; i < order->n_lines; i++) {
        const Orderclerk__V1__OrderLine *line = order->lines[i];
        FUZZ_CHECK(line->line_no > 0 && line->quantity > 0 && line->product_code[0] != '\0');
        const int128 total = (int128)line->unit_price_minor * line->quantity;
        sum += total;
        FUZZ_CHECK(line->discount_minor <= total);
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(order->lines[k]->line_no != line->line_no);
    }
    FUZZ_CHECK(sum <= INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct jsonr_problems problems = {.arena = arena};
    Orderclerk__V1__Order *order = order_json_parse(arena, bytes_of(data, size), &problems);
    if (order == NULL) {
        fuzz_check_problems(&problems);
    } else {
        FUZZ_CHECK(problems.count == 0);
        check_limits(order);
        const struct bytes written = write_order(arena, order);
        Orderclerk__V1__Order *again = order_json_parse(arena, written, &problems);
        FUZZ_CHECK(again != NULL);
        FUZZ_CHECK(bytes_equal(write_order(arena, again), written));
        FUZZ_CHECK(bytes_equal(fuzz_pack(arena, &again->base), fuzz_pack(arena, &order->base)));
    }
    arena_free(arena);
    return 0;
}
