#include "crisol/libraries.h"

#include <stdio.h>

#include <oneapi/dnnl/dnnl.h>

const char *cr_backend_cpu_libraries(void)
{
    static char text[32];
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    return text;
}
