#include "crisol/train.h"

#include <stdio.h>

cr_status cr_train_set_device(cr_config *config, const char *name, bool share)
{
    char assignment[64];
    cr_status status = CR_OK;
    if (name) {
        snprintf(assignment, sizeof assignment, "device.name=%.40s", name);
        CR_TRY(cr_config_set(config, assignment));
    }
    if (share)
        CR_TRY(cr_config_set(config, "device.share=true"));
done:
    return status;
}
