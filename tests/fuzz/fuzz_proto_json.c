// Messages as JSON: any message can be written; what a message's JSON says is what its reader finds.
#include "fuzz/fuzz.h"
#include "fuzz/problems.h"
#include "lane/topic.h"
#include "orderclerk/v1/order_state.pb-c.h"

#include "json/proto_json.h"
#include <stdio.h>

static const char *const words[] = {"P-100", "2026-11-24", "SH1", "CNY", "上海", "a;b:c", "x", NULL};

static struct bytes write_message(struct arena *arena, const ProtobufCMessage *message)
{
    struct jsonw w;
    jsonw_open(&w, arena);
    proto_json_write(&w, NULL, message);
    return jsonw_done(&w);
}

// Any message, as a department's program could send it: what is written is JSON.
static void check_any(struct fuzz_source *source, struct arena *arena, const ProtobufCMessageDescriptor *type)
{
    const ProtobufCMessage *message = fuzz_message(source, arena, type, words);
    const struct bytes text = write_message(arena, message);
    FUZZ_CHECK(bytes_is_utf8(text));
    struct jsonr_problems problems = {.arena = arena};
    struct jsonr_doc *doc = jsonr_parse(text, &problems);
    // Unsigned numbers above 2^63 are what the reader refuses and the writer doesn't look for.
    FUZZ_CHECK(doc != NULL || strcmp(problems.items[0].code, "out_of_range") == 0);
    jsonr_free(doc);
}

static ProtobufCMessage *read_message(struct arena *arena, struct bytes text, bool from_text,
                                      const ProtobufCMessageDescriptor *type, struct jsonr_problems *problems)
{
    struct jsonr_doc *doc = jsonr_parse(text, problems);
    if (doc == NULL)
        return NULL;
    const struct proto_reader reader = {
        .arena = arena, .problems = problems, .exponent = 2, .from_text = from_text, .int64_text = true};
    ProtobufCMessage *message = proto_json_read(&reader, jsonr_root(doc), "", type, NULL);
    jsonr_free(doc);
    return problems->count > 0 ? NULL : message;
}

// Bodies of a oneof are read by whoever takes them (intake_read_body); order lines' money is written in the order's currency,
// whatever the reader was told.
static bool reads_back(const ProtobufCMessageDescriptor *type)
{
    bool plain = type != &orderclerk__v1__order_state__descriptor;
    for (unsigned i = 0; i < type->n_fields; i++)
        plain = plain && (type->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0;
    return plain;
}

// What could be read is written so that it reads as the same. Reading by a topic's type leaves common fields empty.
static void check_text(struct arena *arena, struct bytes text, bool from_text,
                       const ProtobufCMessageDescriptor *type)
{
    struct jsonr_problems problems = {.arena = arena};
    const ProtobufCMessage *message = read_message(arena, text, from_text, type, &problems);
    if (message == NULL) {
        fuzz_check_problems(&problems);
        return;
    }
    const struct bytes written = write_message(arena, message);
    FUZZ_CHECK(bytes_is_utf8(written));
    if (!reads_back(type))
        return;
    const ProtobufCMessage *again = read_message(arena, written, false, type, &problems);
    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(bytes_equal(fuzz_pack(arena, again), fuzz_pack(arena, message)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    const uint8_t how = fuzz_byte(&source);
    size_t count = 0;
    while (topic_at(count) != NULL)
        count++;
    const ProtobufCMessageDescriptor *type = topic_at(fuzz_below(&source, (uint32_t)count))->descriptor;
    if (how % 4 == 0)
        check_any(&source, arena, type);
    else
        check_text(arena, fuzz_rest(&source), how % 4 == 1, type);
    arena_free(arena);
    return 0;
}
