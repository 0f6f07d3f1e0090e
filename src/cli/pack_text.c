#include "pack_text.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    NAME_WIDTH = 24,
    WORDS_WIDTH = 60
};

void cli_print_name(FILE *out, const char *text, int width)
{
    int n = 0;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        n += (byte & 0xc0) != 0x80;
        fputc(byte < ' ' || byte == 0x7f ? '?' : byte, out);
    }
    for (; n < width; n++)
        fputc(' ', out);
}

static int characters(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static int64_t pack_bytes(const json_t *manifest)
{
    int64_t bytes = 0;
    size_t i;
    json_t *shard;
    json_array_foreach(json_object_get(manifest, "shards"), i, shard) bytes += number(shard, "bytes");
    return bytes;
}

static void print_head(FILE *out, const cr_pack *pack, const json_t *manifest)
{
    const json_t *image = json_object_get(manifest, "image");
    size_t n_shards = json_array_size(json_object_get(manifest, "shards"));
    fprintf(out, "%s\n", cr_pack_folder(pack));
    fprintf(out, "  pack id  %s\n", cr_pack_id(pack));
    fprintf(out, "  images   %d x %d RGB, %s; EXIF orientation %s\n", CR_PACK_IMAGE_SIZE, CR_PACK_IMAGE_SIZE,
            strcmp(text(image, "resize"), "crop") ? "resized straight" : "shorter side to 256, centre crop",
            strcmp(text(image, "exif"), "apply") ? "ignored" : "applied");
    fprintf(out, "  size     %.1f MB in %zu shard%s\n", (double)pack_bytes(manifest) / 1e6, n_shards,
            n_shards == 1 ? "" : "s");
}

static int64_t class_count(const json_t *manifest, int split, int64_t label)
{
    const json_t *entry = json_object_get(json_object_get(manifest, "splits"), cr_split_name((cr_split)split));
    return json_integer_value(json_array_get(json_object_get(entry, "classes"), (size_t)label));
}

static void print_counts(FILE *out, const int64_t counts[CR_N_SPLITS])
{
    int64_t all = 0;
    for (int s = 0; s < CR_N_SPLITS; s++) {
        fprintf(out, " %8lld", (long long)counts[s]);
        all += counts[s];
    }
    fprintf(out, " %8lld\n", (long long)all);
}

static void print_classes(FILE *out, const cr_pack *pack, const json_t *manifest)
{
    int64_t sums[CR_N_SPLITS] = {0};
    int width = 5;
    for (int64_t c = 0; c < cr_pack_n_classes(pack); c++)
        if (characters(cr_pack_class_name(pack, c)) > width)
            width = characters(cr_pack_class_name(pack, c));
    fputs("\n  ", out);
    cli_print_name(out, "class", width);
    fprintf(out, " %8s %8s %8s %8s\n", "train", "val", "test", "all");
    for (int64_t c = 0; c < cr_pack_n_classes(pack); c++) {
        int64_t counts[CR_N_SPLITS];
        for (int s = 0; s < CR_N_SPLITS; s++)
            sums[s] += counts[s] = class_count(manifest, s, c);
        fputs("  ", out);
        cli_print_name(out, cr_pack_class_name(pack, c), width);
        print_counts(out, counts);
    }
    fputs("  ", out);
    cli_print_name(out, "all", width);
    print_counts(out, sums);
}

/* "Female, Male", or the first words and how many more there are. */
static void print_words(FILE *out, const cr_column *column)
{
    int used = 0;
    for (int64_t w = 0; w < column->n_words; w++) {
        int n = characters(column->words[w]) + 2;
        if (w && used + n > WORDS_WIDTH) {
            fprintf(out, ", … %lld more", (long long)(column->n_words - w));
            return;
        }
        fputs(w ? ", " : "", out);
        cli_print_name(out, column->words[w], 0);
        used += n;
    }
}

static void print_columns(FILE *out, const cr_pack *pack)
{
    static const char *const kinds[] = {"numeric", "categorical", "list"};
    if (!cr_pack_n_columns(pack)) {
        fputs("\n  no columns: images only\n", out);
        return;
    }
    fputs("\n  ", out);
    cli_print_name(out, "column", NAME_WIDTH);
    fprintf(out, " %-11s %8s %8s %12s %12s  %s\n", "kind", "features", "missing", "mean", "deviation", "words");
    for (int64_t i = 0; i < cr_pack_n_columns(pack); i++) {
        const cr_column *c = cr_pack_column(pack, i);
        fputs("  ", out);
        cli_print_name(out, c->name, NAME_WIDTH);
        fprintf(out, " %-11s %8lld %8lld", kinds[c->kind], (long long)c->n_features, (long long)c->n_missing_train);
        if (c->kind == CR_COLUMN_NUMERIC) {
            fprintf(out, " %12.6g %12.6g", c->mean, c->deviation);
        } else {
            fprintf(out, " %12s %12s  ", "-", "-");
            print_words(out, c);
        }
        fputc('\n', out);
    }
    fputs("  missing, mean and deviation are of the training split\n", out);
}

static void print_rejects(FILE *out, const cr_pack *pack, const json_t *manifest)
{
    const json_t *rows = json_object_get(manifest, "rows");
    const char *reason;
    json_t *n;
    fprintf(out, "\n  rows     %lld packed, %lld rejected, %lld filtered out by the recipe\n",
            (long long)number(rows, "packed"), (long long)number(rows, "rejected"),
            (long long)number(rows, "filtered"));
    json_object_foreach(json_object_get(manifest, "rejects"), reason, n)
    {
        fprintf(out, "           %lld ", (long long)json_integer_value(n));
        cli_print_name(out, reason, 0);
        fputc('\n', out);
    }
    if (number(rows, "rejected"))
        fprintf(out, "           each with its reason in %s/rejects.csv\n", cr_pack_folder(pack));
    if (cr_pack_leak_warning(pack)) {
        fputs("  warning  ", out);
        cli_print_name(out, cr_pack_leak_warning(pack), 0);
        fputc('\n', out);
    }
}

void cli_print_pack(FILE *out, const cr_pack *pack)
{
    const json_t *manifest = cr_pack_manifest(pack);
    print_head(out, pack, manifest);
    print_classes(out, pack, manifest);
    print_columns(out, pack);
    print_rejects(out, pack, manifest);
}

cr_status cli_print_pack_json(FILE *out, const cr_pack *pack)
{
    json_t *manifest = json_deep_copy(cr_pack_manifest(pack));
    json_t *all = json_pack("{s:s, s:I}", "id", cr_pack_id(pack), "bytes", (json_int_t)pack_bytes(manifest));
    bool failed = !manifest || !all || json_object_update(all, manifest) ||
                  json_dumpf(all, out, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) || fputc('\n', out) == EOF;
    json_decref(manifest);
    json_decref(all);
    return failed ? cr_fail(CR_IO, "cannot print the manifest") : CR_OK;
}

/* One feature's value: a number, a word of the vocabulary, or missing. */
static void print_value(FILE *out, const cr_column *column, float value)
{
    if (isnan(value))
        fputs("missing", out);
    else if (column->kind == CR_COLUMN_CATEGORICAL && value >= 0 && value < (float)column->n_words)
        cli_print_name(out, column->words[(int64_t)value], 0);
    else
        fprintf(out, "%.9g", (double)value);
}

/* A list's words that are there. */
static void print_list(FILE *out, const cr_column *column, const float *values)
{
    int n = 0;
    if (column->n_features && isnan(values[0])) {
        fputs("missing", out);
        return;
    }
    for (int64_t w = 0; w < column->n_words; w++)
        if (values[w] > 0) {
            fputs(n++ ? ", " : "", out);
            cli_print_name(out, column->words[w], 0);
        }
    if (!n)
        fputs("none", out);
}

void cli_print_sample(FILE *out, const cr_pack *pack, cr_split split, int64_t sample)
{
    const float *row = cr_pack_metadata(pack, split, sample);
    int32_t label = cr_pack_label(pack, split, sample);
    fprintf(out, "%s sample %lld of %lld\n  ", cr_split_name(split), (long long)sample,
            (long long)cr_pack_n_samples(pack, split));
    cli_print_name(out, "id", NAME_WIDTH);
    fputc(' ', out);
    cli_print_name(out, cr_pack_sample_id(pack, split, sample), 0);
    fputs("\n  ", out);
    cli_print_name(out, "group", NAME_WIDTH);
    fprintf(out, " %lld\n  ", (long long)cr_pack_group(pack, split, sample));
    cli_print_name(out, "class", NAME_WIDTH);
    fprintf(out, " %d ", label);
    cli_print_name(out, cr_pack_class_name(pack, label), 0);
    fputc('\n', out);
    for (int64_t i = 0; i < cr_pack_n_columns(pack); i++) {
        const cr_column *column = cr_pack_column(pack, i);
        fputs("  ", out);
        cli_print_name(out, column->name, NAME_WIDTH);
        fputc(' ', out);
        if (column->kind == CR_COLUMN_LIST)
            print_list(out, column, row + column->feature);
        else
            print_value(out, column, row[column->feature]);
        fputc('\n', out);
    }
}
