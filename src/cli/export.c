/* crisol export */
#include "cli.h"
#include "crisol/train.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "usage: crisol export RUN --output FILE.safetensors [OPTION …]\n"
    "\n"
    "Writes the model of the run directory RUN as float32 safetensors that PyTorch loads with strict=True: image.* is\n"
    "torchvision's backbone with fc = Identity(), metadata.* and head.* are nn.Sequential(Linear, ReLU, Dropout, …).\n"
    "\n"
    "  --output FILE       the file to write\n"
    "  --checkpoint WHICH  best (default), last, or the path of a step-N.json\n"
    "  --help              this text\n";

static int parse(int argc, char **argv, cr_export_options *options, bool *help)
{
    static const struct option names[] = {{"output", required_argument, NULL, 'o'},
                                          {"checkpoint", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "o:h", names, NULL)) != -1) {
        switch (option) {
        case 'o':
            options->output = optarg;
            break;
        case 'c':
            options->checkpoint = optarg;
            break;
        case 'h':
            *help = true;
            return CR_OK;
        default:
            return cli_usage_error("export", "see above");
        }
    }
    if (argc - optind != 1)
        return cli_usage_error("export", "one RUN is needed");
    if (!options->output)
        return cli_usage_error("export", "--output FILE is needed");
    options->run = argv[optind];
    return CR_OK;
}

int cli_export(int argc, char **argv)
{
    cr_export_options options = {.checkpoint = "best"};
    bool help = false;
    int code = parse(argc, argv, &options, &help);
    if (help)
        fputs(usage, stdout);
    if (code != CR_OK || help)
        return code;
    return cli_report(NULL, cr_export(&options));
}
