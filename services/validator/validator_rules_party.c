// Who orders, how to reach them, how they pay, what invoice they want.
#include "validator/validator_rules.h"

#include <string.h>

bool judge_is_phone(const char *text)
{
    // ITU-T E.164: at most 15 digits; fewer than 5 are no subscriber's number.
    size_t digits = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9') {
            digits++;
        } else if (strchr(" -().+/", *at) == NULL) {
            return false;
        }
    }
    return digits >= 5 && digits <= 15;
}

bool judge_is_email(const char *text)
{
    // RFC 5321 limits; what is sent to decides in the end.
    size_t size = strlen(text);
    const char *at = strrchr(text, '@');
    if (size > 254 || at == NULL || at == text || at - text > 64)
        return false;
    const char *dot = strrchr(at, '.');
    if (dot == NULL || dot == at + 1 || dot[1] == '\0' || strstr(at, "..") != NULL)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("<>(),;:\\\"[]", *c) != NULL)
            return false;
    }
    return memchr(text, '@', (size_t)(at - text)) == NULL;
}

static void judge_contact(struct violations *v, const Orderclerk__V1__Party *party,
                          const Orderclerk__V1__Customer *customer)
{
    const char *email = party == NULL ? "" : party->email;
    const char *phone = party == NULL ? "" : party->phone;
    if (email[0] != '\0' && !judge_is_email(email)) {
        violations_suggest(v, violations_add(v, CONTACT_EMAIL, "customer.email", email, NULL),
                           customer == NULL ? "" : customer->email);
    }
    if (phone[0] != '\0' && !judge_is_phone(phone)) {
        violations_suggest(v, violations_add(v, CONTACT_PHONE, "customer.phone", phone, NULL),
                           customer == NULL ? "" : customer->phone);
    }
    if (email[0] == '\0' && (customer == NULL || customer->email[0] == '\0')) {
        violations_add(v, CONTACT_MISSING, "customer.email", NULL, NULL);
    }
}

void judge_customer(struct violations *v, const struct judge_input *input)
{
    const Orderclerk__V1__Party *party = input->order->customer;
    if (input->customer == NULL) {
        bool named = party != NULL && party->customer_id[0] != '\0';
        violations_add(v, named ? CUSTOMER_UNKNOWN : CUSTOMER_NOT_IDENTIFIED, "customer.customer_id",
                       named ? party->customer_id : NULL, NULL);
    } else if (input->customer->blocked) {
        violations_add(v, CUSTOMER_BLOCKED, "customer.customer_id", input->customer->customer_id, NULL);
    }
    judge_contact(v, party, input->customer);
}

// ---- terms

static const char *kind_name(Orderclerk__V1__PaymentKind kind)
{
    switch (kind) {
    case ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_PREPAID:
        return "PREPAID";
    case ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_COD:
        return "COD";
    case ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET:
        return "NET";
    case ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_INSTALMENT:
        return "INSTALMENT";
    case ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_UNSPECIFIED:
    case _ORDERCLERK__V1__PAYMENT_KIND_IS_INT_SIZE:
    default:
        return "";
    }
}

static void suggest_terms(struct violations *v, Orderclerk__V1__Violation *violation,
                          const Orderclerk__V1__Customer *customer)
{
    for (size_t i = 0; customer != NULL && i < customer->n_terms; i++) {
        const char *name = kind_name(customer->terms[i]);
        if (strcmp(name, "NET") == 0)
            name = arena_printf(v->arena, "NET %u", customer->max_net_days);
        violations_suggest(v, violation, name);
    }
}

static bool terms_complete(struct violations *v, const Orderclerk__V1__PaymentTerms *terms)
{
    if (terms->kind == ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET && terms->net_days == 0) {
        violations_add(v, TERMS_INCOMPLETE, "payment.net_days", "NET", "net_days");
        return false;
    }
    if (terms->kind == ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_INSTALMENT && terms->instalments < 2) {
        violations_add(v, TERMS_INCOMPLETE, "payment.instalments", "INSTALMENT", "instalments");
        return false;
    }
    return true;
}

static bool granted(const Orderclerk__V1__PaymentTerms *terms, const Orderclerk__V1__Customer *customer)
{
    if (terms->kind == ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET &&
        terms->net_days > customer->max_net_days) {
        return false;
    }
    for (size_t i = 0; i < customer->n_terms; i++) {
        if (customer->terms[i] == terms->kind)
            return true;
    }
    return false;
}

bool judge_terms(struct violations *v, const struct judge_input *input)
{
    const Orderclerk__V1__PaymentTerms *terms = input->order->payment;
    if (terms == NULL || kind_name(terms->kind)[0] == '\0') {
        suggest_terms(v, violations_add(v, TERMS_MISSING, "payment.kind", NULL, NULL), input->customer);
        return false;
    }
    if (!terms_complete(v, terms) || input->customer == NULL)
        return false;
    if (granted(terms, input->customer))
        return true;
    const char *name = kind_name(terms->kind);
    if (terms->kind == ORDERCLERK__V1__PAYMENT_KIND__PAYMENT_KIND_NET) {
        name = arena_printf(v->arena, "NET %u", terms->net_days);
    }
    suggest_terms(v, violations_add(v, TERMS_NOT_GRANTED, "payment", name, input->customer->customer_id),
                  input->customer);
    return false;
}

// ---- invoice

static bool is_tax_number(const char *text)
{
    size_t size = strlen(text);
    for (const char *c = text; *c != '\0'; c++) {
        bool good = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
        if (!good)
            return false;
    }
    return size >= 15 && size <= 20;
}

void judge_invoice(struct violations *v, const Orderclerk__V1__InvoiceRequest *invoice)
{
    if (invoice == NULL || invoice->kind != ORDERCLERK__V1__INVOICE_KIND__INVOICE_KIND_VAT_SPECIAL)
        return;
    if (invoice->title[0] == '\0')
        violations_add(v, INVOICE_INCOMPLETE, "invoice.title", "the title", "抬头");
    if (invoice->tax_number[0] == '\0') {
        violations_add(v, INVOICE_INCOMPLETE, "invoice.tax_number", "the tax number", "税号");
    } else if (!is_tax_number(invoice->tax_number)) {
        violations_add(v, INVOICE_TAX_NUMBER, "invoice.tax_number", invoice->tax_number, NULL);
    }
}
