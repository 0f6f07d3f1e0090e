/* The parameters of a sweep file. */
#include "plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = {"values", "weights", "range", "scale", "steps", NULL};

static cr_status read_weights(const cr_sweep *sweep, const cr_yaml_node *node, cr_parameter *parameter)
{
    cr_status status = CR_OK;
    double sum = 0;
    CR_TRY(cr_yaml_expect(sweep->yaml, node, CR_YAML_SEQUENCE));
    if (node->n < 1 || node->n != parameter->values->n)
        CR_TRY(cr_yaml_fail(sweep->yaml, node, "%lld weights for %lld values", (long long)node->n,
                            (long long)parameter->values->n));
    parameter->shares = calloc((size_t)node->n, sizeof *parameter->shares);
    if (!parameter->shares)
        CR_TRY(cr_fail_memory("weights", (size_t)node->n * sizeof *parameter->shares));
    for (int64_t i = 0; i < node->n; i++) {
        CR_TRY(cr_yaml_get_real(sweep->yaml, node->items[i], 0, 1e9, &parameter->shares[i]));
        sum += parameter->shares[i];
    }
    if (sum <= 0)
        CR_TRY(cr_yaml_fail(sweep->yaml, node, "one weight at least must be above 0"));
    for (int64_t i = 0; i < node->n; i++)
        parameter->shares[i] /= sum;
done:
    return status;
}

static cr_status read_values(const cr_sweep *sweep, const cr_yaml_node *map, cr_config *scratch,
                             cr_parameter *parameter)
{
    cr_status status = CR_OK;
    const cr_yaml_node *values = cr_yaml_find(map, "values"), *weights = cr_yaml_find(map, "weights");
    CR_TRY(cr_yaml_expect(sweep->yaml, values, CR_YAML_SEQUENCE));
    if (values->n == 0)
        CR_TRY(cr_yaml_fail(sweep->yaml, values, "name one value at least"));
    for (int64_t i = 0; i < values->n; i++)
        CR_TRY(cr_config_apply(scratch, parameter->name, sweep->yaml, values->items[i], sweep->folder));
    parameter->values = values;
    if (weights)
        CR_TRY(read_weights(sweep, weights, parameter));
    const cr_yaml_node *odd = cr_yaml_find(map, "scale");
    odd = odd ? odd : cr_yaml_find(map, "steps");
    if (odd)
        CR_TRY(cr_yaml_fail_key(sweep->yaml, odd, "'%s' belongs to a range, not to values", odd->key));
done:
    return status;
}

static cr_status read_range(const cr_sweep *sweep, const cr_yaml_node *map, cr_config *scratch, cr_config_kind kind,
                            cr_parameter *parameter)
{
    static const char *const scales[] = {"linear", "log", NULL};
    const cr_yaml_node *range = cr_yaml_find(map, "range"), *scale = cr_yaml_find(map, "scale");
    const cr_yaml_node *steps = cr_yaml_find(map, "steps"), *weights = cr_yaml_find(map, "weights");
    cr_status status = CR_OK;
    int choice = 0;
    if (kind == CR_CONFIG_OTHER)
        CR_TRY(cr_yaml_fail(sweep->yaml, range, "'%s' is no number; name its values", parameter->name));
    if (weights)
        CR_TRY(cr_yaml_fail_key(sweep->yaml, weights, "'weights' belong to values, not to a range"));
    CR_TRY(cr_yaml_expect(sweep->yaml, range, CR_YAML_SEQUENCE));
    if (range->n != 2)
        CR_TRY(cr_yaml_fail(sweep->yaml, range, "a range is [lowest, highest]"));
    for (int i = 0; i < 2; i++) {
        CR_TRY(cr_config_apply(scratch, parameter->name, sweep->yaml, range->items[i], sweep->folder));
        CR_TRY(cr_yaml_get_real(sweep->yaml, range->items[i], -INFINITY, INFINITY,
                                i == 0 ? &parameter->low : &parameter->high));
    }
    parameter->is_integer = kind == CR_CONFIG_INTEGER;
    if (parameter->is_integer && fmax(fabs(parameter->low), fabs(parameter->high)) > 1e15)
        CR_TRY(cr_yaml_fail(sweep->yaml, range, "integers of a range go up to 1e15"));
    if (parameter->low >= parameter->high)
        CR_TRY(cr_yaml_fail(sweep->yaml, range, "the first number must be the lower one"));
    if (scale)
        CR_TRY(cr_yaml_get_choice(sweep->yaml, scale, scales, &choice));
    parameter->is_log = choice == 1;
    if (parameter->is_log && parameter->low <= 0)
        CR_TRY(cr_yaml_fail(sweep->yaml, range, "a log scale begins above 0"));
    if (steps)
        CR_TRY(cr_yaml_get_int(sweep->yaml, steps, 2, CR_SWEEP_MAX_TRIALS, &parameter->steps));
    if (sweep->method == CR_SWEEP_GRID && !steps)
        CR_TRY(cr_yaml_fail(sweep->yaml, map, "a grid needs 'steps' of the range, or 'values'"));
done:
    return status;
}

