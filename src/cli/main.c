/* crisol: finds the subcommand and leaves with its exit code. */
#include "cli.h"
#include "crisol/status.h"
#include "crisol_version.h"

#include <stdio.h>
#include <string.h>

typedef struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {NULL, NULL, NULL},
};

static void print_usage(FILE *out)
{
    fputs("usage: crisol COMMAND [ARGUMENT …]\n\n", out);
    for (const command *c = commands; c->name; c++)
        fprintf(out, "  %-9s %s\n", c->name, c->summary);
    fputs("\ncrisol COMMAND --help tells about a command; crisol --version about this program.\n", out);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return CR_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_usage(stdout);
        return CR_OK;
    }
    for (const command *c = commands; c->name; c++)
        if (!strcmp(argv[1], c->name))
            return c->run(argc - 1, argv + 1);
    fprintf(stderr, "crisol: unknown command '%s'\n", argv[1]);
    print_usage(stderr);
    return CR_USAGE;
}
