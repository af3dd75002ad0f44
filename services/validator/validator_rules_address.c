// Where the goods go: complete for the country, so that a carrier finds it.
#include "validator/validator_rules.h"

#include <string.h>

struct country_rule {
    const char *country;
    bool province;
    int postcode_digits; // 0: not only digits, not checked
};

static const struct country_rule countries[] = {
    {"CN", true, 6}, {"US", true, 5}, {"DE", false, 5}, {"SG", false, 6}, {"AU", false, 4}, {"JP", false, 7},
};

static const struct country_rule *rule_of(const char *country)
{
    static const struct country_rule other = {"", false, 0};
    for (size_t i = 0; i < sizeof countries / sizeof countries[0]; i++) {
        if (strcmp(countries[i].country, country) == 0)
            return &countries[i];
    }
    return &other;
}

// Chinese numerals before 号: 十八号. A street's own name may have one (五一路).
static bool has_chinese_number(const char *street)
{
    static const char *const numerals[] = {"〇", "零", "一", "二", "三", "四", "五",
                                           "六", "七", "八", "九", "十", "百", "两"};
    const char *at = strstr(street, "号");
    if (at == NULL || at - street < 3)
        return false;
    for (size_t i = 0; i < sizeof numerals / sizeof numerals[0]; i++) {
        if (strncmp(at - 3, numerals[i], 3) == 0)
            return true;
    }
    return false;
}

static bool has_house_number(const char *street)
{
    for (const char *c = street; *c != '\0'; c++) {
        if (*c >= '0' && *c <= '9')
            return true;
        // Full-width digits: U+FF10 to U+FF19.
        if ((unsigned char)c[0] == 0xEF && (unsigned char)c[1] == 0xBC && (unsigned char)c[2] >= 0x90 &&
            (unsigned char)c[2] <= 0x99) {
            return true;
        }
    }
    return has_chinese_number(street);
}

static bool is_country(const char *country)
{
    return strlen(country) == 2 && country[0] >= 'A' && country[0] <= 'Z' && country[1] >= 'A' &&
           country[1] <= 'Z';
}

static bool postcode_ok(const char *postcode, int digits)
{
    int count = 0;
    for (const char *c = postcode; *c != '\0'; c++) {
        if (*c == '-' || *c == ' ')
            continue;
        if (*c < '0' || *c > '9')
            return false;
        count++;
    }
    return count == digits;
}

static void lacks(struct violations *v, const char *field, const char *value, const char *name_en,
                  const char *name_zh)
{
    if (value[0] == '\0')
        violations_add(v, ADDRESS_INCOMPLETE, field, name_en, name_zh);
}

void judge_address(struct violations *v, const Orderclerk__V1__Address *address)
{
    static const Orderclerk__V1__Address none = ORDERCLERK__V1__ADDRESS__INIT;
    if (address == NULL)
        address = &none;
    const struct country_rule *rule = rule_of(address->country);
    lacks(v, "delivery.country", address->country, "country", "国家");
    if (rule->province)
        lacks(v, "delivery.province", address->province, "province or state", "省份");
    lacks(v, "delivery.city", address->city, "city", "城市");
    lacks(v, "delivery.street", address->street, "street with house number", "街道及门牌号");
    lacks(v, "delivery.postcode", address->postcode, "postcode", "邮政编码");
    lacks(v, "delivery.recipient", address->recipient, "recipient", "收件人");
    lacks(v, "delivery.phone", address->phone, "phone number", "电话");
    if (address->country[0] != '\0' && !is_country(address->country)) {
        violations_add(v, ADDRESS_COUNTRY, "delivery.country", address->country, NULL);
    }
    if (address->street[0] != '\0' && !has_house_number(address->street)) {
        violations_add(v, ADDRESS_NO_HOUSE_NUMBER, "delivery.street", address->street, NULL);
    }
    if (address->postcode[0] != '\0' && rule->postcode_digits > 0 &&
        !postcode_ok(address->postcode, rule->postcode_digits)) {
        violations_add(v, ADDRESS_POSTCODE, "delivery.postcode", address->postcode, address->country);
    }
    if (address->phone[0] != '\0' && !judge_is_phone(address->phone)) {
        violations_add(v, ADDRESS_PHONE, "delivery.phone", address->phone, NULL);
    }
}
