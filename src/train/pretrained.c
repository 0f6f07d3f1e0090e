#include "pretrained.h"

#include "crisol/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAMES_SHOWN = 4 /* of a list in a message */
};
static const char prefix[] = "image.";

const char *cr_pretrained_plain_name(const char *name)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0 ? name + sizeof prefix - 1 : name;
}

const char *cr_pretrained_shape_text(int rank, const int64_t *shape, char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < bytes)
        snprintf(text + used, bytes - used, "]");
    return text;
}

/* --- matching --------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static cr_fit fit_of_stranger(const char *name)
{
    const char *plain = cr_pretrained_plain_name(name);
    bool known = starts_with(plain, "fc.") || ends_with(plain, "num_batches_tracked") || starts_with(name, "head.") ||
                 starts_with(name, "metadata.") || starts_with(name, "optimizer.");
    return known ? CR_FIT_IGNORED : CR_FIT_UNEXPECTED;
}

static bool is_real(cr_dtype dtype)
{
    return dtype == CR_DTYPE_F32 || dtype == CR_DTYPE_F16 || dtype == CR_DTYPE_BF16 || dtype == CR_DTYPE_F64;
}

static cr_fit fit_of(const cr_tensor_view *view, const cr_tensor *tensor)
{
    bool same = view->rank == tensor->rank;
    for (int i = 0; same && i < tensor->rank; i++)
        same = view->shape[i] == tensor->shape[i];
    if (!same)
        return CR_FIT_SHAPE;
    return is_real(view->dtype) ? CR_FIT_MATCHED : CR_FIT_TYPE;
}

/* The net's tensor that a file's name means, or -1. */
static int find_target(const cr_net *net, const char *name, bool prefixed)
{
    char full[CR_TENSOR_NAME_MAX + sizeof prefix];
    if (prefixed != starts_with(name, prefix))
        return -1;
    snprintf(full, sizeof full, "%s%s", prefixed ? "" : prefix, name);
    int t = cr_net_find_tensor(net, full);
    return t >= 0 && net->tensors[t].is_backbone ? t : -1;
}

static void match_names(cr_pretrained *match, bool prefixed)
{
    for (int64_t i = 0; i < cr_safetensors_count(match->file); i++) {
        const cr_tensor_view *view = cr_safetensors_at(match->file, i);
        int t = find_target(match->net, view->name, prefixed);
        if (t < 0 || match->found[t])
            continue;
        match->found[t] = true;
        match->targets[i] = t;
        match->fits[i] = fit_of(view, &match->net->tensors[t]);
    }
}

cr_status cr_pretrained_match(const cr_net *net, const cr_safetensors *file, cr_pretrained *match)
{
    size_t n = (size_t)cr_safetensors_count(file);
    *match = (cr_pretrained){.net = net, .file = file};
    match->fits = calloc(n + 1, sizeof *match->fits);
    match->targets = calloc(n + 1, sizeof *match->targets);
    match->found = calloc((size_t)net->n_tensors, sizeof *match->found);
    if (!match->fits || !match->targets || !match->found) {
        cr_pretrained_destroy(match);
        return cr_fail_memory("a list of tensors", n * sizeof *match->fits);
    }
    for (size_t i = 0; i < n; i++) {
        match->targets[i] = -1;
        match->fits[i] = fit_of_stranger(cr_safetensors_at(file, (int64_t)i)->name);
    }
    match_names(match, false);
    match_names(match, true);
    for (size_t i = 0; i < n; i++)
        match->n_of[match->fits[i]]++;
    for (int t = 0; t < net->n_tensors; t++) {
        match->n_backbone += net->tensors[t].is_backbone;
        match->n_missing += net->tensors[t].is_backbone && !match->found[t];
    }
    return CR_OK;
}

void cr_pretrained_destroy(cr_pretrained *match)
{
    free(match->fits);
    free(match->targets);
    free(match->found);
    memset(match, 0, sizeof *match);
}

/* --- saying so -------------------------------------------------------------------------------------------------- */

static void print_name(FILE *out, int64_t index, const char *name)
{
    if (index < NAMES_SHOWN)
        fprintf(out, "%s%s", index ? ", " : " (", name);
    else if (index == NAMES_SHOWN)
        fputs(", …", out);
}

static void print_fits(FILE *out, const cr_pretrained *match, cr_fit fit)
{
    int64_t n = 0;
    for (int64_t i = 0; i < cr_safetensors_count(match->file); i++)
        if (match->fits[i] == fit)
            print_name(out, n++, cr_safetensors_at(match->file, i)->name);
    fputs(n ? ")" : "", out);
}

static void print_missing(FILE *out, const cr_pretrained *match)
{
    int64_t n = 0;
    fprintf(out, "%lld missing", (long long)match->n_missing);
    for (int t = 0; t < match->net->n_tensors; t++)
        if (match->net->tensors[t].is_backbone && !match->found[t])
            print_name(out, n++, cr_pretrained_plain_name(match->net->tensors[t].name));
    fputs(n ? ")" : "", out);
}

