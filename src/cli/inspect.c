/* crisol inspect */
#include "cli.h"
#include "crisol/pack.h"
#include "crisol/sweep.h"
#include "inspect_grid.h"
#include "pack_text.h"
#include "run_text.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: crisol inspect PACK|RUN|SWEEP [OPTION …]\n"
    "\n"
    "Shows what is in a pack: classes and how many samples each split has of them, columns with their statistics,\n"
    "rejects by reason, size, pack id. Of a run directory: how far it is, its checkpoints and whether they verify, "
    "how\n"
    "to go on. Of a sweep directory: the ranking of its trials, and what each parameter does on average.\n"
    "\n"
    "Options, for a run directory:\n"
    "  --record        its record: program, libraries, machine, config, pack, hashes of the weights, how to repeat it\n"
    "                  (JSON; exit code 65 when it is damaged or was changed)\n"
    "\n"
    "Options, for a pack:\n"
    "  --json          the manifest, the pack's id and its size as JSON\n"
    "  --sample N      only sample N (0, 1, …) of a split: its row\n"
    "  --split SPLIT   train, val or test (default: train)\n"
    "  --png FILE      with --sample: write the image there\n"
    "  --augment CONFIG --grid FILE\n"
    "                  write a picture of some samples of the split, as packed and as a training with CONFIG\n"
    "                  will see them in its first epochs (PNG); mixed ones with partners among those shown\n"
    "  --help          this text\n";

typedef struct inspect_options {
    const char *path, *png, *augment, *grid;
    cr_split split;
    long long sample; /* -1: none */
    bool json, record, help;
} inspect_options;

static int parse_split(const char *word, cr_split *split)
{
    for (int i = 0; i < CR_N_SPLITS; i++)
        if (!strcmp(word, cr_split_name((cr_split)i))) {
            *split = (cr_split)i;
            return CR_OK;
        }
    return cli_usage_error("inspect", "--split takes train, val or test, not '%s'", word);
}

static int parse(int argc, char **argv, inspect_options *o)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                          {"sample", required_argument, NULL, 'n'},
                                          {"split", required_argument, NULL, 's'},
                                          {"png", required_argument, NULL, 'p'},
                                          {"augment", required_argument, NULL, 'a'},
                                          {"grid", required_argument, NULL, 'g'},
                                          {"record", no_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        char *end;
        switch (option) {
        case 'j':
            o->json = true;
            break;
        case 'n':
            o->sample = strtoll(optarg, &end, 10);
            if (!*optarg || *end || o->sample < 0)
                return cli_usage_error("inspect", "--sample takes a number from 0 on, not '%s'", optarg);
            break;
        case 's':
            if (parse_split(optarg, &o->split))
                return CR_USAGE;
            break;
        case 'p':
            o->png = optarg;
            break;
        case 'a':
            o->augment = optarg;
            break;
        case 'g':
            o->grid = optarg;
            break;
        case 'r':
            o->record = true;
            break;
        case 'h':
            o->help = true;
            return CR_OK;
        default:
            return cli_usage_error("inspect", "see above");
        }
    }
    if (argc - optind != 1)
        return cli_usage_error("inspect", "one PACK, RUN or SWEEP is needed");
    if (o->png && o->sample < 0)
        return cli_usage_error("inspect", "--png needs --sample N");
    if (!o->augment != !o->grid)
        return cli_usage_error("inspect", "--augment CONFIG and --grid FILE go together");
    o->path = argv[optind];
    return CR_OK;
}

static cr_status show_sample(const cr_pack *pack, const inspect_options *o)
{
    int64_t n = cr_pack_n_samples(pack, o->split);
    if (o->sample >= n)
        return cr_fail(CR_USAGE, "split %s has %lld samples: there is no sample %lld", cr_split_name(o->split),
                       (long long)n, o->sample);
    cr_status status = o->png ? cr_pack_write_png(pack, o->split, o->sample, o->png) : CR_OK;
    if (status == CR_OK)
        cli_print_sample(stdout, pack, o->split, o->sample);
    return status;
}

static cr_status inspect_pack(const inspect_options *o)
{
    cr_pack *pack = NULL;
    cr_status status;
    CR_TRY(cr_pack_open(o->path, &pack));
    if (o->grid)
        CR_TRY(cli_write_grid(pack, o->split, o->augment, o->grid));
    else if (o->sample >= 0)
        CR_TRY(show_sample(pack, o));
    else if (o->json)
        CR_TRY(cli_print_pack_json(stdout, pack));
    else
        cli_print_pack(stdout, pack);
done:
    cr_pack_close(&pack);
    return status;
}

int cli_inspect(int argc, char **argv)
{
    inspect_options options = {.sample = -1};
    int code = parse(argc, argv, &options);
    if (options.help)
        fputs(usage, stdout);
    if (code != CR_OK || options.help)
        return code;
    bool is_sweep = cr_sweep_is_folder(options.path);
    if ((options.json || options.sample >= 0 || options.grid) && (is_sweep || cli_is_run(options.path)))
        return cli_usage_error("inspect", "--json, --sample and --grid look into a pack, and %s is none", options.path);
    if (is_sweep)
        return cli_report(NULL, cr_sweep_inspect(options.path, stdout));
    if (options.record)
        return cli_report(NULL, cli_print_record(options.path));
    return cli_report(NULL, cli_is_run(options.path) ? cli_inspect_run(options.path) : inspect_pack(&options));
}
