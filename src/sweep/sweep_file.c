/* Reading a sweep file. */
#include "crisol/atomic_file.h"
#include "crisol/pack.h"
#include "crisol/train.h"
#include "plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = {"base",  "set",    "parameters", "method", "seed",  "metric",
                                   "ranks", "trials", "seeds",      "hours",  "prune", NULL};

/* The file's path and folder, as absolute ones. */
static cr_status find_folder(cr_sweep *sweep, const char *path)
{
    sweep->path = strdup(path);
    sweep->folder = realpath(path, NULL);
    if (!sweep->path || !sweep->folder)
        return cr_fail_errno("%s: cannot open", path);
    char *slash = strrchr(sweep->folder, '/');
    slash[slash == sweep->folder] = 0;
    return CR_OK;
}

static cr_status read_base(const cr_sweep *sweep, const cr_yaml_node *root, cr_config *config)
{
    const cr_yaml_node *node;
    const char *text;
    char *path = NULL;
    cr_status status;
    CR_TRY(cr_yaml_need(sweep->yaml, root, "base", &node));
    CR_TRY(cr_yaml_get_string(sweep->yaml, node, &text));
    path = *text == '/' ? strdup(text) : cr_path_join(sweep->folder, text);
    if (!path)
        CR_TRY(cr_fail_memory("a path", strlen(text)));
    status = cr_config_read(config, path);
    if (status == CR_MISSING)
        CR_TRY(cr_yaml_fail(sweep->yaml, node, "'base': there is no file %s", path));
done:
    free(path);
    return status;
}

/* The map 'set', then the command line. */
static cr_status read_sets(const cr_sweep *sweep, const cr_yaml_node *root, const char *const *sets, int n_sets,
                           cr_config *config)
{
    const cr_yaml_node *map = cr_yaml_find(root, "set");
    cr_status status = map ? cr_yaml_expect(sweep->yaml, map, CR_YAML_MAP) : CR_OK;
    for (int64_t i = 0; status == CR_OK && map && i < map->n; i++) {
        cr_config_kind kind;
        const cr_yaml_node *item = map->items[i];
        status = cr_config_find(item->key, sweep->yaml, item, &kind);
        if (status == CR_OK)
            status = cr_config_apply(config, item->key, sweep->yaml, item, sweep->folder);
    }
    for (int i = 0; status == CR_OK && i < n_sets; i++)
        status = cr_config_set(config, sets[i]);
    return status;
}

/* What is compared is what every trial monitors, so that its best checkpoint is the one that counts. */
static cr_status read_metric(cr_sweep *sweep, const cr_yaml_node *root, cr_config *config)
{
    static const char *const metric_keys[] = {"name", "goal", NULL};
    static const char *const goals[] = {"minimize", "maximize", NULL};
    cr_status status = CR_OK;
    const cr_yaml_node *map = cr_yaml_find(root, "metric");
    if (map) {
        const cr_yaml_node *name, *goal = cr_yaml_find(map, "goal");
        int choice;
        CR_TRY(cr_yaml_check_keys(sweep->yaml, map, metric_keys));
        CR_TRY(cr_yaml_need(sweep->yaml, map, "name", &name));
        CR_TRY(cr_config_apply(config, "train.monitor", sweep->yaml, name, NULL));
        config->train.mode = 0;
        if (goal) {
            CR_TRY(cr_yaml_get_choice(sweep->yaml, goal, goals, &choice));
            config->train.mode = 1 + choice;
        }
    }
    sweep->maximize = cr_monitor_is_maximized(config);
    sweep->metric = strdup(config->train.monitor);
    if (!sweep->metric)
        CR_TRY(cr_fail_memory("a name", 1));
done:
    return status;
}

static cr_status read_int(const cr_sweep *sweep, const cr_yaml_node *map, const char *key, int64_t lowest,
                          int64_t highest, int64_t *value)
{
    const cr_yaml_node *node = cr_yaml_find(map, key);
    return node ? cr_yaml_get_int(sweep->yaml, node, lowest, highest, value) : CR_OK;
}