static void print_misfits(FILE *out, const cr_pretrained *match)
{
    int64_t n = 0;
    fprintf(out, "; %lld of another shape", (long long)match->n_of[CR_FIT_SHAPE]);
    for (int64_t i = 0; i < cr_safetensors_count(match->file); i++) {
        char text[320], theirs[128], ours[128];
        if (match->fits[i] != CR_FIT_SHAPE)
            continue;
        const cr_tensor_view *view = cr_safetensors_at(match->file, i);
        const cr_tensor *tensor = &match->net->tensors[match->targets[i]];
        snprintf(text, sizeof text, "%.60s: %s instead of %s", view->name,
                 cr_pretrained_shape_text(view->rank, view->shape, theirs, sizeof theirs),
                 cr_pretrained_shape_text(tensor->rank, tensor->shape, ours, sizeof ours));
        print_name(out, n++, text);
    }
    fputs(n ? ")" : "", out);
    fprintf(out, "; %lld not of floating-point numbers", (long long)match->n_of[CR_FIT_TYPE]);
    print_fits(out, match, CR_FIT_TYPE);
}

cr_status cr_pretrained_check(const cr_pretrained *match)
{
    if (match->n_of[CR_FIT_MATCHED] == match->n_backbone)
        return CR_OK;
    char text[700] = "";
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    if (!out)
        return cr_fail_memory("a message", sizeof text);
    print_missing(out, match);
    print_misfits(out, match);
    bool cut = fclose(out) != 0; /* a longer text is cut, as every message */
    return cr_fail(CR_BAD_DATA, "%lld of the backbone's %lld tensors do not fit: %s%s",
                   (long long)(match->n_backbone - match->n_of[CR_FIT_MATCHED]), (long long)match->n_backbone, text,
                   cut ? " …" : "");
}

static void log_match(const cr_pretrained *match, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return;
    fprintf(out, "%lld ignored", (long long)match->n_of[CR_FIT_IGNORED]);
    print_fits(out, match, CR_FIT_IGNORED);
    fprintf(out, ", %lld unexpected", (long long)match->n_of[CR_FIT_UNEXPECTED]);
    print_fits(out, match, CR_FIT_UNEXPECTED);
    if (fclose(out) == 0)
        cr_log_info("weights: %s: %lld of the backbone's %lld tensors matched, 0 missing, %s", path,
                    (long long)match->n_of[CR_FIT_MATCHED], (long long)match->n_backbone, text);
    free(text);
}

/* --- copying ---------------------------------------------------------------------------------------------------- */

/* IEEE 754 binary16: 1 bit sign, 5 exponent (bias 15), 10 fraction. Exact. */
static float from_f16(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
                  : exponent == 0 ? ldexp(fraction, -24)
                                  : ldexp(1024 + fraction, exponent - 25);
    return (float)(bits & 0x8000 ? -size : size);
}

static float from_bf16(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* A file's tensors need not be aligned. */
static float element(const cr_tensor_view *view, int64_t i)
{
    const unsigned char *at = (const unsigned char *)view->data + (size_t)i * cr_dtype_bytes(view->dtype);
    uint16_t half = 0;
    double wide = 0;
    float value = 0;
    switch (view->dtype) {
    case CR_DTYPE_F16:
        memcpy(&half, at, sizeof half);
        return from_f16(half);
    case CR_DTYPE_BF16:
        memcpy(&half, at, sizeof half);
        return from_bf16(half);
    case CR_DTYPE_F64:
        memcpy(&wide, at, sizeof wide);
        return (float)wide;
    default:
        memcpy(&value, at, sizeof value);
        return value;
    }
}

static cr_status copy(const cr_tensor_view *view, const cr_tensor *tensor, float *values)
{
    for (int64_t i = 0; i < tensor->count; i++) {
        values[i] = element(view, i);
        if (!isfinite(values[i]))
            return cr_fail(CR_NON_FINITE, "tensor %s holds a number that is not finite", view->name);
    }
    return CR_OK;
}

cr_status cr_pretrained_load(const cr_net *net, const char *path, float *canonical)
{
    cr_safetensors *file = NULL;
    cr_pretrained match = {0};
    cr_status status = CR_OK;
    CR_TRY(cr_safetensors_open(path, &file));
    CR_TRY(cr_pretrained_match(net, file, &match));
    status = cr_pretrained_check(&match);
    for (int64_t i = 0; status == CR_OK && i < cr_safetensors_count(file); i++)
        if (match.fits[i] == CR_FIT_MATCHED) {
            const cr_tensor *tensor = &net->tensors[match.targets[i]];
            status = copy(cr_safetensors_at(file, i), tensor, canonical + tensor->offset);
        }
    if (status != CR_OK)
        cr_fail_context(status, "%s", path);
    else
        log_match(&match, path);
done:
    cr_pretrained_destroy(&match);
    cr_safetensors_close(&file);
    if (status != CR_OK)
        cr_fail_context(status, "model.weights");
    return status;
}
