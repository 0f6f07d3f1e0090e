/* crisol import */
#include "cli.h"
#include "crisol/net.h"
#include "crisol/train.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: crisol import FILE.safetensors [OPTION …]\n"
    "\n"
    "Says how FILE fits as pretrained weights (model.weights): which tensors of the backbone it has, which are missing "
    "or "
    "of\n"
    "another shape, and which of its own are not wanted. Names are torchvision's; fc.* and num_batches_tracked are "
    "ignored.\n"
    "Exit code 65 when training would refuse it.\n"
    "\n"
    "  --list              tensor by tensor, with shapes\n"
    "  --backbone NAME     resnet18 (default), resnet34 or resnet50\n"
    "  --help              this text\n";

typedef struct arguments {
    const char *file, *backbone;
    bool list, help;
} arguments;

static int parse(int argc, char **argv, arguments *a)
{
    static const struct option options[] = {{"list", no_argument, NULL, 'l'},
                                            {"backbone", required_argument, NULL, 'b'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option, known = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            a->list = true;
            break;
        case 'b':
            a->backbone = optarg;
            break;
        case 'h':
            a->help = true;
            return CR_OK;
        default:
            return cli_usage_error("import", "see above");
        }
    }
    while (cr_net_backbone_name(known) && strcmp(cr_net_backbone_name(known), a->backbone) != 0)
        known++;
    if (!cr_net_backbone_name(known))
        return cli_usage_error("import", "--backbone takes resnet18, resnet34 or resnet50, not '%s'", a->backbone);
    if (argc - optind != 1)
        return cli_usage_error("import", "one FILE is needed");
    a->file = argv[optind];
    return CR_OK;
}

int cli_import(int argc, char **argv)
{
    arguments a = {.backbone = cr_net_backbone_name(0)};
    int code = parse(argc, argv, &a);
    if (a.help)
        fputs(usage, stdout);
    if (code != CR_OK || a.help)
        return code;
    return cli_report(NULL, cr_import(a.file, a.backbone, a.list));
}
