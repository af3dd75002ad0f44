// What must hold of problems told to whoever sent a document.
#pragma once

#include "fuzz/fuzz.h"
#include "json/jsonr.h"

static inline void fuzz_check_problems(const struct jsonr_problems *problems)
{
    FUZZ_CHECK(problems->count > 0);
    for (size_t i = 0; i < problems->count; i++) {
        const struct jsonr_problem *p = &problems->items[i];
        FUZZ_CHECK(p->code[0] != '\0' && p->detail[0] != '\0' && p->remedy[0] != '\0');
        FUZZ_CHECK(bytes_is_utf8(bytes_str(p->field)) && bytes_is_utf8(bytes_str(p->detail)));
        // What is about the document as a whole names no field; an unknown member may have the empty name.
        if (strcmp(p->code, "required") == 0)
            FUZZ_CHECK(p->field[0] != '\0');
    }
}
