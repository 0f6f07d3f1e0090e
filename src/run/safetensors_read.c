#include "crisol/json.h"
#include "safetensors_file.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [CR_DTYPE_F32] = {"F32", 4}, [CR_DTYPE_F64] = {"F64", 8},   [CR_DTYPE_I32] = {"I32", 4},
    [CR_DTYPE_I64] = {"I64", 8}, [CR_DTYPE_U8] = {"U8", 1},     [CR_DTYPE_BF16] = {"BF16", 2},
    [CR_DTYPE_F16] = {"F16", 2}, [CR_DTYPE_BOOL] = {"BOOL", 1}, [CR_DTYPE_I8] = {"I8", 1},
    [CR_DTYPE_I16] = {"I16", 2}, [CR_DTYPE_U16] = {"U16", 2},   [CR_DTYPE_U32] = {"U32", 4},
    [CR_DTYPE_U64] = {"U64", 8},
};
enum {
    N_DTYPES = sizeof dtypes / sizeof dtypes[0]
};

size_t cr_dtype_bytes(cr_dtype dtype)
{
    return (unsigned)dtype < N_DTYPES ? dtypes[dtype].bytes : 0;
}

const char *cr_dtype_name(cr_dtype dtype)
{
    return (unsigned)dtype < N_DTYPES ? dtypes[dtype].name : NULL;
}

bool cr_dtype_find(const char *name, cr_dtype *dtype)
{
    for (unsigned i = 0; i < N_DTYPES; i++)
        if (!strcmp(dtypes[i].name, name)) {
            *dtype = (cr_dtype)i;
            return true;
        }
    return false;
}

bool cr_tensor_bytes(const cr_tensor_view *tensor, size_t *bytes)
{
    int64_t total = (int64_t)cr_dtype_bytes(tensor->dtype);
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] < 0 || __builtin_mul_overflow(total, tensor->shape[i], &total))
            return false;
    *bytes = (size_t)total;
    return true;
}

static cr_status parse_shape(const char *path, json_t *shape, cr_tensor_view *tensor)
{
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > CR_TENSOR_RANK_MAX)
        return cr_fail(CR_BAD_DATA, "%s: tensor %s: shape must be a list of at most %d lengths", path, tensor->name,
                       CR_TENSOR_RANK_MAX);
    tensor->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        json_t *length = json_array_get(shape, i);
        if (!json_is_integer(length) || json_integer_value(length) < 0)
            return cr_fail(CR_BAD_DATA, "%s: tensor %s: shape holds something else than a length", path, tensor->name);
        tensor->shape[i] = json_integer_value(length);
    }
    return CR_OK;
}

/* One entry {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}; offsets count from the end of the header. */
static cr_status parse_tensor(const char *path, const char *name, json_t *entry, const unsigned char *data,
                              size_t data_bytes, cr_tensor_view *tensor)
{
    if (!*name || strlen(name) >= CR_TENSOR_NAME_MAX || !cr_is_plain(name))
        return cr_fail(CR_BAD_DATA, "%s: a tensor's name is empty, longer than %d bytes or holds control characters",
                       path, CR_TENSOR_NAME_MAX - 1);
    memcpy(tensor->name, name, strlen(name) + 1);
    json_t *dtype = json_object_get(entry, "dtype");
    json_t *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_string(dtype) || !json_is_array(offsets) || json_array_size(offsets) != 2 ||
        json_object_size(entry) != 3)
        return cr_fail(CR_BAD_DATA, "%s: tensor %s: needs dtype, shape and data_offsets, nothing else", path, name);
    if (!cr_dtype_find(json_string_value(dtype), &tensor->dtype))
        return cr_fail(CR_BAD_DATA, "%s: tensor %s: unknown type %.16s", path, name, json_string_value(dtype));
    cr_status status = parse_shape(path, json_object_get(entry, "shape"), tensor);
    if (status != CR_OK)
        return status;
    json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (!json_is_integer(first) || !json_is_integer(last))
        return cr_fail(CR_BAD_DATA, "%s: tensor %s: data_offsets must be integers", path, name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > data_bytes)
        return cr_fail(CR_BAD_DATA, "%s: tensor %s: data_offsets lie outside the file", path, name);
    if (!cr_tensor_bytes(tensor, &tensor->bytes) || tensor->bytes != (size_t)(end - begin))
        return cr_fail(CR_BAD_DATA, "%s: tensor %s: shape and data_offsets disagree", path, name);
    tensor->data = data + begin;
    return CR_OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const cr_tensor_view *x = a, *y = b;
    uintptr_t p = (uintptr_t)x->data, q = (uintptr_t)y->data;
    if (p != q)
        return p < q ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty tensors before the one that starts there */
}

