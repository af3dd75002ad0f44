#include "orders.h"

#include "unit/base/unit.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

instant sample_at(const char *rfc3339)
{
    instant at;
    assert_true(instant_parse(rfc3339, &at));
    return at;
}

static void init_master_data(struct sample *s)
{
    orderclerk__v1__customer__init(&s->customer);
    s->granted[0] = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_PREPAID;
    s->granted[1] = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET;
    s->customer.customer_id = TEXT("C0001");
    s->customer.company = TEXT("Example Ltd");
    s->customer.price_list = TEXT("CN-STD");
    s->customer.terms = s->granted;
    s->customer.n_terms = 2;
    s->customer.max_net_days = 30;
    s->customer.email = TEXT("buying@example.com");
    s->customer.phone = TEXT("+86 199 0000 0001");
    orderclerk__v1__calendar__init(&s->calendar);
    s->holidays[0] = TEXT("2026-12-01");
    s->holidays[1] = TEXT("2026-12-02");
    s->workdays[0] = TEXT("2026-12-05");
    s->calendar.calendar_id = TEXT("CN");
    s->calendar.zone = TEXT("Asia/Shanghai");
    s->calendar.cutoff = TEXT("16:00");
    s->calendar.holidays = s->holidays;
    s->calendar.n_holidays = 2;
    s->calendar.workdays = s->workdays;
    s->calendar.n_workdays = 1;
}

static void init_products(struct sample *s)
{
    static const int64_t breaks[3][2] = {{1, 100}, {100, 90}, {1, 25000}};
    for (size_t i = 0; i < 2; i++) {
        orderclerk__v1__product__init(&s->products[i]);
        s->products[i].sku = TEXT(i == 0 ? "A-100" : "M-100");
        s->products[i].name_en = TEXT(i == 0 ? "Bolt" : "Cabinet");
        s->products[i].base_unit = TEXT("pc");
        orderclerk__v1__price__init(&s->prices[i]);
        s->prices[i].price_list = TEXT("CN-STD");
        s->prices[i].sku = s->products[i].sku;
        s->prices[i].currency = TEXT("CNY");
        s->prices[i].tax_rate_bp = 1300;
        s->prices[i].valid_from = TEXT("2026-01-01");
        s->prices[i].breaks = s->break_lists[i];
        s->prices[i].n_breaks = i == 0 ? 2 : 1;
        s->references[i] = (struct line_reference){.product = &s->products[i], .price = &s->prices[i]};
    }
    for (size_t i = 0; i < 3; i++) {
        orderclerk__v1__price_break__init(&s->breaks[i]);
        s->breaks[i].min_quantity = breaks[i][0];
        s->breaks[i].net_minor = breaks[i][1];
    }
    s->break_lists[0][0] = &s->breaks[0];
    s->break_lists[0][1] = &s->breaks[1];
    s->break_lists[1][0] = &s->breaks[2];
    orderclerk__v1__pack_factor__init(&s->packs[0]);
    s->packs[0].unit = TEXT("box");
    s->packs[0].factor = 12;
    s->pack_list[0] = &s->packs[0];
    s->products[0].packs = s->pack_list;
    s->products[0].n_packs = 1;
    s->products[0].kind = ORDERCLERK__V1__LINE_KIND__LINE_KIND_STOCK;
    s->products[0].lead_time_days = 1;
    s->products[1].kind = ORDERCLERK__V1__LINE_KIND__LINE_KIND_MAKE;
    s->products[1].lead_time_days = 10;
}

static void init_document(struct sample *s)
{
    orderclerk__v1__party__init(&s->party);
    s->party.customer_id = TEXT("C0001");
    s->party.email = TEXT("buying@example.com");
    orderclerk__v1__address__init(&s->address);
    s->address.country = TEXT("CN");
    s->address.province = TEXT("江苏省");
    s->address.city = TEXT("苏州市");
    s->address.street = TEXT("东环路807号");
    s->address.postcode = TEXT("215128");
    s->address.recipient = TEXT("李强");
    s->address.phone = TEXT("+86 199 0000 0001");
    orderclerk__v1__payment_terms__init(&s->terms);
    s->terms.kind = ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET;
    s->terms.net_days = 30;
    orderclerk__v1__invoice_request__init(&s->invoice);
    s->invoice.kind = ORDERCLERK__V1__INVOICE_KIND__INVOICE_KIND_VAT_SPECIAL;
    s->invoice.title = TEXT("Example Ltd");
    s->invoice.tax_number = TEXT("91310000MA00000001");
    for (size_t i = 0; i < 2; i++) {
        orderclerk__v1__order_line__init(&s->lines[i]);
        s->lines[i].line_no = (uint32_t)i + 1;
        s->lines[i].product_code = s->products[i].sku;
        s->lines[i].quantity = i == 0 ? 10 : 1;
        s->lines[i].unit = TEXT("pc");
        s->lines[i].unit_price_minor = i == 0 ? 100 : 25000;
        s->lines[i].tax_rate_bp = 1300;
        s->line_list[i] = &s->lines[i];
    }
}

void sample_init(struct sample *s)
{
    init_master_data(s);
    init_products(s);
    init_document(s);
    orderclerk__v1__order__init(&s->order);
    s->order.customer = &s->party;
    s->order.delivery = &s->address;
    s->order.payment = &s->terms;
    s->order.invoice = &s->invoice;
    s->order.lines = s->line_list;
    s->order.n_lines = 2;
    s->order.currency = TEXT("CNY");
    s->order.revision = 1;
    s->order.ordered_at_us = sample_at("2026-11-24T01:00:00Z");
    s->input = (struct judge_input){.order = &s->order,
                                    .now = sample_at("2026-11-24T02:00:00Z"),
                                    .customer = &s->customer,
                                    .calendar = &s->calendar,
                                    .lines = s->references};
}
