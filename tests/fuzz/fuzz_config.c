/* The training config: YAML, option table, checks, dump. A config that is taken must come back the same from its dump.
 */
#include "fuzz_input.h"

#include "crisol/config.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cr_config *config = NULL;
    fuzz_demand(cr_config_create(&config) == CR_OK, "no config");
    cr_status status = cr_config_parse(config, (const char *)data, bytes, "input");
    fuzz_check_refusal(status);
    if (status == CR_OK) {
        check_dump(config);
        status = cr_config_check(config);
        fuzz_check_refusal(status);
        fuzz_accepted = status == CR_OK;
    }
    /* the same bytes as an override of the command line */
    char *text = fuzz_text(data, bytes < 512 ? bytes : 512);
    status = cr_config_set(config, text);
    if (status == CR_OK)
        check_dump(config);
    free(text);
    cr_config_destroy(&config);
    return 0;
}
