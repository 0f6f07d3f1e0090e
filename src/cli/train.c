/* crisol train */
#include "crisol/train.h"
#include "cli.h"
#include "crisol/config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: [mpirun -n RANKS] crisol train CONFIG --output RUN [OPTION …]\n"
    "\n"
    "Trains as CONFIG (YAML) says and leaves everything in the run directory RUN. Run again, it goes on from RUN's "
    "newest\n"
    "checkpoint. The result does not depend on the number of ranks or workers, to the bit. SIGTERM, SIGINT, SIGUSR1 "
    "and\n"
    "SIGUSR2 save and stop (exit code 75); under mpirun send it SIGUSR1, since it gives ranks a second after the "
    "others.\n"
    "\n"
    "  --output RUN        run directory\n"
    "  --set NAME=VALUE    overrides an option, e.g. --set optimizer.lr=1e-4; may be repeated\n"
    "  --device DEVICE     auto (default): a GPU where one can be used; cpu; cuda. Short for --set device.name=DEVICE\n"
    "  --share-device      several ranks may compute on one GPU\n"
    "  --resume MODE       auto (default): go on where there is a checkpoint; never: refuse one; must: insist on one\n"
    "  --profile           print the time of each layer at the end\n"
    "  --quiet             only warnings and errors\n"
    "  --help              this text\n"
    "\n"
    "Options of CONFIG, all with a default:\n\n";

enum {
    MAX_SETS = 256
};
typedef struct arguments {
    const char *config;
    const char *sets[MAX_SETS];
    int n_sets;
    cr_train_options train;
    const char *device; /* null: as the config says */
    bool share_device;
    bool quiet, help;
} arguments;

static int parse_resume(const char *word, cr_resume *resume)
{
    static const char *const words[] = {"auto", "never", "must"};
    for (int i = 0; i < 3; i++) {
        if (!strcmp(word, words[i])) {
            *resume = (cr_resume)i;
            return CR_OK;
        }
    }
    return cli_usage_error("train", "--resume takes auto, never or must, not '%s'", word);
}

static int parse(int argc, char **argv, arguments *a)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"set", required_argument, NULL, 's'},
                                            {"resume", required_argument, NULL, 'r'},
                                            {"device", required_argument, NULL, 'd'},
                                            {"share-device", no_argument, NULL, 'S'},
                                            {"profile", no_argument, NULL, 'p'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            a->train.output = optarg;
            break;
        case 's':
            if (a->n_sets == MAX_SETS)
                return cli_usage_error("train", "more than %d --set", MAX_SETS);
            a->sets[a->n_sets++] = optarg;
            break;
        case 'd':
            a->device = optarg;
            break;
        case 'S':
            a->share_device = true;
            break;
        case 'r':
            if (parse_resume(optarg, &a->train.resume))
                return CR_USAGE;
            break;
        case 'p':
            a->train.profile = true;
            break;
        case 'q':
            a->quiet = true;
            break;
        case 'h':
            a->help = true;
            return CR_OK;
        default:
            return cli_usage_error("train", "see above");
        }
    }
    if (argc - optind != 1)
        return cli_usage_error("train", "one CONFIG is needed");
    if (!a->train.output)
        return cli_usage_error("train", "--output RUN is needed");
    a->config = argv[optind];
    return CR_OK;
}

static cr_status read_config(const arguments *a, cr_config **config)
{
    cr_status status = CR_OK;
    CR_TRY(cr_config_create(config));
    CR_TRY(cr_config_read(*config, a->config));
    for (int i = 0; i < a->n_sets; i++)
        CR_TRY(cr_config_set(*config, a->sets[i]));
    CR_TRY(cr_train_set_device(*config, a->device, a->share_device));
    CR_TRY(cr_config_check(*config));
done:
    return status;
}

int cli_train(int argc, char **argv)
{
    arguments a = {0};
    char *command = cli_join(argc, argv);
    int code = parse(argc, argv, &a);
    if (code != CR_OK || a.help) {
        if (a.help) {
            fputs(usage, stdout);
            cr_config_print_options(stdout);
        }
        free(command);
        return code;
    }
    cr_comm *comm = NULL;
    cr_config *config = NULL;
    cr_status status = CR_OK;
    (void)cr_train_is_stopped(); /* a signal that comes while ranks still start counts, too */
    CR_TRY(cli_open_world(a.quiet, &comm));
    CR_TRY(cr_comm_agree(comm, read_config(&a, &config)));
    cr_comm_set_patience(comm, config->train.watchdog, cli_rank_lost);
    a.train.config = config;
    a.train.command = command ? command : "crisol train";
    CR_TRY(cr_train(comm, &a.train));
done:
    code = cli_report(comm, status);
    cr_config_destroy(&config);
    cr_comm_close(&comm);
    free(command);
    return code;
}