/* What the sweep itself sets, or compares. */
static cr_status check_name(const cr_sweep *sweep, const cr_yaml_node *map)
{
    const char *name = map->key;
    if (!strcmp(name, "data.pack"))
        return cr_yaml_fail_key(sweep->yaml, map,
                                "'data.pack' cannot be a parameter: figures of two packs do not compare");
    if (!strcmp(name, "train.monitor") || !strcmp(name, "train.mode"))
        return cr_yaml_fail_key(sweep->yaml, map, "'%s' cannot be a parameter: 'metric' says what is compared", name);
    if (!strcmp(name, "train.seed") && sweep->n_seeds > 1)
        return cr_yaml_fail_key(sweep->yaml, map, "'train.seed' cannot be a parameter beside 'seeds'");
    return CR_OK;
}

static cr_status read_parameter(cr_sweep *sweep, const cr_yaml_node *map, cr_config *scratch)
{
    cr_status status = CR_OK;
    cr_config_kind kind;
    cr_parameter *parameter = &sweep->parameters[sweep->n_parameters];
    CR_TRY(cr_config_find(map->key, sweep->yaml, map, &kind));
    CR_TRY(check_name(sweep, map));
    CR_TRY(cr_yaml_check_keys(sweep->yaml, map, keys));
    if (!cr_yaml_find(map, "values") == !cr_yaml_find(map, "range"))
        CR_TRY(cr_yaml_fail_key(sweep->yaml, map, "'%s' needs either 'values' or a 'range'", map->key));
    parameter->name = strdup(map->key);
    if (!parameter->name)
        CR_TRY(cr_fail_memory("a name", strlen(map->key)));
    sweep->n_parameters++;
    CR_TRY(cr_yaml_find(map, "values") ? read_values(sweep, map, scratch, parameter)
                                       : read_range(sweep, map, scratch, kind, parameter));
done:
    return status;
}

cr_status cr_plan_read_parameters(cr_sweep *sweep, const cr_yaml_node *map, cr_config *scratch)
{
    cr_status status = CR_OK;
    CR_TRY(cr_yaml_expect(sweep->yaml, map, CR_YAML_MAP));
    if (map->n < 1 || map->n > CR_SWEEP_MAX_PARAMETERS)
        CR_TRY(cr_yaml_fail(sweep->yaml, map, "a sweep has from 1 to %d parameters, not %lld", CR_SWEEP_MAX_PARAMETERS,
                            (long long)map->n));
    sweep->parameters = calloc((size_t)map->n, sizeof *sweep->parameters);
    if (!sweep->parameters)
        CR_TRY(cr_fail_memory("parameters", (size_t)map->n * sizeof *sweep->parameters));
    for (int64_t i = 0; i < map->n; i++)
        CR_TRY(read_parameter(sweep, map->items[i], scratch));
done:
    return status;
}
