/* crisol config: every option, or a config as it would be used. */
#include "crisol/config.h"
#include "cli.h"
#include "crisol/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_usage(FILE *out)
{
    fputs("usage: crisol config                             every option: default, meaning, what is allowed\n"
          "       crisol config FILE [--set NAME=VALUE]…    the config as a training would use it\n",
          out);
}

static cr_status apply_arguments(cr_config *config, int argc, char **argv)
{
    cr_status status = CR_OK;
    const char *file = NULL;
    for (int i = 1; i < argc; i++) { /* the file first, wherever it stands: --set goes on top */
        if (!strcmp(argv[i], "--set"))
            i++;
        else if (argv[i][0] == '-' || file)
            return cr_fail(CR_USAGE, "unexpected argument '%s'", argv[i]);
        else
            file = argv[i];
    }
    if (file)
        CR_TRY(cr_config_read(config, file));
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--set") != 0)
            continue;
        if (++i == argc)
            return cr_fail(CR_USAGE, "--set needs NAME=VALUE");
        CR_TRY(cr_config_set(config, argv[i]));
    }
done:
    return status;
}

/* Prints even what does not pass the last check, so that one can see what is wrong with it. */
static cr_status print_resolved(int argc, char **argv)
{
    cr_status status;
    cr_config *config = NULL;
    char *text = NULL;
    CR_TRY(cr_config_create(&config));
    CR_TRY(apply_arguments(config, argc, argv));
    CR_TRY(cr_config_dump(config, &text));
    fputs(text, stdout);
    CR_TRY(cr_config_check(config));
done:
    free(text);
    cr_config_destroy(&config);
    return status;
}

int cli_config(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_usage(stdout);
            return CR_OK;
        }
    if (argc == 1) {
        cr_config_print_options(stdout);
        return CR_OK;
    }
    cr_status status = print_resolved(argc, argv);
    if (status != CR_OK)
        cr_log_error("%s", cr_error_message());
    if (status == CR_USAGE)
        print_usage(stderr);
    return status;
}
