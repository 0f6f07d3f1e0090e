/* crisol eval */
#include "cli.h"
#include "crisol/train.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: [mpirun -n RANKS] crisol eval RUN [OPTION …]\n"
    "\n"
    "Evaluates a checkpoint of the run directory RUN, each sample of the split exactly once, and writes "
    "RUN/eval-SPLIT/:\n"
    "metrics.json (with bootstrap intervals), report.txt, confusion.csv, predictions.csv, predictions.npz, "
    "errors.csv,\n"
    "class_frequencies.csv, feature_weights.csv. The files do not depend on the number of ranks.\n"
    "\n"
    "  --split SPLIT       val, test or train (default: test)\n"
    "  --checkpoint WHICH  best (default), last, or the path of a step-N.json\n"
    "  --workers N         threads of a rank that evaluate side by side (default: as the run's config says)\n"
    "  --device DEVICE     auto, cpu or cuda (default: as the run's config says)\n"
    "  --share-device      several ranks may compute on one GPU\n"
    "  --importance        also importance.csv: what is lost when a column of the table is shuffled; costs about as "
    "much\n"
    "                      again as the evaluation itself\n"
    "  --quiet             write the files, print nothing\n"
    "  --help              this text\n";

static int parse_split(const char *word, cr_split *split)
{
    for (int i = 0; i < CR_N_SPLITS; i++) {
        if (!strcmp(word, cr_split_name((cr_split)i))) {
            *split = (cr_split)i;
            return CR_OK;
        }
    }
    return cli_usage_error("eval", "--split takes train, val or test, not '%s'", word);
}

static int parse(int argc, char **argv, cr_evaluate_options *options, bool *help)
{
    static const struct option names[] = {{"split", required_argument, NULL, 's'},
                                          {"checkpoint", required_argument, NULL, 'c'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"share-device", no_argument, NULL, 'S'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"importance", no_argument, NULL, 'i'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        char *end;
        switch (option) {
        case 's':
            if (parse_split(optarg, &options->split))
                return CR_USAGE;
            break;
        case 'c':
            options->checkpoint = optarg;
            break;
        case 'w':
            options->workers = strtol(optarg, &end, 10);
            if (*end || options->workers < 1 || options->workers > 1024)
                return cli_usage_error("eval", "--workers takes a number from 1 to 1024, not '%s'", optarg);
            break;
        case 'd':
            options->device = optarg;
            break;
        case 'S':
            options->share_device = true;
            break;
        case 'q':
            options->quiet = true;
            break;
        case 'i':
            options->importance = true;
            break;
        case 'h':
            *help = true;
            return CR_OK;
        default:
            return cli_usage_error("eval", "see above");
        }
    }
    if (argc - optind != 1)
        return cli_usage_error("eval", "one RUN is needed");
    options->run = argv[optind];
    return CR_OK;
}

int cli_eval(int argc, char **argv)
{
    cr_evaluate_options options = {.split = CR_SPLIT_TEST, .checkpoint = "best"};
    bool help = false;
    int code = parse(argc, argv, &options, &help);
    if (help)
        fputs(usage, stdout);
    if (code != CR_OK || help)
        return code;
    cr_comm *comm = NULL;
    cr_status status = CR_OK;
    CR_TRY(cli_open_world(options.quiet, &comm));
    CR_TRY(cr_evaluate(comm, &options));
done:
    code = cli_report(comm, status);
    cr_comm_close(&comm);
    return code;
}