/* Every byte after the header belongs to exactly one tensor, so nothing can hide and nothing is shared. */
static cr_status check_cover(const char *path, const cr_safetensors *file, const unsigned char *data, size_t data_bytes)
{
    const unsigned char *at = data;
    for (int64_t i = 0; i < file->n_tensors; i++) {
        const cr_tensor_view *tensor = &file->tensors[i];
        if ((const unsigned char *)tensor->data != at)
            return cr_fail(CR_BAD_DATA, "%s: tensor %s %s", path, tensor->name,
                           (const unsigned char *)tensor->data < at ? "overlaps the one before it"
                                                                    : "leaves a hole before it");
        at += tensor->bytes;
    }
    if (at != data + data_bytes)
        return cr_fail(CR_BAD_DATA, "%s: bytes after the last tensor", path);
    return CR_OK;
}

static cr_status parse_header(const char *path, cr_safetensors *file)
{
    cr_status status = CR_OK;
    json_t *header = NULL;
    const unsigned char *bytes = file->map;
    uint64_t header_bytes = 0;
    for (int i = CR_SAFETENSORS_PREFIX - 1; i >= 0; i--)
        header_bytes = header_bytes << 8 | bytes[i];
    if (header_bytes > CR_SAFETENSORS_HEADER_MAX || header_bytes > file->map_bytes - CR_SAFETENSORS_PREFIX)
        return cr_fail(CR_BAD_DATA, "%s: no safetensors file: its header would be %llu bytes", path,
                       (unsigned long long)header_bytes);
    const unsigned char *text = bytes + CR_SAFETENSORS_PREFIX, *data = text + header_bytes;
    size_t data_bytes = file->map_bytes - CR_SAFETENSORS_PREFIX - (size_t)header_bytes;
    if (header_bytes < 2 || *text != '{')
        return cr_fail(CR_BAD_DATA, "%s: no safetensors file: its header is no JSON object", path);
    CR_TRY(cr_json_parse((const char *)text, (size_t)header_bytes, path, &header));
    size_t n = json_object_size(header);
    file->tensors = calloc(n ? n : 1, sizeof *file->tensors);
    if (!file->tensors) {
        status = cr_fail_memory("a table of tensors", n * sizeof *file->tensors);
        goto done;
    }
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (!strcmp(name, "__metadata__")) { /* free text of whoever wrote the file */
            if (!json_is_object(entry)) {
                status = cr_fail(CR_BAD_DATA, "%s: __metadata__ is no object", path);
                goto done;
            }
            continue;
        }
        CR_TRY(parse_tensor(path, name, entry, data, data_bytes, &file->tensors[file->n_tensors]));
        file->n_tensors++;
    }
    qsort(file->tensors, (size_t)file->n_tensors, sizeof *file->tensors, compare_offsets);
    CR_TRY(check_cover(path, file, data, data_bytes));
done:
    json_decref(header);
    return status;
}

static cr_status map_file(const char *path, cr_safetensors *file)
{
    cr_status status = CR_OK;
    /* O_NONBLOCK: opening a named pipe must not wait for a writer */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;
    if (descriptor < 0 || fstat(descriptor, &info)) {
        status = cr_fail_errno("%s", path);
        goto done;
    }
    if (!S_ISREG(info.st_mode) || info.st_size < CR_SAFETENSORS_PREFIX) {
        status = cr_fail(CR_BAD_DATA, "%s: no safetensors file: %s", path,
                         S_ISREG(info.st_mode) ? "shorter than its first field" : "no regular file");
        goto done;
    }
    file->map_bytes = (size_t)info.st_size;
    file->map = mmap(NULL, file->map_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (file->map == MAP_FAILED) {
        file->map = NULL;
        status = cr_fail_errno("%s: cannot map", path);
    }
done:
    if (descriptor >= 0)
        close(descriptor); /* read-only: nothing can be lost */
    return status;
}

cr_status cr_safetensors_open(const char *path, cr_safetensors **file)
{
    cr_status status = CR_OK;
    cr_safetensors *made = calloc(1, sizeof *made);
    *file = NULL;
    if (!made)
        return cr_fail_memory("a safetensors file", sizeof *made);
    CR_TRY(map_file(path, made));
    CR_TRY(parse_header(path, made));
    *file = made;
    made = NULL;
done:
    cr_safetensors_close(&made);
    return status;
}

void cr_safetensors_close(cr_safetensors **file)
{
    if (!file || !*file)
        return;
    if ((*file)->map)
        munmap((*file)->map, (*file)->map_bytes);
    free((*file)->tensors);
    free(*file);
    *file = NULL;
}

int64_t cr_safetensors_count(const cr_safetensors *file)
{
    return file->n_tensors;
}

const cr_tensor_view *cr_safetensors_at(const cr_safetensors *file, int64_t i)
{
    return i >= 0 && i < file->n_tensors ? &file->tensors[i] : NULL;
}

const cr_tensor_view *cr_safetensors_find(const cr_safetensors *file, const char *name)
{
    for (int64_t i = 0; i < file->n_tensors; i++)
        if (!strcmp(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}
