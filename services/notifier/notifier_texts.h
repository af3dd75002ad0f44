// The mails' texts: every kind in every locale, read and checked once at start.
#pragma once

#include "notifier/notifier_template.h"

#include <stdbool.h>

enum notice_kind {
#define KIND(NAME, name, values) NOTICE_##NAME,
#include "notifier/notifier_kinds.def"
#undef KIND
    NOTICE_KIND_COUNT
};
const char *notice_kind_name(enum notice_kind kind);
bool notice_kind_parse(const char *name, enum notice_kind *ret_kind);
const char *notice_kind_values(enum notice_kind kind); // separated by blanks, lists included, common ones not

enum notice_locale { LOCALE_ZH_CN, LOCALE_EN, LOCALE_COUNT };
const char *notice_locale_name(enum notice_locale locale);
// By language: whatever begins with zh is Chinese; everybody else is written to in English.
enum notice_locale notice_locale_for(const char *bcp47);

// A file of templates/, embedded.
struct notifier_text {
    const char *name; // "received.en.txt"
    const unsigned char *data;
    size_t size;
};
extern const struct notifier_text notifier_texts[]; // ends with a NULL name

struct notice_text {
    struct template *subject; // of one line
    struct template *body;
};
struct texts {
    struct arena *arena;
    struct notice_text items[NOTICE_KIND_COUNT][LOCALE_COUNT];
};

// Reads <kind>.<locale>.txt for all of them from the directory, or from what is embedded when it is NULL or empty. The first
// line is the subject, the second is empty. CONFIG: file, line and what is wrong; every placeholder must be one of the kind.
struct err texts_load(const char *directory, struct texts *ret_texts) ERR_MUST_CHECK;
void texts_free(struct texts *texts);
