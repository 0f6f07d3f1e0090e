/* crisol repeat */
#include "cli.h"
#include "crisol/check.h"
#include "crisol/train.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: [mpirun -n RANKS] crisol repeat RUN --output DIR [OPTION …]\n"
    "\n"
    "Trains again from RUN/record.json alone, as far as that goes, and compares the hash of the weights and every "
    "metric\n"
    "of every epoch. Says at which step the first difference lies and which recorded facts differ (library versions,\n"
    "instruction set, options, …); exit code 0 only when all is identical, 65 otherwise. Ranks and workers need not "
    "be\n"
    "as they were.\n"
    "\n"
    "  --output DIR        run directory of the repetition; DIR/repeat.json gets the verdict\n"
    "  --packs FOLDER      where to look for the pack by its id, if it is no longer where it was\n"
    "  --set NAME=VALUE    with another option: what does it change? may be repeated\n"
    "  --quiet             only the comparison, warnings and errors\n"
    "  --help              this text\n";

enum {
    MAX_SETS = 64
};
typedef struct arguments {
    cr_repeat_options repeat;
    const char *sets[MAX_SETS];
    bool quiet, help;
} arguments;

static int parse(int argc, char **argv, arguments *a)
{
    static const struct option names[] = {
        {"output", required_argument, NULL, 'o'}, {"packs", required_argument, NULL, 'p'},
        {"set", required_argument, NULL, 's'},    {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "o:h", names, NULL)) != -1) {
        switch (option) {
        case 'o':
            a->repeat.output = optarg;
            break;
        case 'p':
            a->repeat.packs = optarg;
            break;
        case 's':
            if (a->repeat.n_sets == MAX_SETS)
                return cli_usage_error("repeat", "more than %d --set", MAX_SETS);
            a->sets[a->repeat.n_sets++] = optarg;
            break;
        case 'q':
            a->quiet = true;
            break;
        case 'h':
            a->help = true;
            return CR_OK;
        default:
            return cli_usage_error("repeat", "see above");
        }
    }
    if (argc - optind != 1)
        return cli_usage_error("repeat", "one RUN is needed");
    if (!a->repeat.output)
        return cli_usage_error("repeat", "--output DIR is needed");
    a->repeat.run = argv[optind];
    a->repeat.sets = a->sets;
    return CR_OK;
}

int cli_repeat(int argc, char **argv)
{
    arguments a = {.repeat.lost = cli_rank_lost};
    char *command = cli_join(argc, argv);
    int code = parse(argc, argv, &a);
    if (a.help)
        fputs(usage, stdout);
    if (code != CR_OK || a.help) {
        free(command);
        return code;
    }
    cr_comm *comm = NULL;
    cr_status status = CR_OK;
    (void)cr_train_is_stopped(); /* a signal that comes while ranks still start counts, too */
    CR_TRY(cli_open_world(a.quiet, &comm));
    a.repeat.command = command ? command : "crisol repeat";
    CR_TRY(cr_repeat(comm, &a.repeat));
done:
    code = cli_report(comm, status);
    cr_comm_close(&comm);
    free(command);
    return code;
}
