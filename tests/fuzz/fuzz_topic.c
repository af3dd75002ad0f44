// A record of any topic: the common fields that are read without its type are its message's; written again they are the same.
#include "fuzz/fuzz.h"
#include "lane/internal.h"

#include <string.h>

#define COMMON_FIELDS 8

static char **text_at(ProtobufCMessage *message, unsigned index)
{
    FUZZ_CHECK(message->descriptor->fields[index].type == PROTOBUF_C_TYPE_STRING);
    return (char **)(void *)((char *)message + message->descriptor->fields[index].offset);
}

static uint64_t *number_at(ProtobufCMessage *message, unsigned index)
{
    return (uint64_t *)(void *)((char *)message + message->descriptor->fields[index].offset);
}

// A text of a message ends at its first zero.
static bool same_text(struct bytes view, const char *text)
{
    const size_t size = view.size == 0 ? 0 : strnlen(view.data, view.size);
    return strlen(text) == size && (size == 0 || memcmp(view.data, text, size) == 0);
}

static void check_head(const struct input *in)
{
    ProtobufCMessage *m = (ProtobufCMessage *)(uintptr_t)in->message;
    FUZZ_CHECK(same_text(in->head.event_id, *text_at(m, 0)));
    FUZZ_CHECK(same_text(in->head.key, *text_at(m, 1)));
    FUZZ_CHECK(same_text(in->head.source, *text_at(m, 2)));
    FUZZ_CHECK(in->head.sequence == *number_at(m, 3));
    FUZZ_CHECK((uint64_t)in->head.occurred_at == *number_at(m, 4));
    FUZZ_CHECK(same_text(in->head.causation_id, *text_at(m, 5)));
    FUZZ_CHECK(in->head.saga_revision == *number_at(m, 6));
    // protobuf-c also minds the bits of a varint beyond the 64th.
    FUZZ_CHECK(!in->head.again || *(protobuf_c_boolean *)(void *)number_at(m, 7));
    FUZZ_CHECK(!uuid_is_nil(in->head.id) || in->head.event_id.size == UUID_TEXT_SIZE - 1);
}

static void check_rewrite(struct arena *arena, const struct input *in)
{
    ProtobufCMessage *m = (ProtobufCMessage *)(uintptr_t)in->message;
    for (unsigned i = 0; i < COMMON_FIELDS; i++) {
        if (i == 0 || i == 1 || i == 2 || i == 5)
            *text_at(m, i) = (char *)(uintptr_t)protobuf_c_empty_string;
        else if (i == 7)
            *(protobuf_c_boolean *)(void *)number_at(m, i) = 0;
        else if (i != 6) // saga_revision is the message's
            *number_at(m, i) = 0;
    }
    struct head head;
    struct err e = head_read(head_write(arena, &in->head, m), &head);
    FUZZ_CHECK(!err_is(&e));
    FUZZ_CHECK(bytes_equal(head.event_id, in->head.event_id) && bytes_equal(head.key, in->head.key));
    FUZZ_CHECK(bytes_equal(head.source, in->head.source) && uuid_equal(head.id, in->head.id));
    FUZZ_CHECK(bytes_equal(head.causation_id, in->head.causation_id) && head.again == in->head.again);
    FUZZ_CHECK(head.sequence == in->head.sequence && head.occurred_at == in->head.occurred_at);
    FUZZ_CHECK(head.saga_revision == in->head.saga_revision);
}

// With the source that the topic wants: protobuf takes the last value of a field.
static struct bytes from_writer(struct arena *arena, const struct topic_info *info, struct bytes value)
{
    const size_t word = strcspn(info->writers, " ");
    uint8_t *all = arena_alloc(arena, value.size + 2 + word);
    if (value.size > 0)
        memcpy(all, value.data, value.size);
    all[value.size] = 3 << 3 | 2;
    all[value.size + 1] = (uint8_t)word;
    memcpy(all + value.size + 2, info->writers, word);
    return bytes_of(all, value.size + 2 + word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct fuzz_source source = fuzz_source_of(data, size);
    size_t count = 0;
    while (topic_at(count) != NULL)
        count++;
    const struct topic_info *info = topic_at(fuzz_below(&source, (uint32_t)count));
    const struct bytes value = from_writer(arena, info, fuzz_rest(&source));
    struct head head;
    struct err e = head_read(value, &head);
    if (!err_is(&e)) {
        static const struct lane_service service = {.name = "fuzz"}; // decodes every topic as what it is
        struct batch batch = {.arena = arena, .service = &service};
        const struct raw raw = {.topic = info->number, .key = head.key, .value = value};
        struct input in;
        e = input_decode(&batch, &raw, &in);
        if (!err_is(&e)) {
            check_head(&in);
            message_type(in.message);
            FUZZ_CHECK(message_not_utf8(in.message) == NULL);
            check_rewrite(arena, &in);
        }
    }
    FUZZ_CHECK(!err_is(&e) || (e.class == ERR_REJECT && (strncmp(e.text, "UNDECODABLE: ", 13) == 0 ||
                                                         strncmp(e.text, "WRONG_SOURCE: ", 14) == 0)));
    arena_free(arena);
    return 0;
}
