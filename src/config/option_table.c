/* A table of options as a whole: applying a file, finding names, comparing. */
#include "option.h"
#include "yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cr_options_find(const cr_option_table *table, const char *name, const cr_option **option)
{
    size_t length = strlen(name);
    bool is_section = length == 0;
    *option = NULL;
    for (int i = 0; i < table->n; i++) {
        const cr_option *at = &table->options[i];
        if (!strcmp(at->name, name)) {
            *option = at;
            return true;
        }
        is_section = is_section || (!strncmp(at->name, name, length) && at->name[length] == '.');
    }
    return is_section;
}

enum {
    MAX_SIBLINGS = 64
};

/* What a section holds directly: options and sections by their bare names. */
typedef struct siblings {
    char text[MAX_SIBLINGS][CR_OPTION_NAME_MAX];
    const char *names[MAX_SIBLINGS + 1]; /* ends with null */
    int n;
} siblings;

static void collect_siblings(const cr_option_table *table, const char *section, size_t length, siblings *found)
{
    found->n = 0;
    for (int i = 0; i < table->n && found->n < MAX_SIBLINGS; i++) {
        const char *rest = table->options[i].name;
        if (length > 0 && (strncmp(rest, section, length) != 0 || rest[length] != '.'))
            continue;
        rest += length > 0 ? length + 1 : 0;
        char *text = found->text[found->n];
        snprintf(text, CR_OPTION_NAME_MAX, "%.*s", (int)strcspn(rest, "."), rest);
        if (found->n > 0 && !strcmp(text, found->names[found->n - 1])) /* a section's options stand together */
            continue;
        found->names[found->n++] = text;
    }
    found->names[found->n] = NULL;
}

/* The option whose last word is this one, or nearly: `lr` for `optimizer.lr`. */
static const char *find_elsewhere(const cr_option_table *table, const char *word)
{
    const char *near = NULL;
    for (int i = 0; i < table->n; i++) {
        const char *name = table->options[i].name;
        const char *last = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;
        const char *const one[] = {last, NULL};
        if (!strcmp(last, word))
            return name;
        if (!near && cr_yaml_nearest(word, one))
            near = name;
    }
    return near;
}

void cr_options_suggest(const cr_option_table *table, const char *name, char *text, size_t bytes)
{
    siblings known;
    const cr_option *option;
    size_t length = 0; /* of the part that is a section */
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        char head[CR_OPTION_NAME_MAX];
        if ((size_t)(dot - name) >= sizeof head)
            break;
        snprintf(head, sizeof head, "%.*s", (int)(dot - name), name);
        if (!cr_options_find(table, head, &option) || option)
            break;
        length = (size_t)(dot - name);
    }
    char word[CR_OPTION_NAME_MAX];
    const char *rest = length > 0 ? name + length + 1 : name;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(rest, "."), rest);
    collect_siblings(table, name, length, &known);
    const char *nearest = cr_yaml_nearest(word, known.names);
    const char *elsewhere = nearest ? NULL : find_elsewhere(table, word);
    if (nearest) {
        char meant[2 * CR_OPTION_NAME_MAX];
        const char *tail = rest + strcspn(rest, ".");
        int used = snprintf(meant, sizeof meant, "%.*s%s%s", (int)length, name, length > 0 ? "." : "", nearest);
        snprintf(meant + used, sizeof meant - (size_t)used, "%s", tail);
        if (!cr_options_find(table, meant, &option)) /* more than this word is wrong */
            meant[used] = 0;
        snprintf(text, bytes, "; did you mean '%s'?", meant);
    } else if (elsewhere) {
        snprintf(text, bytes, "; did you mean '%s'?", elsewhere);
    } else {
        snprintf(text, bytes, "; known %s %.*s", length > 0 ? "in" : "here are", (int)length, name);
        snprintf(text + strlen(text), bytes - strlen(text), "%s", length > 0 ? " are " : "");
        for (int i = 0; i < known.n; i++)
            snprintf(text + strlen(text), bytes - strlen(text), "%s%s", i > 0 ? ", " : "", known.names[i]);
    }
}

