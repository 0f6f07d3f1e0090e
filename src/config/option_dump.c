/* The struct as YAML, by libyaml's emitter: it knows what has to be escaped. */
#include "option.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

static const char heading[] = "# Every option as it is used; paths are absolute. Valid input for crisol.\n";

static cr_status emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
    if (made && yaml_emitter_emit(emitter, event)) /* takes the event over */
        return CR_OK;
    return cr_fail(CR_INTERNAL, "cannot write a config as YAML: %s",
                   made && emitter->problem ? emitter->problem : "out of memory");
}

/* Words that a reader might take for something else than text stand in quotes. */
static bool needs_quotes(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", NULL};
    for (int i = 0; words[i]; i++)
        if (!strcasecmp(text, words[i]))
            return true;
    if (!isalpha((unsigned char)text[0]) && text[0] != '/' && text[0] != '_')
        return true;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("_-./", *text))
            return true;
    return false;
}

static cr_status emit_scalar(yaml_emitter_t *emitter, const char *text, bool is_text)
{
    yaml_event_t event;
    yaml_scalar_style_t style =
        is_text && needs_quotes(text) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
    int made =
        yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1, style);
    return emit(emitter, &event, made);
}

static cr_status begin_map(yaml_emitter_t *emitter, yaml_mapping_style_t style)
{
    yaml_event_t event;
    return emit(emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
}

static cr_status end_map(yaml_emitter_t *emitter)
{
    yaml_event_t event;
    return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static cr_status emit_weights(yaml_emitter_t *emitter, const cr_weights *weights)
{
    cr_status status;
    char buffer[CR_OPTION_ITEM_MAX];
    CR_TRY(begin_map(emitter, YAML_FLOW_MAPPING_STYLE));
    for (int64_t i = 0; i < weights->n; i++) {
        CR_TRY(emit_scalar(emitter, weights->names[i], true));
        CR_TRY(emit_scalar(emitter, cr_real_text(weights->values[i], buffer), false));
    }
    CR_TRY(end_map(emitter));
done:
    return status;
}

static cr_status emit_value(yaml_emitter_t *emitter, const cr_option *option, const void *base)
{
    cr_status status;
    yaml_event_t event;
    char buffer[CR_OPTION_ITEM_MAX];
    bool is_list = cr_option_is_list(option);
    bool is_text = option->type == CR_OPTION_TEXT || option->type == CR_OPTION_PATH || option->type == CR_OPTION_TEXTS;
    const cr_weights *weights = cr_option_weights(option, base);
    if (weights)
        return emit_weights(emitter, weights);
    if (is_list)
        CR_TRY(emit(emitter, &event,
                    yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_FLOW_SEQUENCE_STYLE)));
    for (int64_t i = 0; i < cr_option_count(option, base); i++)
        CR_TRY(emit_scalar(emitter, cr_option_item(option, base, i, buffer), is_text));
    if (is_list)
        CR_TRY(emit(emitter, &event, yaml_sequence_end_event_initialize(&event)));
    return CR_OK;
done:
    return status;
}

/* Writes the options from *at on whose names begin with the first `length` bytes of the current one ("a.b."), as one
 * map; inner sections by recursion, as deep as names have points. */
static cr_status emit_section(yaml_emitter_t *emitter, const cr_option_table *table, const void *base, size_t length,
                              int *at)
{
    cr_status status;
    const char *section = table->options[*at].name;
    CR_TRY(begin_map(emitter, YAML_BLOCK_MAPPING_STYLE));
    while (*at < table->n && !strncmp(table->options[*at].name, section, length)) {
        const cr_option *option = &table->options[*at];
        const char *rest = option->name + length;
        size_t word = strcspn(rest, ".");
        char key[CR_OPTION_NAME_MAX];
        snprintf(key, sizeof key, "%.*s", (int)word, rest);
        CR_TRY(emit_scalar(emitter, key, false));
        if (rest[word]) {
            CR_TRY(emit_section(emitter, table, base, length + word + 1, at));
        } else {
            CR_TRY(emit_value(emitter, option, base));
            ++*at;
        }
    }
    CR_TRY(end_map(emitter));
done:
    return status;
}

static cr_status emit_document(yaml_emitter_t *emitter, const cr_option_table *table, const void *base)
{
    cr_status status;
    yaml_event_t event;
    int at = 0;
    CR_TRY(emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)));
    CR_TRY(emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)));
    CR_TRY(emit_section(emitter, table, base, 0, &at));
    CR_TRY(emit(emitter, &event, yaml_document_end_event_initialize(&event, 1)));
    CR_TRY(emit(emitter, &event, yaml_stream_end_event_initialize(&event)));
done:
    return status;
}

cr_status cr_options_dump(const cr_option_table *table, const void *base, char **text)
{
    cr_status status;
    yaml_emitter_t emitter;
    bool has_emitter = false;
    char *written = NULL;
    size_t bytes = 0;
    *text = NULL;
    FILE *stream = open_memstream(&written, &bytes);
    if (!stream)
        return cr_fail(CR_INTERNAL, "out of memory for a config");
    fputs(heading, stream);
    has_emitter = yaml_emitter_initialize(&emitter);
    if (!has_emitter)
        CR_TRY(cr_fail(CR_INTERNAL, "out of memory for a config"));
    yaml_emitter_set_output_file(&emitter, stream);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    CR_TRY(emit_document(&emitter, table, base));
done:
    if (has_emitter)
        yaml_emitter_delete(&emitter);
    if (fclose(stream) && status == CR_OK)
        status = cr_fail(CR_INTERNAL, "out of memory for a config");
    if (status != CR_OK) {
        free(written);
        written = NULL;
    }
    *text = written;
    return status;
}
