/* The training config: YAML, option table, checks, dump. A config that is taken must come back the same from its dump.
 */
#include "fuzz_input.h"

#include "crisol/config.h"
#include "crisol/yaml.h"

#include <stdlib.h>
#include <string.h>

static void check_dump(const cr_config *config)
{
    char *dump = NULL, *difference = NULL;
    cr_config *again = NULL;
    fuzz_demand(cr_config_dump(config, &dump) == CR_OK, "a config cannot be dumped");
    fuzz_demand(cr_config_create(&again) == CR_OK, "no second config");
    fuzz_demand(cr_config_parse(again, dump, strlen(dump), "dump") == CR_OK, "a dump is refused");
    fuzz_demand(cr_config_compare(config, again, &difference) == CR_OK && !difference, "a dump means something else");
    cr_config_destroy(&again);
    free(dump);
}

static void try_file(const char *text, size_t bytes)
{
    cr_config *config = NULL;
    fuzz_demand(cr_config_create(&config) == CR_OK, "no config");
    cr_status status = cr_config_parse(config, text, bytes, "input");
    fuzz_check_refusal(status);
    if (status == CR_OK) {
        check_dump(config);
        status = cr_config_check(config);
        fuzz_check_refusal(status);
        fuzz_accepted = status == CR_OK;
    }
    cr_config_destroy(&config);
}

/* The same bytes as an override of the command line. */
static void try_override(const char *assignment)
{
    cr_config *config = NULL;
    fuzz_demand(cr_config_create(&config) == CR_OK, "no config");
    cr_status status = cr_config_set(config, assignment);
    fuzz_demand(status != CR_INTERNAL, "a refused override is reported as an internal error");
    if (status == CR_OK)
        check_dump(config);
    cr_config_destroy(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cr_yaml *yaml = NULL;
    char *text = fuzz_text(data, bytes);
    /* a config takes a hundred times longer than what is no YAML at all */
    cr_status status = cr_yaml_parse(text, bytes, "input", &yaml);
    fuzz_check_refusal(status);
    if (status == CR_OK)
        try_file(text, bytes);
    cr_yaml_destroy(&yaml);
    if (bytes < 512 && strchr(text, '='))
        try_override(text);
    free(text);
    return 0;
}
