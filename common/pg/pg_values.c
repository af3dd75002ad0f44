// Parameters and results in PostgreSQL's binary format (the types' send and receive functions). See pg.h.
#include "pg/pg.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>

#define EPOCH_2000_US 946684800000000LL // timestamptz counts from 2000-01-01 UTC

#define ARRAY_HEAD 20 // dimensions, has-nulls, element type, length, lower bound

static void put32(unsigned char *to, uint32_t value)
{
    value = htobe32(value);
    memcpy(to, &value, sizeof value);
}

static void put64(unsigned char *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof value);
}

static uint64_t instant_out(instant at)
{
    assert(at >= PG_INSTANT_MIN);
    return (uint64_t)(at - EPOCH_2000_US);
}

struct pg_param pg_bool(struct arena *arena, bool value)
{
    unsigned char *data = arena_alloc(arena, 1);
    data[0] = value;
    return (struct pg_param){.type = PG_BOOL, .data = data, .size = 1};
}

struct pg_param pg_i32(struct arena *arena, int32_t value)
{
    unsigned char *data = arena_alloc(arena, 4);
    put32(data, (uint32_t)value);
    return (struct pg_param){.type = PG_INT4, .data = data, .size = 4};
}

struct pg_param pg_i64(struct arena *arena, int64_t value)
{
    unsigned char *data = arena_alloc(arena, 8);
    put64(data, (uint64_t)value);
    return (struct pg_param){.type = PG_INT8, .data = data, .size = 8};
}

struct pg_param pg_text(struct bytes value)
{
    assert(value.size <= INT_MAX);
    return (struct pg_param){.type = PG_TEXT, .data = value.data, .size = (int)value.size};
}

struct pg_param pg_bytea(struct bytes value)
{
    assert(value.size <= INT_MAX);
    return (struct pg_param){.type = PG_BYTEA, .data = value.data, .size = (int)value.size};
}

struct pg_param pg_uuid(struct arena *arena, struct uuid value)
{
    if (uuid_is_nil(value))
        return (struct pg_param){.type = PG_UUID};
    return (struct pg_param){.type = PG_UUID, .data = arena_copy(arena, value.b, 16), .size = 16};
}

struct pg_param pg_instant(struct arena *arena, instant value)
{
    if (value == INSTANT_NONE)
        return (struct pg_param){.type = PG_TIMESTAMPTZ};
    unsigned char *data = arena_alloc(arena, 8);
    put64(data, instant_out(value));
    return (struct pg_param){.type = PG_TIMESTAMPTZ, .data = data, .size = 8};
}

// ---- arrays

static uint32_t array_type(uint32_t element)
{
    switch (element) {
    case PG_BOOL:
        return PG_BOOL_ARRAY;
    case PG_BYTEA:
        return PG_BYTEA_ARRAY;
    case PG_INT4:
        return PG_INT4_ARRAY;
    case PG_INT8:
        return PG_INT8_ARRAY;
    case PG_TEXT:
        return PG_TEXT_ARRAY;
    case PG_TIMESTAMPTZ:
        return PG_TIMESTAMPTZ_ARRAY;
    case PG_UUID:
        return PG_UUID_ARRAY;
    default:
        assert(false && "an element type without an array type here");
        return 0;
    }
}

struct pg_array pg_array_start(struct arena *arena, uint32_t element, size_t count, size_t payload_bytes)
{
    assert(count <= INT_MAX && payload_bytes <= INT_MAX);
    size_t capacity = ARRAY_HEAD + 4 * count + payload_bytes;
    struct pg_array array = {.data = arena_alloc(arena, capacity),
                             .capacity = capacity,
                             .size = ARRAY_HEAD,
                             .element = element,
                             .count = count};
    put32(array.data, 1);
    put32(array.data + 4, 0);
    put32(array.data + 8, element);
    put32(array.data + 12, (uint32_t)count);
    put32(array.data + 16, 1);
    return array;
}

// Room for the next element of this size.
static unsigned char *element(struct pg_array *array, size_t size)
{
    assert(array->added < array->count && array->size + 4 + size <= array->capacity);
    put32(array->data + array->size, (uint32_t)size);
    unsigned char *place = array->data + array->size + 4;
    array->size += 4 + size;
    array->added++;
    return place;
}

void pg_array_null(struct pg_array *array)
{
    assert(array->added < array->count);
    put32(array->data + 4, 1);
    put32(array->data + array->size, UINT32_MAX);
    array->size += 4;
    array->added++;
}

void pg_array_bool(struct pg_array *array, bool value)
{
    element(array, 1)[0] = value;
}

void pg_array_i32(struct pg_array *array, int32_t value)
{
    put32(element(array, 4), (uint32_t)value);
}

