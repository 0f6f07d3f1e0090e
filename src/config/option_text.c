/* An option's value and what it may be, for people. */
#include "option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Closes a memory stream; what it wrote becomes *text. */
static cr_status finish_text(FILE *stream, char **written, char **text)
{
    bool failed = ferror(stream);
    if (fclose(stream) || failed || !*written) { /* null: there was no memory even for an empty text */
        free(*written);
        return cr_fail(CR_INTERNAL, "out of memory for a text");
    }
    *text = *written;
    return CR_OK;
}

/* {a: 1, b: 2}; names as they are. */
static void print_weights(FILE *stream, const cr_weights *weights)
{
    char buffer[CR_OPTION_ITEM_MAX];
    fputs("{", stream);
    for (int64_t i = 0; i < weights->n; i++)
        fprintf(stream, "%s%s: %s", i > 0 ? ", " : "", weights->names[i], cr_real_text(weights->values[i], buffer));
    fputs("}", stream);
}

cr_status cr_option_text(const cr_option *option, const void *base, char **text)
{
    char *written = NULL, buffer[CR_OPTION_ITEM_MAX];
    size_t bytes = 0;
    *text = NULL;
    FILE *stream = open_memstream(&written, &bytes);
    if (!stream)
        return cr_fail(CR_INTERNAL, "out of memory for a text");
    const cr_weights *weights = cr_option_weights(option, base);
    if (weights) {
        print_weights(stream, weights);
        return finish_text(stream, &written, text);
    }
    bool is_list = cr_option_is_list(option);
    bool is_text = option->type == CR_OPTION_TEXT || option->type == CR_OPTION_PATH;
    fputs(is_list ? "[" : "", stream);
    for (int64_t i = 0; i < cr_option_count(option, base); i++) {
        const char *item = cr_option_item(option, base, i, buffer);
        fprintf(stream, "%s%s", i > 0 ? ", " : "", is_text && !*item ? "\"\"" : item);
    }
    fputs(is_list ? "]" : "", stream);
    return finish_text(stream, &written, text);
}

static void print_range(FILE *stream, const cr_option *option)
{
    const char *below = option->below ? "below " : "";
    bool has_lowest = !isinf(option->lowest), has_highest = !isinf(option->highest);
    if (has_lowest && has_highest)
        fprintf(stream, " from %.15g to %s%.15g", option->lowest, below, option->highest);
    else if (has_lowest)
        fprintf(stream, " of at least %.15g", option->lowest);
    else if (has_highest)
        fprintf(stream, " of at most %s%.15g", below, option->highest);
}

cr_status cr_option_allowed(const cr_option *option, char **text)
{
    static const char *const words[] = {[CR_OPTION_INT] = "integer",
                                        [CR_OPTION_UINT64] = "integer from 0 to 18446744073709551615",
                                        [CR_OPTION_REAL] = "number",
                                        [CR_OPTION_BOOL] = "true | false",
                                        [CR_OPTION_TEXT] = "text",
                                        [CR_OPTION_PATH] = "path",
                                        [CR_OPTION_CHOICE] = "",
                                        [CR_OPTION_TEXTS] = "texts",
                                        [CR_OPTION_INTS] = "integers each",
                                        [CR_OPTION_REALS] = "numbers each",
                                        [CR_OPTION_WEIGHTS] = ""};
    char *written = NULL;
    size_t bytes = 0;
    *text = NULL;
    FILE *stream = open_memstream(&written, &bytes);
    if (!stream)
        return cr_fail(CR_INTERNAL, "out of memory for a text");
    if (cr_option_is_list(option))
        fprintf(stream, "list of %s%lld ", option->type == CR_OPTION_REALS ? "" : "at most ",
                (long long)option->n_items);
    fputs(words[option->type], stream);
    if (option->type == CR_OPTION_INT || option->type == CR_OPTION_REAL || option->type == CR_OPTION_INTS ||
        option->type == CR_OPTION_REALS)
        print_range(stream, option);
    bool has_choices = option->type == CR_OPTION_CHOICE || option->type == CR_OPTION_WEIGHTS;
    for (int i = 0; has_choices && option->choices[i]; i++)
        fprintf(stream, "%s%s", i > 0 ? " | " : "", option->choices[i]);
    if (option->type == CR_OPTION_WEIGHTS) {
        fputs(" | map from name to number", stream);
        print_range(stream, option);
    }
    return finish_text(stream, &written, text);
}
