/* From points to trials. */
#include "crisol/hash.h"
#include "crisol/log.h"
#include "plan.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DRAWS_A_POINT = 100 /* of random points and Sobol's that fall on earlier ones */
};

static cr_status apply_parameter(const cr_sweep *sweep, const cr_parameter *parameter, double coordinate,
                                 cr_config *config)
{
    char assignment[128];
    if (parameter->values)
        return cr_config_apply(config, parameter->name, sweep->yaml, parameter->values->items[(int64_t)coordinate],
                               sweep->folder);
    if (parameter->is_integer)
        snprintf(assignment, sizeof assignment, "%s=%" PRId64, parameter->name, (int64_t)coordinate);
    else
        snprintf(assignment, sizeof assignment, "%s=%.17g", parameter->name, coordinate);
    return cr_config_set(config, assignment);
}

static cr_status apply_point(const cr_sweep *sweep, const double *coordinates, cr_config *config)
{
    cr_status status = CR_OK;
    for (int p = 0; p < sweep->n_parameters; p++)
        CR_TRY(apply_parameter(sweep, &sweep->parameters[p], coordinates[p], config));
done:
    return status;
}

static cr_status make_base(const cr_sweep *sweep, cr_config **config)
{
    cr_status status = cr_config_create(config);
    return status == CR_OK ? cr_config_parse(*config, sweep->base, strlen(sweep->base), "base of the sweep") : status;
}

cr_status cr_plan_config(const cr_sweep *sweep, const cr_trial *trial, cr_config **config)
{
    cr_status status;
    CR_TRY(make_base(sweep, config));
    CR_TRY(apply_point(sweep, sweep->points[trial->point].coordinates, *config));
    (*config)->train.seed = trial->seed;
done:
    if (status != CR_OK)
        cr_config_destroy(config);
    return status;
}

/* What stands for pretrained weights in an id: the file's hash, or its name where it cannot be read, since then the
 * trial itself will fail. Most sweeps have one such file. */
static const char *name_weights(cr_sweep *sweep, const char *path)
{
    uint64_t bytes;
    if (!*path || (sweep->weights && !strcmp(sweep->weights, path)))
        return *path ? sweep->weights_hash : "";
    if (cr_hash_file(path, &bytes, sweep->weights_hash) != CR_OK)
        return path;
    free(sweep->weights);
    sweep->weights = strdup(path);
    return sweep->weights_hash;
}

/* The hash of what decides how the training comes out: the pack and the pretrained weights by their content, not by
 * where they lie. */
