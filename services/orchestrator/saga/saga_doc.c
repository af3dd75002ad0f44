// Messages in an arena.
#include "orchestrator/saga/saga_run.h"

#include <stdarg.h>
#include <string.h>

void *saga_message(struct arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = arena_alloc(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

void saga_append(struct arena *arena, void *list, size_t *count, void *item)
{
    void **old;
    memcpy(&old, list, sizeof old);
    void **grown = arena_new_array(arena, void *, *count + 1);
    if (*count > 0)
        memcpy(grown, old, *count * sizeof *grown);
    grown[*count] = item;
    memcpy(list, &grown, sizeof grown);
    (*count)++;
}

char *saga_text(struct saga_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(run->arena, format, args);
    va_end(args);
    return text;
}

char *saga_copy(struct saga_run *run, const char *text)
{
    return arena_str(run->arena, bytes_str(text));
}