static cr_status read_prune(cr_sweep *sweep, const cr_yaml_node *root)
{
    static const char *const prune_keys[] = {"rule", "epochs", "trials", "factor", NULL};
    static const char *const rules[] = {"none", "median", "halving", NULL};
    const cr_yaml_node *map = cr_yaml_find(root, "prune"), *node;
    cr_prune *prune = &sweep->prune;
    cr_status status = CR_OK;
    *prune = (cr_prune){.epochs = 1, .trials = 5, .factor = 3};
    if (sweep->method == CR_SWEEP_HALVING)
        prune->rule = CR_PRUNE_HALVING;
    if (!map)
        return CR_OK;
    CR_TRY(cr_yaml_check_keys(sweep->yaml, map, prune_keys));
    if (sweep->method != CR_SWEEP_HALVING) {
        int rule;
        CR_TRY(cr_yaml_need(sweep->yaml, map, "rule", &node));
        CR_TRY(cr_yaml_get_choice(sweep->yaml, node, rules, &rule));
        prune->rule = (cr_prune_rule)rule;
    } else if ((node = cr_yaml_find(map, "rule"))) {
        CR_TRY(cr_yaml_fail_key(sweep->yaml, node, "method halving is a rule already"));
    }
    node = cr_yaml_find(map, prune->rule == CR_PRUNE_MEDIAN ? "factor" : "trials");
    if (node)
        CR_TRY(cr_yaml_fail_key(sweep->yaml, node, "'%s' does not belong to this rule", node->key));
    CR_TRY(read_int(sweep, map, "epochs", 1, 1000000, &prune->epochs));
    CR_TRY(read_int(sweep, map, "trials", 1, CR_SWEEP_MAX_TRIALS, &prune->trials));
    CR_TRY(read_int(sweep, map, "factor", 2, 1000, &prune->factor));
done:
    return status;
}

static cr_status read_rest(cr_sweep *sweep, const cr_yaml_node *root)
{
    static const char *const methods[] = {"grid", "random", "sobol", "halving", NULL};
    const cr_yaml_node *node;
    cr_status status;
    int method;
    sweep->ranks = sweep->n_seeds = 1;
    sweep->seed = 1;
    CR_TRY(cr_yaml_need(sweep->yaml, root, "method", &node));
    CR_TRY(cr_yaml_get_choice(sweep->yaml, node, methods, &method));
    sweep->method = (cr_sweep_method)method;
    if ((node = cr_yaml_find(root, "seed")))
        CR_TRY(cr_yaml_get_uint64(sweep->yaml, node, &sweep->seed));
    if ((node = cr_yaml_find(root, "hours")))
        CR_TRY(cr_yaml_get_real(sweep->yaml, node, 0, 1e6, &sweep->hours));
    CR_TRY(read_int(sweep, root, "ranks", 1, 1000000, &sweep->ranks));
    CR_TRY(read_int(sweep, root, "seeds", 1, CR_SWEEP_MAX_SEEDS, &sweep->n_seeds));
    CR_TRY(read_int(sweep, root, "trials", 1, CR_SWEEP_MAX_TRIALS, &sweep->max_trials));
    if (sweep->max_trials == 0 && sweep->method != CR_SWEEP_GRID)
        CR_TRY(cr_yaml_fail(sweep->yaml, root, "key 'trials' is missing: how many there are to be at most"));
    if (sweep->max_trials > 0 && sweep->max_trials < sweep->n_seeds)
        CR_TRY(cr_yaml_fail_key(sweep->yaml, cr_yaml_find(root, "trials"),
                                "%" PRId64 " trials are not enough for a point with %" PRId64 " seeds",
                                sweep->max_trials, sweep->n_seeds));
    CR_TRY(read_prune(sweep, root));
done:
    return status;
}

