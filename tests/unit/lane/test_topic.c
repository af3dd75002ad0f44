#include "lane/topic.h"

#include "orderclerk/v1/orders.pb-c.h"
#include "unit/base/unit.h"

#include <string.h>

// Every message must have the common fields under the tags that the lane reads.
static void every_topic_has_the_common_fields(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag;
        const char *name;
        ProtobufCType type;
    } common[] = {
        {1, "event_id", PROTOBUF_C_TYPE_STRING},      {2, "order_id", PROTOBUF_C_TYPE_STRING},
        {3, "source", PROTOBUF_C_TYPE_STRING},        {4, "sequence", PROTOBUF_C_TYPE_UINT64},
        {5, "occurred_at_us", PROTOBUF_C_TYPE_INT64}, {6, "causation_id", PROTOBUF_C_TYPE_STRING},
        {7, "saga_revision", PROTOBUF_C_TYPE_UINT64}, {8, "again", PROTOBUF_C_TYPE_BOOL},
    };
    for (size_t i = 0; topic_at(i) != NULL; i++) {
        const struct topic_info *info = topic_at(i);
        for (size_t j = 0; j < sizeof common / sizeof common[0]; j++) {
            const ProtobufCFieldDescriptor *f =
                protobuf_c_message_descriptor_get_field(info->descriptor, common[j].tag);
            assert_non_null(f);
            assert_string_equal(f->name, common[j].name);
            assert_int_equal(f->type, common[j].type);
        }
        assert_true(info->number > 0 && info->number < TOPIC_MAX);
        assert_ptr_equal(topic_info(info->number), info);
        assert_ptr_equal(topic_find(info->name), info);
        assert_true(info->compacted == (info->mode == TOPIC_VERSIONED));
        assert_true(info->readers[0] != '\0' && info->writers[0] != '\0');
        if (info->mode == TOPIC_SEQUENCED)
            assert_null(strchr(info->writers, ' ')); // exactly one
    }
}

static void head_survives_the_wire(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096);
    Orderclerk__V1__CancelOrder cancel = ORDERCLERK__V1__CANCEL_ORDER__INIT;
    cancel.reason = "changed my mind";
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    request.body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_CANCEL;
    request.cancel = &cancel;
    request.saga_revision = 7;
    struct head head = {.event_id = bytes_str("0190b7a4-0000-7000-8000-000000000001"),
                        .key = bytes_str("0190b7a4-0000-7000-8000-000000000002"),
                        .source = bytes_str("intake"),
                        .sequence = 300,
                        .occurred_at = 1790000000000000,
                        .causation_id = bytes_str("x"),
                        .again = true};
    struct bytes wire = head_write(arena, &head, &request.base);
    struct head back;
    struct err e = head_read(wire, &back);
    assert_false(err_is(&e));
    assert_true(bytes_equal(back.event_id, head.event_id) && bytes_equal(back.key, head.key));
    assert_true(bytes_equal(back.source, head.source) && bytes_equal(back.causation_id, head.causation_id));
    assert_true(back.sequence == 300 && back.occurred_at == head.occurred_at && back.again &&
                back.saga_revision == 7);
    Orderclerk__V1__OrderRequest *full =
        orderclerk__v1__order_request__unpack(arena_protobuf(arena), wire.size, wire.data);
    assert_non_null(full);
    assert_string_equal(full->cancel->reason, "changed my mind");
    assert_string_equal(full->order_id, "0190b7a4-0000-7000-8000-000000000002");
    assert_string_equal(message_type(&full->base), "orderclerk.v1.CancelOrder");
    // Cut anywhere, it is refused or still whole; never read past the end (sanitizers watch).
    for (size_t cut = 0; cut < wire.size; cut++) {
        char *copy = test_malloc(cut + 1);
        memcpy(copy, wire.data, cut);
        e = head_read(bytes_of(copy, cut), &back);
        (void)e;
        test_free(copy);
    }
    arena_free(arena);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *bad[] = {"", "hello", "\x0a\xff\xff\xff\xff\x0f", "\x0a\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct head head;
        struct err e = head_read(bytes_str(bad[i]), &head);
        assert_int_equal(e.class, ERR_REJECT);
        assert_non_null(strstr(e.text, "UNDECODABLE"));
    }
}

// PostgreSQL refuses text that isn't UTF-8 or has a NUL, even to look it up: no input may carry one.
static void texts_are_utf8(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096);
    Orderclerk__V1__Order order = ORDERCLERK__V1__ORDER__INIT;
    Orderclerk__V1__OrderLine line = ORDERCLERK__V1__ORDER_LINE__INIT;
    Orderclerk__V1__OrderLine *lines[] = {&line};
    order.lines = lines;
    order.n_lines = 1;
    Orderclerk__V1__SubmitOrder submit = ORDERCLERK__V1__SUBMIT_ORDER__INIT;
    submit.order = &order;
    Orderclerk__V1__OrderRequest request = ORDERCLERK__V1__ORDER_REQUEST__INIT;
    request.body_case = ORDERCLERK__V1__ORDER_REQUEST__BODY_SUBMIT;
    request.submit = &submit;
    line.product_code = (char *)"上海";
    assert_null(message_not_utf8(&request.base));
    line.product_code = (char *)"\xE4\xB8";
    assert_string_equal(message_not_utf8(&request.base), "product_code");

    static const struct bytes keys[] = {{"\xff", 1}, {"a\0b", 3}};
    for (size_t i = 0; i < 2; i++) {
        struct head head = {.event_id = bytes_str("e"), .key = keys[i]};
        struct err e = head_read(head_write(arena, &head, &request.base), &head);
        assert_int_equal(e.class, ERR_REJECT);
    }
    arena_free(arena);
}

static void sources(void **state)
{
    (void)state;
    assert_true(topic_accepts(TOPIC_ORDERS, bytes_str("intake")));
    assert_false(topic_accepts(TOPIC_ORDERS, bytes_str("orchestrator")));
    assert_false(topic_accepts(TOPIC_ORDERS, bytes_str("intak")));
    assert_false(topic_accepts(TOPIC_ORDERS, bytes_str("")));
    assert_true(topic_accepts(TOPIC_CONTROL, bytes_str("desk")));
    assert_true(topic_accepts(TOPIC_DEPARTMENT_REPLIES, bytes_str("intake")));
    assert_true(topic_accepts(TOPIC_DEPARTMENT_REPLIES, bytes_str("erp of finance"))); // outside
    assert_true(topic_accepts(TOPIC_DEPARTMENT_REPLIES, bytes_of(NULL, 0)));
    assert_false(topic_accepts(TOPIC_DEPARTMENT_REPLIES, bytes_str("orchestrator"))); // ours
    // What topic_accepts takes for the list of our services.
    for (size_t i = 0; topic_at(i) != NULL; i++)
        for (const char *at = topic_at(i)->writers; *at != '\0';
             at += strcspn(at, " "), at += strspn(at, " "))
            assert_true(strncmp(at, "departments", 11) == 0 ||
                        topic_accepts(TOPIC_CONTROL, bytes_of(at, strcspn(at, " "))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_topic_has_the_common_fields),
        cmocka_unit_test(head_survives_the_wire),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(texts_are_utf8),
        cmocka_unit_test(sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
