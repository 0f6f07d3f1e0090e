/* crisol synth: a small data set to try everything with. */
#include "crisol/synth.h"
#include "cli.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_usage(FILE *out)
{
    fputs("usage: crisol synth FOLDER [--samples N] [--seed S]\n"
          "\n"
          "Writes images/*.png, images/*.jpg and table.csv: pictures of specimens with stripes or dots, and a table\n"
          "that tells small ones from large ones. datasets/synthetic.yaml packs it. Deterministic by seed.\n"
          "\n"
          "  --samples N   rows of the table, two a specimen (default 480)\n"
          "  --seed S      (default 1)\n",
          out);
}

static bool parse_number(const char *text, uint64_t highest, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    if (*text < '0' || *text > '9') /* strtoull would take a sign */
        return false;
    *value = strtoull(text, &end, 10);
    return !*end && !errno && *value <= highest;
}

int cli_synth(int argc, char **argv)
{
    const char *folder = NULL;
    uint64_t samples = 480, seed = 1;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_usage(stdout);
            return CR_OK;
        }
        bool is_samples = !strcmp(argv[i], "--samples"), is_seed = !strcmp(argv[i], "--seed");
        if (is_samples || is_seed) {
            const char *name = argv[i];
            if (++i == argc || !parse_number(argv[i], is_seed ? UINT64_MAX : INT64_MAX, is_seed ? &seed : &samples))
                return cli_usage_error("synth", "%s needs a number", name);
        } else if (argv[i][0] == '-' || folder) {
            return cli_usage_error("synth", "unexpected argument '%s'", argv[i]);
        } else {
            folder = argv[i];
        }
    }
    if (!folder)
        return cli_usage_error("synth", "a folder to write to is missing");
    cr_status status = cr_synth_write(folder, (int64_t)samples, seed);
    if (status == CR_OK)
        printf("%s: %llu rows, %s/table.csv\n", folder, (unsigned long long)samples, folder);
    return cli_report(NULL, status);
}
