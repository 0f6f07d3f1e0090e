/* A sweep file, expanded into its trials over a base config and a small pack that are there. */
#include "fuzz_input.h"

#include "crisol/pack_build.h"
#include "crisol/synth.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_TRIALS = 64,
    MOST_PARAMETERS = 4,
    MOST_VALUES = 16
};

static void prepare(void)
{
    static const char recipe[] = "root: data\ntable: table.csv\nimage: '{image}'\nid: '{id}'\n"
                                 "columns: {size_mm: {kind: numeric}}\nlabel: {column: label}\n";
    static bool is_done;
    char data[2 * FUZZ_PATH_MAX], file[2 * FUZZ_PATH_MAX], pack[2 * FUZZ_PATH_MAX], base[4 * FUZZ_PATH_MAX];
    cr_pack_build_report report;
    if (is_done)
        return;
    is_done = true;
    snprintf(data, sizeof data, "%s/data", fuzz_folder());
    snprintf(file, sizeof file, "%s/recipe.yaml", fuzz_folder());
    snprintf(pack, sizeof pack, "%s/pack", fuzz_folder());
    snprintf(base, sizeof base, "data: {pack: '%s', batch: 8, micro_batch: 4}\n", pack);
    fuzz_write("recipe.yaml", recipe, strlen(recipe));
    fuzz_write("base.yaml", base, strlen(base));
    cr_pack_build_options options = {.recipe = file, .output = pack, .n_workers = 1};
    fuzz_demand(cr_synth_write(data, 32, 1) == CR_OK, "no data set");
    fuzz_demand(cr_pack_build(&options, &report) == CR_OK, "no pack");
}

/* Each trial takes a config of its own: 100,000 of them, which a file may ask for, take a fuzzer's day. */
static bool is_small(const cr_yaml_node *root)
{
    const cr_yaml_node *trials = cr_yaml_find(root, "trials"), *parameters = cr_yaml_find(root, "parameters");
    if ((trials && trials->text && atol(trials->text) > MOST_TRIALS) || (parameters && parameters->n > MOST_PARAMETERS))
        return false;
    for (int64_t i = 0; parameters && i < parameters->n; i++) {
        const cr_yaml_node *values = cr_yaml_find(parameters->items[i], "values");
        const cr_yaml_node *steps = cr_yaml_find(parameters->items[i], "steps");
        if ((values && values->n > MOST_VALUES) || (steps && steps->text && atol(steps->text) > MOST_VALUES))
            return false;
    }
    return true;
}

static void check_sweep(const cr_sweep *sweep)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    fuzz_demand(out, "no stream in memory");
    fuzz_demand(sweep->n_trials >= 1 && sweep->n_trials <= CR_SWEEP_MAX_TRIALS, "a number of trials is out of range");
    for (int64_t i = 0; i < sweep->n_trials; i++) {
        fuzz_demand(strspn(sweep->trials[i].id, "0123456789abcdef") == CR_TRIAL_ID - 1, "an id is no hash");
        fuzz_demand(sweep->trials[i].point >= 0 && sweep->trials[i].point < sweep->n_points, "a trial has no point");
    }
    cr_sweep_print(sweep, out);
    fclose(out);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[2 * FUZZ_PATH_MAX];
    cr_yaml *yaml = NULL;
    cr_sweep *sweep = NULL;
    char *text = fuzz_text(data, bytes);
    prepare();
    bool is_worth_it = cr_yaml_parse(text, bytes, "input", &yaml) == CR_OK && is_small(cr_yaml_root(yaml));
    cr_yaml_destroy(&yaml);
    if (is_worth_it) {
        fuzz_write("sweep.yaml", text, bytes);
        snprintf(path, sizeof path, "%s/sweep.yaml", fuzz_folder());
        cr_status status = cr_sweep_read(path, NULL, 0, &sweep);
        fuzz_check_refusal(status);
        fuzz_accepted = status == CR_OK;
        if (status == CR_OK)
            check_sweep(sweep);
        cr_sweep_destroy(&sweep);
    }
    free(text);
    return 0;
}
