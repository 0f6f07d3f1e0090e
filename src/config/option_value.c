/* One option's value: read, default, text, free. */
#include "option.h"

#include "crisol/atomic_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *member_of(const cr_option *option, void *base)
{
    return (char *)base + option->offset;
}

static const void *const_member_of(const cr_option *option, const void *base)
{
    return (const char *)base + option->offset;
}

static void clear_strings(cr_strings *strings)
{
    for (int64_t i = 0; i < strings->n; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (cr_strings){0};
}

static void clear_ints(cr_ints *ints)
{
    free(ints->items);
    *ints = (cr_ints){0};
}

void cr_option_clear(const cr_option *option, void *base)
{
    void *member = member_of(option, base);
    if (option->type == CR_OPTION_TEXT || option->type == CR_OPTION_PATH) {
        free(*(char **)member);
        *(char **)member = NULL;
    } else if (option->type == CR_OPTION_TEXTS) {
        clear_strings(member);
    } else if (option->type == CR_OPTION_INTS) {
        clear_ints(member);
    } else if (option->type == CR_OPTION_WEIGHTS) {
        cr_weights_clear(member);
    }
}

/* An absolute path stays what it means wherever the resolved config is written or the program is started next. */
static cr_status make_absolute(const char *path, const char *folder, char **absolute)
{
    char *here = NULL;
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
        path += strspn(path, "/");
    }
    if (!*path || *path == '/') {
        *absolute = strdup(path);
    } else {
        if (!folder) {
            here = getcwd(NULL, 0);
            if (!here)
                return cr_fail_errno("cannot find out the current folder");
        }
        *absolute = cr_path_join(folder ? folder : here, path);
        free(here);
    }
    return *absolute ? CR_OK : cr_fail_memory("a path", strlen(path));
}

static cr_status read_string(const cr_option *option, char **member, const cr_yaml *yaml, const cr_yaml_node *node,
                             const char *folder)
{
    const char *text;
    char *copy = NULL;
    cr_status status;
    CR_TRY(cr_yaml_get_string(yaml, node, &text));
    if (option->type == CR_OPTION_PATH) {
        CR_TRY(make_absolute(text, folder, &copy));
    } else {
        copy = strdup(text);
        if (!copy)
            CR_TRY(cr_fail_memory("a text", strlen(text)));
    }
    free(*member);
    *member = copy;
done:
    return status;
}

static cr_status check_list(const cr_option *option, const cr_yaml *yaml, const cr_yaml_node *node)
{
    cr_status status = cr_yaml_expect(yaml, node, CR_YAML_SEQUENCE);
    if (status != CR_OK)
        return status;
    bool is_exact = option->type == CR_OPTION_REALS;
    if (is_exact ? node->n != option->n_items : node->n > option->n_items)
        return cr_yaml_fail(yaml, node, "'%s' must have %s %lld items, not %lld", option->name,
                            is_exact ? "exactly" : "at most", (long long)option->n_items, (long long)node->n);
    return CR_OK;
}

static cr_status read_strings(cr_strings *member, const cr_yaml *yaml, const cr_yaml_node *node)
{
    cr_status status = CR_OK;
    cr_strings list = {.items = calloc((size_t)node->n + 1, sizeof *list.items)};
    if (!list.items)
        return cr_fail_memory("a list", (size_t)node->n * sizeof *list.items);
    for (int64_t i = 0; i < node->n; i++) {
        const char *text;
        CR_TRY(cr_yaml_get_string(yaml, node->items[i], &text));
        list.items[i] = strdup(text);
        if (!list.items[i])
            CR_TRY(cr_fail_memory("a text", strlen(text)));
        list.n++;
    }
    clear_strings(member);
    *member = list;
    list = (cr_strings){0};
done:
    clear_strings(&list);
    return status;
}

static cr_status read_int(const cr_option *option, const cr_yaml *yaml, const cr_yaml_node *node, int64_t *value)
{
    int64_t lowest = isinf(option->lowest) ? INT64_MIN : (int64_t)option->lowest;
    int64_t highest = isinf(option->highest) ? INT64_MAX : (int64_t)option->highest;
    return cr_yaml_get_int(yaml, node, lowest, highest, value);
}

static cr_status read_ints(const cr_option *option, cr_ints *member, const cr_yaml *yaml, const cr_yaml_node *node)
{
    cr_status status = CR_OK;
    cr_ints list = {.items = calloc((size_t)node->n + 1, sizeof *list.items), .n = node->n};
    if (!list.items)
        return cr_fail_memory("a list", (size_t)node->n * sizeof *list.items);
    for (int64_t i = 0; i < node->n; i++)
        CR_TRY(read_int(option, yaml, node->items[i], &list.items[i]));
    clear_ints(member);
    *member = list;
    list = (cr_ints){0};
done:
    clear_ints(&list);
    return status;
}

static cr_status read_real(const cr_option *option, const cr_yaml *yaml, const cr_yaml_node *node, double *value)
{
    double found;
    cr_status status = cr_yaml_get_real(yaml, node, option->lowest, option->highest, &found);
    if (status != CR_OK)
        return status;
    if (option->below && found >= option->highest)
        return cr_yaml_fail(yaml, node, "'%s' must be below %g, not '%s'", option->name, option->highest, node->text);
    *value = found;
    return CR_OK;
}

