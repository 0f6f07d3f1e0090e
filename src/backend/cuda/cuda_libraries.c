#include "crisol/libraries.h"
#include "cuda_device.h"

#include <stdio.h>

static char used[sizeof((cr_plan_target *)NULL)->library]; /* cuDNN's version, once a device was opened */

void cr_cuda_note_library(const char *library)
{
    snprintf(used, sizeof used, "%s", library);
}

const char *cr_backend_cuda_libraries(void)
{
    return used;
}
