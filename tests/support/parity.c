#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *find_folder(const char *variable, const char *beside, char *buffer, size_t bytes)
{
    const char *folder = getenv(variable);
    if (!folder || !*folder) {
        const char *source = getenv("CRISOL_SOURCE");
        snprintf(buffer, bytes, "%s/../shared/%s", source ? source : ".", beside);
        folder = buffer;
    }
    struct stat info;
    if (stat(folder, &info) || !S_ISDIR(info.st_mode)) {
        printf("skipped: no folder %s (set %s)\n", folder, variable);
        return NULL;
    }
    return folder;
}

const char *parity_dir(void)
{
    static char buffer[4096];
    return find_folder("CRISOL_PARITY_DIR", "parity", buffer, sizeof buffer);
}

const char *data_dir(void)
{
    static char buffer[4096];
    return find_folder("CRISOL_DATA_DIR", "data", buffer, sizeof buffer);
}

void parity_require(void)
{
    if (!parity_dir())
        skip();
}

static void file_path(const char *file, char *path, size_t bytes)
{
    const char *folder = parity_dir();
    if (!folder)
        fail_msg("no reference folder; call parity_require() first");
    snprintf(path, bytes, "%s/%s", folder, file);
}

json_t *parity_json(const char *file)
{
    char path[4352];
    file_path(file, path, sizeof path);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return root;
}

cr_safetensors *parity_tensors(const char *file)
{
    char path[4352];
    file_path(file, path, sizeof path);
    cr_safetensors *tensors = NULL;
    if (cr_safetensors_open(path, &tensors) != CR_OK)
        fail_msg("%s", cr_error_message());
    return tensors;
}

json_t *parity_find(json_t *root, const char *path)
{
    char key[256];
    json_t *at = root;
    while (at && *path) {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
        path += length + (path[length] == '.');
    }
    return at;
}

json_t *parity_get(json_t *root, const char *path)
{
    json_t *found = parity_find(root, path);
    if (!found)
        fail_msg("reference has no %s", path);
    return found;
}

double parity_value(const json_t *value)
{
    if (json_is_string(value))
        return strtod(json_string_value(value), NULL); /* nan, inf, -inf */
    return json_is_null(value) ? NAN : json_number_value(value);
}

double parity_real(json_t *root, const char *path)
{
    return parity_value(parity_get(root, path));
}

double *parity_doubles(const cr_safetensors *file, const char *name, int64_t *n)
{
    const cr_tensor_view *view = cr_safetensors_find(file, name);
    if (!view)
        fail_msg("reference has no tensor %s", name);
    *n = (int64_t)(view->bytes / cr_dtype_bytes(view->dtype));
    double *values = malloc((size_t)(*n > 0 ? *n : 1) * sizeof *values);
    assert_non_null(values);
    const unsigned char *at = view->data; /* a file's tensors need not be aligned */
    for (int64_t i = 0; i < *n; i++, at += cr_dtype_bytes(view->dtype)) {
        float f32;
        int32_t i32;
        int64_t i64;
        switch (view->dtype) {
        case CR_DTYPE_F64:
            memcpy(&values[i], at, sizeof values[i]);
            break;
        case CR_DTYPE_F32:
            memcpy(&f32, at, sizeof f32);
            values[i] = (double)f32;
            break;
        case CR_DTYPE_I32:
            memcpy(&i32, at, sizeof i32);
            values[i] = i32;
            break;
        case CR_DTYPE_I64:
            memcpy(&i64, at, sizeof i64);
            values[i] = (double)i64;
            break;
        case CR_DTYPE_U8:
            values[i] = *at;
            break;
        default:
            fail_msg("tensor %s has a type that no reference uses", name);
        }
    }
    return values;
}

bool parity_line(const char *what, double measured, double allowed)
{
    bool good = measured <= allowed;
    printf("%-60s measured %.3e  allowed %.3e  %s\n", what, measured, allowed, good ? "ok" : "TOO LARGE");
    return good;
}

double parity_max_abs(const double *a, const double *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double gap = fabs(a[i] - b[i]);
        if (!(gap <= worst))
            worst = gap;
    }
    return worst;
}

double parity_rel_to_max(const double *a, const double *b, int64_t n)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(b[i]));
    return parity_max_abs(a, b, n) / (largest > 0 ? largest : 1);
}

double parity_rel_l2(const double *a, const double *b, int64_t n)
{
    double gap = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        gap += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return norm > 0 ? sqrt(gap / norm) : sqrt(gap);
}
