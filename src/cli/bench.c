/* crisol bench */
#include "crisol/bench.h"
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: [mpirun -n RANKS] crisol bench [train|eval|loader|reduce|step] [OPTION …]\n"
    "       crisol bench --join FILE.json…\n"
    "\n"
    "Measures, with warm-up, repetitions, median and quartiles, and says on what:\n"
    "  train    whole steps: images/s, time by phase and by layer, the share that waits for data (default)\n"
    "  eval     the validation split in evaluation mode\n"
    "  loader   reading from the pack alone\n"
    "  reduce   a gradient's sum over the ranks, in fixed order and by the library: the price of order\n"
    "  step     of whole steps only the arithmetic\n"
    "Without a pack in the config (--set data.pack=FOLDER) it makes a small synthetic one and removes it again.\n"
    "\n"
    "  --config FILE       a training's config; default: every option's default\n"
    "  --set NAME=VALUE    overrides an option; may be repeated\n"
    "  --repetitions N     that count (default 10)   --warmup N  that do not, before them (default 2)\n"
    "  --scaling WHICH     strong, weak or both: also with 1, 2, 4, … of the ranks, with speed-up and efficiency\n"
    "  --output FILE       the figures as JSON, with program, libraries, machine and config\n"
    "  --scratch FOLDER    for the synthetic pack (default: TMPDIR, or /tmp)\n"
    "  --join FILE…        print benchmarks of several runs side by side\n"
    "  --help              this text\n";

enum {
    MAX_SETS = 256
};
typedef struct arguments {
    cr_bench_options bench;
    const char *config;
    const char *sets[MAX_SETS];
    int n_sets;
    bool join, help;
} arguments;

static int parse_scaling(const char *word, cr_bench_options *bench)
{
    bool both = !strcmp(word, "both");
    bench->strong = both || !strcmp(word, "strong");
    bench->weak = both || !strcmp(word, "weak");
    if (!bench->strong && !bench->weak)
        return cli_usage_error("bench", "--scaling takes strong, weak or both, not '%s'", word);
    return CR_OK;
}

static int parse_count(const char *name, const char *word, long long lowest, int64_t *value)
{
    char *end;
    long long number = strtoll(word, &end, 10);
    if (!*word || *end || number < lowest || number > 1000000)
        return cli_usage_error("bench", "--%s takes a number from %lld to 1000000, not '%s'", name, lowest, word);
    *value = number;
    return CR_OK;
}

static int parse_kind(int argc, char **argv, arguments *a)
{
    const char *word = optind < argc ? argv[optind] : "train";
    if (a->join)
        return optind < argc ? CR_OK : cli_usage_error("bench", "--join needs files");
    if (argc - optind > 1)
        return cli_usage_error("bench", "one of train, eval, loader, reduce and step");
    for (int kind = 0; kind < CR_N_BENCH_KINDS; kind++)
        if (!strcmp(word, cr_bench_kind_name((cr_bench_kind)kind))) {
            a->bench.kind = (cr_bench_kind)kind;
            return CR_OK;
        }
    return cli_usage_error("bench", "there is no benchmark '%s'", word);
}

static int parse(int argc, char **argv, arguments *a)
{
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"set", required_argument, NULL, 's'},
                                          {"repetitions", required_argument, NULL, 'n'},
                                          {"warmup", required_argument, NULL, 'w'},
                                          {"scaling", required_argument, NULL, 'g'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"scratch", required_argument, NULL, 't'},
                                          {"join", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option, code = CR_OK;
    while (code == CR_OK && (option = getopt_long(argc, argv, "o:h", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            a->config = optarg;
            break;
        case 's':
            if (a->n_sets == MAX_SETS)
                return cli_usage_error("bench", "more than %d --set", MAX_SETS);
            a->sets[a->n_sets++] = optarg;
            break;
        case 'n':
            code = parse_count("repetitions", optarg, 1, &a->bench.n_repetitions);
            break;
        case 'w':
            code = parse_count("warmup", optarg, 0, &a->bench.n_warmup);
            break;
        case 'g':
            code = parse_scaling(optarg, &a->bench);
            break;
        case 'o':
            a->bench.output = optarg;
            break;
        case 't':
            a->bench.scratch = optarg;
            break;
        case 'j':
            a->join = true;
            break;
        case 'h':
            a->help = true;
            return CR_OK;
        default:
            return cli_usage_error("bench", "see above");
        }
    }
    return code == CR_OK ? parse_kind(argc, argv, a) : code;
}

static cr_status read_config(arguments *a)
{
    cr_status status = CR_OK;
    CR_TRY(cr_config_create(&a->bench.config));
    if (a->config)
        CR_TRY(cr_config_read(a->bench.config, a->config));
    for (int i = 0; i < a->n_sets; i++)
        CR_TRY(cr_config_set(a->bench.config, a->sets[i]));
done:
    return status;
}

static int run(arguments *a)
{
    cr_comm *comm = NULL;
    cr_status status = CR_OK;
    CR_TRY(cli_open_world(true, &comm));
    CR_TRY(cr_comm_agree(comm, read_config(a)));
    cr_comm_set_patience(comm, a->bench.config->train.watchdog, cli_rank_lost);
    CR_TRY(cr_bench(comm, &a->bench));
done:;
    int code = cli_report(comm, status);
    cr_config_destroy(&a->bench.config);
    cr_comm_close(&comm);
    return code;
}

int cli_bench(int argc, char **argv)
{
    const char *scratch = getenv("TMPDIR");
    arguments a = {.bench = {.n_warmup = 2, .n_repetitions = 10, .scratch = scratch && *scratch ? scratch : "/tmp"}};
    char *command = cli_join(argc, argv);
    int code = parse(argc, argv, &a);
    a.bench.command = command ? command : "crisol bench";
    if (a.help)
        fputs(usage, stdout);
    else if (code == CR_OK && a.join)
        code = cli_report(NULL, cr_bench_join((const char *const *)argv + optind, argc - optind));
    else if (code == CR_OK)
        code = run(&a);
    free(command);
    return code;
}