/* A name that stands in no table: at a key of a file, or on the command line. */
static cr_status refuse_unknown(const cr_option_table *table, const cr_yaml *yaml, const cr_yaml_node *node,
                                const char *name)
{
    char suggestion[CR_ERROR_MAX / 2], shown[CR_YAML_SHOWN];
    cr_options_suggest(table, name, suggestion, sizeof suggestion);
    return cr_yaml_fail_key(yaml, node, "unknown option '%s'%s", cr_yaml_show(name, shown), suggestion);
}

cr_status cr_options_apply(const cr_option_table *table, void *base, const cr_yaml *yaml, const cr_yaml_node *node,
                           const char *name, const char *folder)
{
    const cr_option *option;
    if (!cr_options_find(table, name, &option))
        return refuse_unknown(table, yaml, node, name);
    if (option)
        return cr_option_read(option, base, yaml, node, folder);
    if (cr_yaml_is_null(node)) /* a section of which every line is commented out */
        return CR_OK;
    cr_status status = cr_yaml_expect(yaml, node, CR_YAML_MAP);
    for (int64_t i = 0; i < node->n && status == CR_OK; i++) {
        const cr_yaml_node *item = node->items[i];
        char inner[4 * CR_OPTION_NAME_MAX], shown[CR_OPTION_NAME_MAX * 2];
        cr_yaml_path(item, shown, sizeof shown);
        if (strchr(item->key, '.'))
            return cr_yaml_fail_key(yaml, item, "unknown option '%s'; sections are nested, without points in a key",
                                    shown);
        snprintf(inner, sizeof inner, "%s%s%s", name, *name ? "." : "", item->key);
        status = cr_options_apply(table, base, yaml, item, inner, folder);
    }
    return status;
}

cr_status cr_options_compare(const cr_option_table *table, const void *a, const void *b, char **difference)
{
    cr_status status = CR_OK;
    char *written = NULL, *before = NULL, *after = NULL;
    size_t bytes = 0;
    *difference = NULL;
    FILE *stream = open_memstream(&written, &bytes);
    if (!stream)
        return cr_fail(CR_INTERNAL, "out of memory for a comparison");
    for (int i = 0; i < table->n; i++) {
        const cr_option *option = &table->options[i];
        if (option->is_free)
            continue;
        CR_TRY(cr_option_text(option, a, &before));
        CR_TRY(cr_option_text(option, b, &after));
        if (strcmp(before, after) != 0)
            fprintf(stream, "%s: %s → %s\n", option->name, before, after);
        free(before);
        free(after);
        before = after = NULL;
    }
done:
    free(before);
    free(after);
    if (fclose(stream) && status == CR_OK)
        status = cr_fail(CR_INTERNAL, "out of memory for a comparison");
    if (status != CR_OK || bytes == 0) {
        free(written);
        written = NULL;
    }
    *difference = written;
    return status;
}

cr_status cr_options_identify(const cr_option_table *table, const void *base, char **text)
{
    cr_status status = CR_OK;
    char *written = NULL, *value = NULL;
    size_t bytes = 0;
    *text = NULL;
    FILE *stream = open_memstream(&written, &bytes);
    if (!stream)
        return cr_fail(CR_INTERNAL, "out of memory for a text");
    for (int i = 0; i < table->n; i++) {
        const cr_option *option = &table->options[i];
        if (option->is_aside || option->type == CR_OPTION_PATH)
            continue;
        CR_TRY(cr_option_text(option, base, &value));
        fprintf(stream, "%s: %s\n", option->name, value);
        free(value);
        value = NULL;
    }
done:
    free(value);
    if (fclose(stream) && status == CR_OK)
        status = cr_fail(CR_INTERNAL, "out of memory for a text");
    if (status == CR_OK)
        *text = written;
    else
        free(written);
    return status;
}
