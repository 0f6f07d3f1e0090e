#include "metrics_text.h"

#include "crisol/metrics.h"

#include <stdbool.h>
#include <stdlib.h>

int cr_metrics_text_width(const char *text)
{
    int width = 0;
    for (const char *at = text; *at; at++)
        width += ((unsigned char)*at & 0xC0) != 0x80; /* every byte but a continuation */
    return width;
}

static void print_spaces(FILE *out, int n)
{
    for (int i = 0; i < n; i++)
        fputc(' ', out);
}

void cr_metrics_print_right(FILE *out, const char *text, int width)
{
    print_spaces(out, width - cr_metrics_text_width(text));
    fputs(text, out);
}

void cr_metrics_print_left(FILE *out, const char *text, int width)
{
    fputs(text, out);
    print_spaces(out, width - cr_metrics_text_width(text));
}

const char *cr_metrics_class_name(const char *const class_names[], int64_t c, char *number, size_t bytes)
{
    if (class_names)
        return class_names[c];
    snprintf(number, bytes, "%lld", (long long)c);
    return number;
}

cr_status cr_metrics_open_text(char **text, size_t *bytes, FILE **out)
{
    *text = NULL;
    *out = open_memstream(text, bytes);
    return *out ? CR_OK : cr_fail(CR_INTERNAL, "out of memory for a table of text");
}

cr_status cr_metrics_close_text(FILE **out, char **text)
{
    bool failed = ferror(*out) != 0;
    failed |= fclose(*out) != 0;
    *out = NULL;
    if (!failed)
        return CR_OK;
    free(*text);
    *text = NULL;
    return cr_fail(CR_INTERNAL, "out of memory for a table of text");
}

/* Characters that the largest count (or the largest class number) needs. */
static int count_width(const cr_confusion *confusion)
{
    int64_t largest = confusion->n_classes - 1;
    for (int64_t i = 0; i < confusion->n_classes * confusion->n_classes; i++)
        largest = confusion->counts[i] > largest ? confusion->counts[i] : largest;
    return snprintf(NULL, 0, "%lld", (long long)largest);
}

static void print_confusion(FILE *out, const cr_confusion *confusion, const char *const class_names[])
{
    static const char corner[] = "true \\ predicted";
    int64_t k = confusion->n_classes;
    char number[32];
    int digits = snprintf(NULL, 0, "%lld", (long long)(k - 1)), column = count_width(confusion) + 2;
    int name_width = (int)sizeof corner - 1 - digits - 1;
    for (int64_t c = 0; c < k; c++) {
        int width = cr_metrics_text_width(cr_metrics_class_name(class_names, c, number, sizeof number));
        name_width = width > name_width ? width : name_width;
    }
    cr_metrics_print_left(out, corner, digits + 1 + name_width);
    for (int64_t c = 0; c < k; c++)
        fprintf(out, "%*lld", column, (long long)c);
    fputs("   recall\n", out);
    for (int64_t r = 0; r < k; r++) {
        int64_t support = 0;
        fprintf(out, "%*lld ", digits, (long long)r);
        cr_metrics_print_left(out, cr_metrics_class_name(class_names, r, number, sizeof number), name_width);
        for (int64_t c = 0; c < k; c++) {
            fprintf(out, "%*lld", column, (long long)confusion->counts[r * k + c]);
            support += confusion->counts[r * k + c];
        }
        if (support > 0)
            fprintf(out, "  %5.1f %%\n", 100 * (double)confusion->counts[r * k + r] / (double)support);
        else
            fputs("        -\n", out);
    }
}

cr_status cr_confusion_text(const cr_confusion *confusion, const char *const class_names[], char **text)
{
    cr_status status = CR_OK;
    size_t bytes = 0;
    FILE *out = NULL;
    CR_TRY(cr_metrics_open_text(text, &bytes, &out));
    print_confusion(out, confusion, class_names);
    CR_TRY(cr_metrics_close_text(&out, text));
done:
    return status;
}
