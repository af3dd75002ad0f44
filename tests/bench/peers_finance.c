// Finance, which answers at once: takes orders over into the ERP, issues invoices, is paid in full.
#include "bench/peers.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "orderclerk/v1/commands.pb-c.h"
#include "orderclerk/v1/department_replies.pb-c.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAIT_MS 100

struct finance {
    rd_kafka_t *producer;
    rd_kafka_topic_t *topic;
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void send_reply(struct finance *f, Orderclerk__V1__DepartmentReply *reply)
{
    uint8_t packed[1024];
    size_t size = orderclerk__v1__department_reply__get_packed_size(reply);
    if (size > sizeof packed)
        peers_fail("a reply", "is longer than any can be");
    orderclerk__v1__department_reply__pack(reply, packed);
    for (;;) {
        if (rd_kafka_produce(f->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, packed, size,
                             reply->order_id, strlen(reply->order_id), NULL) == 0)
            return;
        rd_kafka_resp_err_t code = rd_kafka_last_error();
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            peers_fail("department-replies", rd_kafka_err2str(code));
        rd_kafka_poll(f->producer, WAIT_MS);
    }
}

static void answer(struct finance *f, const Orderclerk__V1__DepartmentCommand *command)
{
    struct uuid asked;
    char id[UUID_TEXT_SIZE];
    char number[64];
    char date[DATE_TEXT_SIZE];
    Orderclerk__V1__DepartmentReply reply = ORDERCLERK__V1__DEPARTMENT_REPLY__INIT;
    Orderclerk__V1__ErpAccepted erp = ORDERCLERK__V1__ERP_ACCEPTED__INIT;
    Orderclerk__V1__InvoiceIssued invoice = ORDERCLERK__V1__INVOICE_ISSUED__INIT;
    Orderclerk__V1__PaymentReceived payment = ORDERCLERK__V1__PAYMENT_RECEIVED__INIT;
    Orderclerk__V1__ErpCancelled erp_cancelled = ORDERCLERK__V1__ERP_CANCELLED__INIT;
    if (!uuid_parse(bytes_str(command->event_id), &asked))
        peers_fail("a command", "has no id");
    uuid_format(uuid_derive(asked, "finance", bytes_str("")), id);
    snprintf(number, sizeof number, "N-%s", command->event_id + 24);
    const int64_t now = now_us();
    if (command->body_case == ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_HAND_OVER) {
        erp.erp_no = number;
        reply.body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_ERP_ACCEPTED;
        reply.erp_accepted = &erp;
    } else if (command->body_case == ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_REQUEST_INVOICE) {
        date_format((local_date)(now / INSTANT_DAY), date);
        invoice.shipment_id = command->request_invoice->shipment_id;
        invoice.invoice_no = number;
        invoice.date = date;
        invoice.gross_minor = command->request_invoice->gross_minor;
        reply.body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_INVOICE_ISSUED;
        reply.invoice_issued = &invoice;
    } else if (command->body_case == ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_PAYMENT_DUE) {
        payment.amount_minor = command->payment_due->amount_minor;
        payment.currency = command->payment_due->currency;
        payment.reference = number;
        reply.body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_PAYMENT_RECEIVED;
        reply.payment_received = &payment;
    } else if (command->body_case == ORDERCLERK__V1__DEPARTMENT_COMMAND__BODY_CANCEL_ERP) {
        reply.body_case = ORDERCLERK__V1__DEPARTMENT_REPLY__BODY_ERP_CANCELLED;
        reply.erp_cancelled = &erp_cancelled;
    } else {
        return; // an express order asks nobody else
    }
    reply.event_id = id;
    reply.order_id = command->order_id;
    reply.source = (char *)(uintptr_t) "bench-finance";
    reply.causation_id = command->event_id;
    reply.occurred_at_us = now;
    reply.department = (char *)(uintptr_t) "finance";
    reply.actor = (char *)(uintptr_t) "finance:bench";
    send_reply(f, &reply);
}

void *peers_finance(void *self)
{
    const struct peers_options *options = self;
    struct finance f = {.producer = peers_producer(options)};
    char name[256];
    peers_topic_name(options, "department-replies", name);
    f.topic = rd_kafka_topic_new(f.producer, name, NULL);
    if (f.topic == NULL)
        peers_fail(name, rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_t *consumer = peers_consumer(options, "commands.departments");
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
        rd_kafka_poll(f.producer, 0);
        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            Orderclerk__V1__DepartmentCommand *command =
                orderclerk__v1__department_command__unpack(NULL, message->len, message->payload);
            if (command == NULL)
                peers_fail("a command", "isn't one");
            answer(&f, command);
            orderclerk__v1__department_command__free_unpacked(command, NULL);
        }
        rd_kafka_message_destroy(message);
    }
}