static cr_status read_reals(const cr_option *option, double *member, const cr_yaml *yaml, const cr_yaml_node *node)
{
    cr_status status = CR_OK;
    double *list = calloc((size_t)node->n + 1, sizeof *list);
    if (!list)
        return cr_fail_memory("a list", (size_t)node->n * sizeof *list);
    for (int64_t i = 0; i < node->n; i++)
        CR_TRY(read_real(option, yaml, node->items[i], &list[i]));
    memcpy(member, list, (size_t)node->n * sizeof *list);
done:
    free(list);
    return status;
}

cr_status cr_option_read(const cr_option *option, void *base, const cr_yaml *yaml, const cr_yaml_node *node,
                         const char *folder)
{
    void *member = member_of(option, base);
    if (cr_option_is_list(option)) {
        cr_status status = check_list(option, yaml, node);
        if (status != CR_OK)
            return status;
    }
    switch (option->type) {
    case CR_OPTION_INT:
        return read_int(option, yaml, node, member);
    case CR_OPTION_UINT64:
        return cr_yaml_get_uint64(yaml, node, member);
    case CR_OPTION_REAL:
        return read_real(option, yaml, node, member);
    case CR_OPTION_BOOL:
        return cr_yaml_get_bool(yaml, node, member);
    case CR_OPTION_CHOICE:
        return cr_yaml_get_choice(yaml, node, option->choices, member);
    case CR_OPTION_TEXT:
    case CR_OPTION_PATH:
        return read_string(option, member, yaml, node, folder);
    case CR_OPTION_TEXTS:
        return read_strings(member, yaml, node);
    case CR_OPTION_INTS:
        return read_ints(option, member, yaml, node);
    case CR_OPTION_REALS:
        return read_reals(option, member, yaml, node);
    case CR_OPTION_WEIGHTS:
        return cr_weights_read(option, member, yaml, node);
    }
    return cr_fail(CR_INTERNAL, "option '%s' has no type", option->name);
}

cr_status cr_option_set_default(const cr_option *option, void *base)
{
    cr_yaml *yaml = NULL;
    char name[CR_OPTION_NAME_MAX + 16];
    snprintf(name, sizeof name, "default of %s", option->name);
    cr_status status = cr_yaml_parse_value(option->fallback, name, &yaml);
    if (status == CR_OK)
        status = cr_option_read(option, base, yaml, cr_yaml_root(yaml), NULL);
    cr_yaml_destroy(&yaml);
    return status;
}

bool cr_option_is_list(const cr_option *option)
{
    return option->type == CR_OPTION_TEXTS || option->type == CR_OPTION_INTS || option->type == CR_OPTION_REALS;
}

int64_t cr_option_count(const cr_option *option, const void *base)
{
    const void *member = const_member_of(option, base);
    if (option->type == CR_OPTION_TEXTS)
        return ((const cr_strings *)member)->n;
    if (option->type == CR_OPTION_INTS)
        return ((const cr_ints *)member)->n;
    return option->type == CR_OPTION_REALS ? option->n_items : 1;
}

/* The shortest of 15 to 17 digits that gives the same double back; with a point before an exponent, since other
 * readers (YAML 1.1) would take 1e-05 for a text. */
const char *cr_real_text(double value, char buffer[CR_OPTION_ITEM_MAX])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buffer, CR_OPTION_ITEM_MAX, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value)
            break;
    }
    char *exponent = strchr(buffer, 'e');
    if (exponent && !strchr(buffer, '.')) {
        char power[CR_OPTION_ITEM_MAX];
        snprintf(power, sizeof power, "%s", exponent);
        snprintf(exponent, (size_t)(buffer + CR_OPTION_ITEM_MAX - exponent), ".0%s", power);
    }
    return buffer;
}

const char *cr_option_item(const cr_option *option, const void *base, int64_t item, char buffer[CR_OPTION_ITEM_MAX])
{
    const void *member = const_member_of(option, base);
    switch (option->type) {
    case CR_OPTION_INT:
        snprintf(buffer, CR_OPTION_ITEM_MAX, "%" PRId64, *(const int64_t *)member);
        return buffer;
    case CR_OPTION_UINT64:
        snprintf(buffer, CR_OPTION_ITEM_MAX, "%" PRIu64, *(const uint64_t *)member);
        return buffer;
    case CR_OPTION_INTS:
        snprintf(buffer, CR_OPTION_ITEM_MAX, "%" PRId64, ((const cr_ints *)member)->items[item]);
        return buffer;
    case CR_OPTION_REAL:
    case CR_OPTION_REALS:
        return cr_real_text(((const double *)member)[item], buffer);
    case CR_OPTION_BOOL:
        return *(const bool *)member ? "true" : "false";
    case CR_OPTION_CHOICE:
        return option->choices[*(const int *)member];
    case CR_OPTION_TEXTS:
        return ((const cr_strings *)member)->items[item];
    case CR_OPTION_WEIGHTS:
        return option->choices[((const cr_weights *)member)->rule];
    case CR_OPTION_TEXT:
    case CR_OPTION_PATH:
        break;
    }
    const char *text = *(char *const *)member;
    return text ? text : "";
}
