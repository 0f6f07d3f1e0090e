#include "cli.h"
#include "crisol/libraries.h"
#include "crisol_version.h"

#include <stdio.h>

void cli_print_version(void)
{
    printf("crisol %s (%s)\n", CRISOL_VERSION, CRISOL_REVISION);
    printf("compiler: %s, %s\n", CRISOL_COMPILER, CRISOL_FLAGS);
    printf("libraries: %s, %s, %s, %s, %s, %s\n", cr_comm_libraries(), cr_backend_cpu_libraries(), cr_pack_libraries(),
           cr_config_libraries(), cr_train_libraries(), cr_base_libraries());
}
