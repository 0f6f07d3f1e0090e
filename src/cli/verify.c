/* crisol verify */
#include "cli.h"
#include "crisol/log.h"
#include "crisol/pack.h"
#include "run_text.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

static const char usage[] =
    "usage: crisol verify PACK|RUN [OPTION …]\n"
    "\n"
    "Re-reads every byte of a pack: the manifest's own hash, each shard's size and hash, every sample's checksum. "
    "Ends\n"
    "with exit code 65 at any difference, naming the first shard and sample that are damaged and how many are in all.\n"
    "Of a run directory: every checkpoint.\n"
    "\n"
    "  --quiet   print nothing when all is well\n"
    "  --help    this text\n";

static int parse(int argc, char **argv, const char **path, bool *help, bool *quiet)
{
    static const struct option names[] = {
        {"quiet", no_argument, NULL, 'q'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (option == 'h') {
            *help = true;
            return CR_OK;
        }
        if (option != 'q')
            return cli_usage_error("verify", "see above");
        *quiet = true;
    }
    if (argc - optind != 1)
        return cli_usage_error("verify", "one PACK or RUN is needed");
    *path = argv[optind];
    return CR_OK;
}

int cli_verify(int argc, char **argv)
{
    const char *path = NULL;
    bool help = false, quiet = false;
    cr_pack_damage damage;
    int code = parse(argc, argv, &path, &help, &quiet);
    if (help)
        fputs(usage, stdout);
    if (code != CR_OK || help)
        return code;
    cr_log_set_quiet(quiet);
    if (cli_is_run(path))
        return cli_report(NULL, cli_verify_run(path, quiet));
    cr_status status = cr_pack_verify(path, &damage);
    if (status == CR_OK && !quiet)
        printf("%s: every byte is as it was packed\n", path);
    return cli_report(NULL, status);
}
