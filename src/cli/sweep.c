/* crisol sweep */
#include "crisol/sweep.h"
#include "cli.h"
#include "crisol/train.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: [mpirun -n RANKS] crisol sweep SWEEP --output DIR [OPTION …]\n"
    "\n"
    "Trains the trials that the sweep file SWEEP (YAML, docs/sweeps.md) describes, on groups of ranks that take one "
    "after\n"
    "the other. Run again, it goes on where it was; trials that are done are not run again, even if SWEEP has "
    "changed.\n"
    "'crisol inspect DIR' prints the ranking.\n"
    "\n"
    "  --output DIR        sweep directory: trials.jsonl, sweep.csv, and in trials/ a run directory for each\n"
    "  --dry-run           print the table of trials, run none\n"
    "  --set NAME=VALUE    overrides an option of the base config; may be repeated\n"
    "  --shard I/N         one of N jobs that share DIR, I = 0 … N-1: takes its share of the trials first, then what\n"
    "                      others have left or lost\n"
    "  --retry             run trials again that failed\n"
    "  --quiet             only warnings and errors\n"
    "  --help              this text\n";

enum {
    MAX_SETS = 256
};
typedef struct arguments {
    const char *file;
    const char *sets[MAX_SETS];
    int n_sets;
    cr_sweep_options sweep;
    bool dry_run, help;
} arguments;

static int parse_shard(const char *word, cr_sweep_options *sweep)
{
    char *slash, *end;
    long long shard = strtoll(word, &slash, 10);
    long long n = *slash == '/' ? strtoll(slash + 1, &end, 10) : 0;
    if (slash == word || n < 1 || *end || shard < 0 || shard >= n)
        return cli_usage_error("sweep", "--shard takes I/N with I from 0 to N-1, not '%s'", word);
    sweep->shard = shard;
    sweep->n_shards = n;
    return CR_OK;
}

static int parse(int argc, char **argv, arguments *a)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"set", required_argument, NULL, 's'},
        {"shard", required_argument, NULL, 'i'},  {"dry-run", no_argument, NULL, 'd'},
        {"retry", no_argument, NULL, 'r'},        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            a->sweep.output = optarg;
            break;
        case 's':
            if (a->n_sets == MAX_SETS)
                return cli_usage_error("sweep", "more than %d --set", MAX_SETS);
            a->sets[a->n_sets++] = optarg;
            break;
        case 'i':
            if (parse_shard(optarg, &a->sweep))
                return CR_USAGE;
            break;
        case 'd':
            a->dry_run = true;
            break;
        case 'r':
            a->sweep.retry = true;
            break;
        case 'q':
            a->sweep.quiet = true;
            break;
        case 'h':
            a->help = true;
            return CR_OK;
        default:
            return cli_usage_error("sweep", "see above");
        }
    }
    if (argc - optind != 1)
        return cli_usage_error("sweep", "one SWEEP file is needed");
    if (!a->sweep.output && !a->dry_run)
        return cli_usage_error("sweep", "--output DIR is needed, or --dry-run");
    a->file = argv[optind];
    return CR_OK;
}

int cli_sweep(int argc, char **argv)
{
    arguments a = {.sweep = {.n_shards = 1, .rank_lost = cli_rank_lost}};
    char *command = cli_join(argc, argv);
    int code = parse(argc, argv, &a);
    if (code != CR_OK || a.help) {
        if (a.help)
            fputs(usage, stdout);
        free(command);
        return code;
    }
    cr_comm *comm = NULL;
    cr_sweep *sweep = NULL;
    cr_status status = CR_OK;
    (void)cr_train_is_stopped(); /* a signal that comes while ranks still start counts, too */
    CR_TRY(cli_open_world(a.sweep.quiet, &comm));
    CR_TRY(cr_comm_agree(comm, cr_sweep_read(a.file, a.sets, a.n_sets, &sweep)));
    if (a.dry_run) {
        if (cr_comm_rank(comm) == 0)
            cr_sweep_print(sweep, stdout);
        goto done;
    }
    a.sweep.sweep = sweep;
    a.sweep.command = command ? command : "crisol sweep";
    CR_TRY(cr_sweep_run(comm, &a.sweep));
done:
    code = cli_report(comm, status);
    cr_sweep_destroy(&sweep);
    cr_comm_close(&comm);
    free(command);
    return code;
}
