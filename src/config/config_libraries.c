#include "crisol/libraries.h"

#include <stdio.h>
#include <yaml.h>

const char *cr_config_libraries(void)
{
    static char text[32];
    snprintf(text, sizeof text, "libyaml %s", yaml_get_version_string());
    return text;
}
