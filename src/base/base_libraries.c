#include "crisol/libraries.h"

#include <jansson.h>
#include <stdio.h>
#include <xxhash.h>

const char *cr_base_libraries(void)
{
    static char text[64];
    unsigned xxh = XXH_versionNumber();
    snprintf(text, sizeof text, "jansson %s, xxHash %u.%u.%u", JANSSON_VERSION, xxh / 10000, xxh / 100 % 100,
             xxh % 100);
    return text;
}