/* The base config as text, and the pack that it names. */
static cr_status finish_base(cr_sweep *sweep, const cr_config *config)
{
    cr_pack *pack = NULL;
    cr_status status = CR_OK;
    if (!*config->data.pack)
        CR_TRY(cr_fail(CR_BAD_CONFIG,
                       "%s: no data.pack, neither in the base config nor under 'set'; or give --set data.pack=DIR",
                       sweep->path));
    CR_TRY(cr_pack_open(config->data.pack, &pack));
    snprintf(sweep->pack_id, sizeof sweep->pack_id, "%s", cr_pack_id(pack));
    CR_TRY(cr_config_dump(config, &sweep->base));
done:
    cr_pack_close(&pack);
    return status;
}

cr_status cr_sweep_read(const char *path, const char *const *sets, int n_sets, cr_sweep **sweep)
{
    cr_status status = CR_OK;
    cr_config *config = NULL;
    const cr_yaml_node *parameters;
    *sweep = NULL;
    cr_sweep *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a sweep", sizeof *made);
    CR_TRY(cr_yaml_read(path, &made->yaml));
    CR_TRY(find_folder(made, path));
    const cr_yaml_node *root = cr_yaml_root(made->yaml);
    CR_TRY(cr_yaml_check_keys(made->yaml, root, keys));
    CR_TRY(cr_config_create(&config));
    CR_TRY(read_base(made, root, config));
    CR_TRY(read_sets(made, root, sets, n_sets, config));
    CR_TRY(read_metric(made, root, config));
    CR_TRY(read_rest(made, root));
    CR_TRY(finish_base(made, config));
    CR_TRY(cr_yaml_need(made->yaml, root, "parameters", &parameters));
    CR_TRY(cr_plan_read_parameters(made, parameters, config));
    CR_TRY(cr_plan_expand(made));
    *sweep = made;
    made = NULL;
done:
    cr_config_destroy(&config);
    cr_sweep_destroy(&made);
    return status;
}

void cr_sweep_destroy(cr_sweep **sweep)
{
    if (!sweep || !*sweep)
        return;
    cr_sweep *it = *sweep;
    for (int64_t i = 0; i < it->n_points; i++) {
        for (int p = 0; p < it->n_parameters; p++)
            free(it->points[i].texts[p]);
        free(it->points[i].texts);
        free(it->points[i].coordinates);
    }
    for (int p = 0; p < it->n_parameters; p++) {
        free(it->parameters[p].name);
        free(it->parameters[p].shares);
    }
    free(it->points);
    free(it->trials);
    free(it->parameters);
    free(it->weights);
    free(it->metric);
    free(it->base);
    free(it->folder);
    free(it->path);
    cr_yaml_destroy(&it->yaml);
    free(*sweep);
    *sweep = NULL;
}

int64_t cr_sweep_n_trials(const cr_sweep *sweep)
{
    return sweep->n_trials;
}

/* Columns as wide as their widest text. */
void cr_sweep_print(const cr_sweep *sweep, FILE *out)
{
    int widths[CR_SWEEP_MAX_PARAMETERS];
    for (int p = 0; p < sweep->n_parameters; p++) {
        widths[p] = (int)strlen(sweep->parameters[p].name);
        for (int64_t i = 0; i < sweep->n_points; i++)
            if ((int)strlen(sweep->points[i].texts[p]) > widths[p])
                widths[p] = (int)strlen(sweep->points[i].texts[p]);
    }
    fprintf(out, "%6s  %-16s  %6s", "trial", "id", "seed");
    for (int p = 0; p < sweep->n_parameters; p++)
        fprintf(out, "  %*s", widths[p], sweep->parameters[p].name);
    fputc('\n', out);
    for (int64_t i = 0; i < sweep->n_trials; i++) {
        const cr_trial *trial = &sweep->trials[i];
        fprintf(out, "%6" PRId64 "  %s  %6" PRIu64, i, trial->id, trial->seed);
        for (int p = 0; p < sweep->n_parameters; p++)
            fprintf(out, "  %*s", widths[p], sweep->points[trial->point].texts[p]);
        fputc('\n', out);
    }
}