void pg_array_i64(struct pg_array *array, int64_t value)
{
    put64(element(array, 8), (uint64_t)value);
}

void pg_array_bytes(struct pg_array *array, struct bytes value)
{
    if (value.data == NULL) {
        pg_array_null(array);
        return;
    }
    unsigned char *place = element(array, value.size);
    if (value.size > 0)
        memcpy(place, value.data, value.size);
}

void pg_array_uuid(struct pg_array *array, struct uuid value)
{
    if (uuid_is_nil(value))
        pg_array_null(array);
    else
        memcpy(element(array, 16), value.b, 16);
}

void pg_array_instant(struct pg_array *array, instant value)
{
    if (value == INSTANT_NONE)
        pg_array_null(array);
    else
        put64(element(array, 8), instant_out(value));
}

struct pg_param pg_array_end(struct pg_array *array)
{
    assert(array->added == array->count && array->size <= INT_MAX);
    if (array->count == 0) { // no dimensions
        put32(array->data, 0);
        array->size = 12;
    }
    return (struct pg_param){
        .type = array_type(array->element), .data = array->data, .size = (int)array->size};
}

struct pg_param pg_array_only(const struct pg_array *array)
{
    assert(array->count == 1 && array->added == 1);
    const bool null = array->size == ARRAY_HEAD + 4 && array->data[7] != 0; // the flag that there are NULLs
    return (struct pg_param){.type = array->element,
                             .data = null ? NULL : array->data + ARRAY_HEAD + 4,
                             .size = (int)(array->size - ARRAY_HEAD - 4)};
}

struct pg_param pg_i32_array(struct arena *arena, const int32_t *values, size_t count)
{
    struct pg_array array = pg_array_start(arena, PG_INT4, count, 4 * count);
    for (size_t i = 0; i < count; i++)
        pg_array_i32(&array, values[i]);
    return pg_array_end(&array);
}

struct pg_param pg_i64_array(struct arena *arena, const int64_t *values, size_t count)
{
    struct pg_array array = pg_array_start(arena, PG_INT8, count, 8 * count);
    for (size_t i = 0; i < count; i++)
        pg_array_i64(&array, values[i]);
    return pg_array_end(&array);
}

// ---- results

struct err pg_expect(const PGresult *result, const uint32_t *types, size_t count)
{
    if ((size_t)PQnfields(result) != count)
        return err_make(ERR_CONFIG, "a result has %d columns, not %zu", PQnfields(result), count);
    for (int i = 0; i < (int)count; i++) {
        uint32_t is = PQftype(result, i);
        if (is != types[i] && !(is == PG_VARCHAR && types[i] == PG_TEXT))
            return err_make(ERR_CONFIG, "column %s has type number %u, not %u", PQfname(result, i), is,
                            types[i]);
        if (PQfformat(result, i) != 1)
            return err_make(ERR_CONFIG, "column %s isn't in binary format", PQfname(result, i));
    }
    return err_ok();
}

bool pg_is_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) != 0;
}

bool pg_get_bool(const PGresult *result, int row, int column)
{
    return !pg_is_null(result, row, column) && PQgetvalue(result, row, column)[0] != 0;
}

int32_t pg_get_i32(const PGresult *result, int row, int column)
{
    if (pg_is_null(result, row, column))
        return 0;
    uint32_t value;
    memcpy(&value, PQgetvalue(result, row, column), sizeof value);
    return (int32_t)be32toh(value);
}

int64_t pg_get_i64(const PGresult *result, int row, int column)
{
    if (pg_is_null(result, row, column))
        return 0;
    uint64_t value;
    memcpy(&value, PQgetvalue(result, row, column), sizeof value);
    return (int64_t)be64toh(value);
}

struct bytes pg_get_bytes(const PGresult *result, int row, int column)
{
    if (pg_is_null(result, row, column))
        return (struct bytes){0};
    return bytes_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

struct uuid pg_get_uuid(const PGresult *result, int row, int column)
{
    struct uuid id = {0};
    if (!pg_is_null(result, row, column))
        memcpy(id.b, PQgetvalue(result, row, column), sizeof id.b);
    return id;
}

// Infinity and what an instant can't hold are clipped to its ends.
instant pg_get_instant(const PGresult *result, int row, int column)
{
    if (pg_is_null(result, row, column))
        return INSTANT_NONE;
    int64_t at = pg_get_i64(result, row, column);
    if (at > INT64_MAX - EPOCH_2000_US)
        return INT64_MAX;
    return at < PG_INSTANT_MIN - EPOCH_2000_US ? PG_INSTANT_MIN : at + EPOCH_2000_US;
}
