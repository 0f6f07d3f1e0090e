/* Weights: a rule by its word, or a number a name. */
#include "option.h"

#include <stdlib.h>
#include <string.h>

void cr_weights_clear(cr_weights *member)
{
    for (int64_t i = 0; i < member->n; i++)
        free(member->names[i]);
    free(member->names);
    free(member->values);
    *member = (cr_weights){.rule = CR_WEIGHTS_NONE};
}

const cr_weights *cr_option_weights(const cr_option *option, const void *base)
{
    const cr_weights *member = (const void *)((const char *)base + option->offset);
    return option->type == CR_OPTION_WEIGHTS && member->rule == CR_WEIGHTS_LISTED ? member : NULL;
}

static cr_status read_map(const cr_option *option, cr_weights *list, const cr_yaml *yaml, const cr_yaml_node *node)
{
    cr_status status = CR_OK;
    if (node->n < 1 || node->n > option->n_items)
        return cr_yaml_fail(yaml, node, "'%s' must name from 1 to %lld numbers, not %lld", option->name,
                            (long long)option->n_items, (long long)node->n);
    list->names = calloc((size_t)node->n, sizeof *list->names);
    list->values = calloc((size_t)node->n, sizeof *list->values);
    if (!list->names || !list->values)
        return cr_fail_memory("a map", (size_t)node->n * sizeof *list->names);
    for (int64_t i = 0; i < node->n; i++) {
        CR_TRY(cr_yaml_get_real(yaml, node->items[i], option->lowest, option->highest, &list->values[i]));
        list->names[i] = strdup(node->items[i]->key);
        if (!list->names[i])
            CR_TRY(cr_fail_memory("a text", strlen(node->items[i]->key)));
        list->n++;
    }
done:
    return status;
}

cr_status cr_weights_read(const cr_option *option, cr_weights *member, const cr_yaml *yaml, const cr_yaml_node *node)
{
    cr_weights found = {.rule = CR_WEIGHTS_LISTED};
    int choice = 0;
    cr_status status = CR_OK;
    if (node->kind == CR_YAML_MAP) {
        CR_TRY(read_map(option, &found, yaml, node));
    } else {
        CR_TRY(cr_yaml_get_choice(yaml, node, option->choices, &choice));
        found.rule = (cr_weight_rule)choice;
    }
    cr_weights_clear(member);
    *member = found;
    found = (cr_weights){.rule = CR_WEIGHTS_NONE};
done:
    cr_weights_clear(&found);
    return status;
}