static cr_status identify(cr_sweep *sweep, const cr_config *config, char id[CR_TRIAL_ID])
{
    char *text = NULL, hash[CR_HASH_TEXT];
    const char *weights = name_weights(sweep, config->model.weights);
    cr_hasher *hasher = NULL;
    cr_status status = CR_OK;
    CR_TRY(cr_config_identify(config, &text));
    CR_TRY(cr_hasher_create(&hasher));
    cr_hasher_update(hasher, text, strlen(text));
    cr_hasher_update(hasher, sweep->pack_id, strlen(sweep->pack_id));
    cr_hasher_update(hasher, weights, strlen(weights));
    cr_hasher_finish(hasher, hash);
    snprintf(id, CR_TRIAL_ID, "%.16s", hash);
done:
    cr_hasher_destroy(&hasher);
    free(text);
    return status;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void keep(void *node)
{
    (void)node;
}

/* Takes the point in unless its first trial is there already; coordinates and texts then stay with the caller. `config`
 * is the base's but for the parameters, all of which a point sets, and the seed, which is `seed` in the base. */
static cr_status add_point(cr_sweep *sweep, cr_point *point, cr_config *config, uint64_t seed, void **seen,
                           bool *is_new)
{
    cr_status status = CR_OK;
    cr_trial *first = &sweep->trials[sweep->n_trials];
    *is_new = false;
    config->train.seed = seed;
    CR_TRY(apply_point(sweep, point->coordinates, config));
    seed = config->train.seed; /* a parameter, perhaps */
    for (int64_t k = 0; k < sweep->n_seeds; k++) {
        cr_trial *trial = &first[k];
        *trial = (cr_trial){.point = sweep->n_points, .seed = seed + (uint64_t)k};
        config->train.seed = trial->seed;
        CR_TRY(identify(sweep, config, trial->id));
        if (k == 0 && tfind(trial->id, seen, compare_ids))
            goto done;
    }
    if (!tsearch(first->id, seen, compare_ids))
        CR_TRY(cr_fail_memory("trials", sizeof *first));
    for (int p = 0; p < sweep->n_parameters; p++) {
        CR_TRY(cr_config_value(config, sweep->parameters[p].name, &point->texts[p]));
        if (!cr_is_plain(point->texts[p])) /* only named values are texts */
            CR_TRY(cr_yaml_fail(sweep->yaml, sweep->parameters[p].values, "a value of '%s' holds control characters",
                                sweep->parameters[p].name));
    }
    sweep->points[sweep->n_points++] = *point;
    sweep->n_trials += sweep->n_seeds;
    *is_new = true;
done:
    return status;
}

/* How many points there are to be, at most. */
static cr_status count_points(const cr_sweep *sweep, int64_t *n)
{
    int64_t cap = (sweep->max_trials > 0 ? sweep->max_trials : CR_SWEEP_MAX_TRIALS) / sweep->n_seeds;
    *n = sweep->method == CR_SWEEP_GRID ? 1 : cap;
    for (int p = 0; sweep->method == CR_SWEEP_GRID && p < sweep->n_parameters && *n <= cap; p++)
        *n *= cr_parameter_n_values(&sweep->parameters[p]);
    if (*n > cap && sweep->max_trials == 0)
        return cr_fail(CR_BAD_CONFIG, "%s: a grid of more than %d trials; set 'trials', or take another method",
                       sweep->path, CR_SWEEP_MAX_TRIALS);
    *n = *n < cap ? *n : cap;
    return CR_OK;
}

cr_status cr_plan_expand(cr_sweep *sweep)
{
    int64_t n, n_parameters = sweep->n_parameters;
    cr_status status = CR_OK;
    cr_point point = {0};
    cr_config *config = NULL;
    void *seen = NULL;
    bool is_over = false;
    CR_TRY(count_points(sweep, &n));
    sweep->points = calloc((size_t)n, sizeof *sweep->points);
    sweep->trials = calloc((size_t)(n * sweep->n_seeds), sizeof *sweep->trials);
    if (!sweep->points || !sweep->trials)
        CR_TRY(cr_fail_memory("trials", (size_t)n * sizeof *sweep->trials));
    CR_TRY(make_base(sweep, &config));
    uint64_t seed = config->train.seed;
    for (int64_t i = 0; sweep->n_points < n && i < MAX_DRAWS_A_POINT * n; i++) {
        bool is_new = false;
        if (!point.coordinates)
            point = (cr_point){.coordinates = calloc((size_t)n_parameters, sizeof(double)),
                               .texts = calloc((size_t)n_parameters, sizeof(char *))};
        if (!point.coordinates || !point.texts)
            CR_TRY(cr_fail_memory("a point", (size_t)n_parameters * sizeof(double)));
        cr_plan_point(sweep, i, point.coordinates, &is_over);
        if (is_over)
            break;
        CR_TRY(add_point(sweep, &point, config, seed, &seen, &is_new));
        if (is_new)
            point = (cr_point){0};
    }
    if (sweep->n_points < n && !is_over)
        cr_log_info("%s: the space has only %lld different points, %lld were asked for", sweep->path,
                    (long long)sweep->n_points, (long long)n);
done:
    tdestroy(seen, keep);
    cr_config_destroy(&config);
    for (int p = 0; point.texts && p < n_parameters; p++)
        free(point.texts[p]);
    free(point.texts);
    free(point.coordinates);
    return status;
}
