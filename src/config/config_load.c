#include "crisol/config.h"

#include "crisol/atomic_file.h"
#include "option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

cr_status cr_config_create(cr_config **config)
{
    *config = NULL;
    cr_config *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a config", sizeof *made);
    cr_status status = CR_OK;
    for (int i = 0; i < cr_config_table.n && status == CR_OK; i++)
        status = cr_option_set_default(&cr_config_table.options[i], made);
    if (status != CR_OK)
        cr_config_destroy(&made);
    *config = made;
    return status;
}

void cr_config_destroy(cr_config **config)
{
    if (!config || !*config)
        return;
    for (int i = 0; i < cr_config_table.n; i++)
        cr_option_clear(&cr_config_table.options[i], *config);
    free(*config);
    *config = NULL;
}

/* The absolute folder that a file stands in, malloc'ed. */
static cr_status find_folder(const char *path, char **folder)
{
    cr_status status = CR_OK;
    char *relative = NULL, *here = NULL;
    *folder = NULL;
    relative = cr_path_parent(path);
    here = getcwd(NULL, 0);
    if (!relative || !here)
        CR_TRY(cr_fail_errno("%s: cannot find out its folder", path));
    if (!strcmp(relative, "."))
        *folder = strdup(here);
    else
        *folder = *relative == '/' ? strdup(relative) : cr_path_join(here, relative);
    if (!*folder)
        CR_TRY(cr_fail_memory("a path", strlen(path)));
done:
    free(relative);
    free(here);
    return status;
}

cr_status cr_config_read(cr_config *config, const char *path)
{
    cr_status status;
    cr_yaml *yaml = NULL;
    char *folder = NULL;
    CR_TRY(cr_yaml_read(path, &yaml));
    CR_TRY(find_folder(path, &folder));
    CR_TRY(cr_options_apply(&cr_config_table, config, yaml, cr_yaml_root(yaml), "", folder));
done:
    free(folder);
    cr_yaml_destroy(&yaml);
    return status;
}

cr_status cr_config_parse(cr_config *config, const char *text, size_t bytes, const char *name)
{
    cr_status status;
    cr_yaml *yaml = NULL;
    CR_TRY(cr_yaml_parse(text, bytes, name, &yaml));
    CR_TRY(cr_options_apply(&cr_config_table, config, yaml, cr_yaml_root(yaml), "", NULL));
done:
    cr_yaml_destroy(&yaml);
    return status;
}

cr_status cr_config_set(cr_config *config, const char *assignment)
{
    cr_status status;
    cr_yaml *yaml = NULL;
    char *name = NULL, *source = NULL;
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return cr_fail(CR_USAGE, "--set %s: write NAME=VALUE, as in --set optimizer.lr=0.01", assignment);
    name = strndup(assignment, (size_t)(equals - assignment));
    if (!name || asprintf(&source, "--set %s", name) < 0) {
        source = NULL;
        CR_TRY(cr_fail_memory("an override", strlen(assignment)));
    }
    /* nothing behind the = is the empty text, not YAML's null */
    CR_TRY(cr_yaml_parse_value(equals[1] ? equals + 1 : "\"\"", source, &yaml));
    CR_TRY(cr_options_apply(&cr_config_table, config, yaml, cr_yaml_root(yaml), name, NULL));
done:
    cr_yaml_destroy(&yaml);
    free(source);
    free(name);
    return status;
}

cr_status cr_config_apply(cr_config *config, const char *name, const cr_yaml *yaml, const cr_yaml_node *node,
                          const char *folder)
{
    return cr_options_apply(&cr_config_table, config, yaml, node, name, folder);
}

cr_status cr_config_find(const char *name, const cr_yaml *yaml, const cr_yaml_node *node, cr_config_kind *kind)
{
    const cr_option *option;
    bool is_known = cr_options_find(&cr_config_table, name, &option);
    if (!is_known) {
        char suggestion[CR_ERROR_MAX / 2];
        cr_options_suggest(&cr_config_table, name, suggestion, sizeof suggestion);
        return cr_yaml_fail_key(yaml, node, "unknown option '%s'%s", name, suggestion);
    }
    if (!option)
        return cr_yaml_fail_key(yaml, node, "'%s' is a section; name one option, as in optimizer.lr", name);
    bool is_integer = option->type == CR_OPTION_INT || option->type == CR_OPTION_UINT64;
    *kind = is_integer ? CR_CONFIG_INTEGER : option->type == CR_OPTION_REAL ? CR_CONFIG_REAL : CR_CONFIG_OTHER;
    return CR_OK;
}

cr_status cr_config_value(const cr_config *config, const char *name, char **text)
{
    const cr_option *option;
    if (!cr_options_find(&cr_config_table, name, &option) || !option)
        return cr_fail(CR_INTERNAL, "there is no option '%s'", name);
    return cr_option_text(option, config, text);
}

cr_status cr_config_identify(const cr_config *config, char **text)
{
    return cr_options_identify(&cr_config_table, config, text);
}

cr_status cr_config_dump(const cr_config *config, char **text)
{
    return cr_options_dump(&cr_config_table, config, text);
}

cr_status cr_config_compare(const cr_config *a, const cr_config *b, char **difference)
{
    return cr_options_compare(&cr_config_table, a, b, difference);
}

void cr_config_print_options(FILE *out)
{
    const char *section = "";
    for (int i = 0; i < cr_config_table.n; i++) {
        const cr_option *option = &cr_config_table.options[i];
        size_t length = strcspn(option->name, ".");
        if (strncmp(option->name, section, length + 1) != 0)
            fprintf(out, "%s%.*s\n", i > 0 ? "\n" : "", (int)length, option->name);
        section = option->name;
        char *allowed = NULL;
        if (cr_option_allowed(option, &allowed) == CR_OK)
            fprintf(out, "  %s: %s\n      %s\n      %s%s\n", option->name, option->fallback, option->meaning, allowed,
                    option->is_free ? "; may differ when a training goes on" : "");
        free(allowed);
    }
}
