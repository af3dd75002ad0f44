// Results of effects.
#include "effects/effects.h"

#include <stdlib.h>

void effect_result_free(struct effect_result *result)
{
    free((void *)(uintptr_t)result->body.data);
    result->body = bytes_of(NULL, 0);
}
