/* crisol pack */
#include "cli.h"
#include "crisol/log.h"
#include "crisol/pack_build.h"
#include "pack_text.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: crisol pack RECIPE --output DIR [OPTION …]\n"
    "\n"
    "Makes a pack from a table and its images, as the recipe RECIPE (YAML, see datasets/) says: rows are checked, "
    "split\n"
    "and labelled, images decoded (JPEG, PNG), turned upright, resized to 224 x 224, checksummed and written as HDF5\n"
    "shards beside a manifest. Rows that cannot be used are listed in DIR/rejects.csv; more of them than the recipe's\n"
    "max_rejects allows, and nothing is made but DIR.rejects.csv. The same input gives the same bytes.\n"
    "\n"
    "  --output DIR    the pack to make\n"
    "  --root FOLDER   where the recipe's relative paths start (default: the recipe's key root, or its own folder)\n"
    "  --force         replace a pack that is there (a folder that is no pack is never touched)\n"
    "  --workers N     threads that decode side by side (default: one a core)\n"
    "  --quiet         only warnings and errors\n"
    "  --help          this text\n";

static volatile sig_atomic_t stop_signal;

static void note_signal(int number)
{
    stop_signal = number;
}

/* A first Ctrl-C ends packing tidily, a second one at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static int parse(int argc, char **argv, cr_pack_build_options *options, bool *help, bool *quiet)
{
    static const struct option names[] = {{"output", required_argument, NULL, 'o'},
                                          {"root", required_argument, NULL, 'r'},
                                          {"force", no_argument, NULL, 'f'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "ho:", names, NULL)) != -1) {
        char *end;
        long n_workers;
        switch (option) {
        case 'o':
            options->output = optarg;
            break;
        case 'r':
            options->root = optarg;
            break;
        case 'f':
            options->force = true;
            break;
        case 'w':
            n_workers = strtol(optarg, &end, 10);
            if (!*optarg || *end || n_workers < 1 || n_workers > 1024)
                return cli_usage_error("pack", "--workers takes a number from 1 to 1024, not '%s'", optarg);
            options->n_workers = (int)n_workers;
            break;
        case 'q':
            *quiet = true;
            break;
        case 'h':
            *help = true;
            return CR_OK;
        default:
            return cli_usage_error("pack", "see above");
        }
    }
    if (argc - optind != 1)
        return cli_usage_error("pack", "one RECIPE is needed");
    if (!options->output || !*options->output)
        return cli_usage_error("pack", "--output DIR is needed");
    options->recipe = argv[optind];
    return CR_OK;
}

int cli_pack(int argc, char **argv)
{
    cr_pack_build_options options = {.stop = &stop_signal};
    cr_pack_build_report report;
    cr_pack *pack = NULL;
    bool help = false, quiet = false;
    int code = parse(argc, argv, &options, &help, &quiet);
    if (help)
        fputs(usage, stdout);
    if (code != CR_OK || help)
        return code;
    cr_log_set_quiet(quiet);
    catch_signals();
    cr_status status = cr_pack_build(&options, &report);
    if (status == CR_STOPPED) {
        cr_log_error("%s", cr_error_message());
        signal(stop_signal, SIG_DFL); /* a shell wants to see what ended the program */
        raise(stop_signal);
    }
    if (status == CR_OK)
        status = cr_pack_open(options.output, &pack);
    if (status == CR_OK && !quiet)
        cli_print_pack(stdout, pack);
    else if (status == CR_OK && cr_pack_leak_warning(pack))
        cr_log_warning("%s: %s", options.output, cr_pack_leak_warning(pack));
    cr_pack_close(&pack);
    return cli_report(NULL, status);
}
