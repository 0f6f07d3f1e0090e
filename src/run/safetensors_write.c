#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "safetensors_file.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Adds a tensor's entry; *at is where its data starts and moves behind them. */
static cr_status add_entry(const char *path, json_t *header, const cr_tensor_view *tensor, uint64_t *at)
{
    size_t bytes = 0;
    if (!*tensor->name || !memchr(tensor->name, 0, sizeof tensor->name) || !strcmp(tensor->name, "__metadata__"))
        return cr_fail(CR_INTERNAL, "%s: a tensor has an impossible name", path);
    if (json_object_get(header, tensor->name))
        return cr_fail(CR_INTERNAL, "%s: two tensors are named %s", path, tensor->name);
    if (!cr_dtype_name(tensor->dtype) || tensor->rank < 0 || tensor->rank > CR_TENSOR_RANK_MAX ||
        !cr_tensor_bytes(tensor, &bytes) || bytes != tensor->bytes || (bytes && !tensor->data))
        return cr_fail(CR_INTERNAL, "%s: tensor %s: type, shape and size disagree", path, tensor->name);
    json_t *shape = json_array();
    bool whole = true; /* a shape that lacks a length would be a damaged file */
    for (int i = 0; i < tensor->rank; i++)
        whole = !json_array_append_new(shape, json_integer(tensor->shape[i])) && whole;
    if (!whole) {
        json_decref(shape);
        return cr_fail_context(cr_fail_memory("a shape", sizeof tensor->shape), "%s", path);
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", cr_dtype_name(tensor->dtype), "shape", shape,
                              "data_offsets", (json_int_t)*at, (json_int_t)*at + (json_int_t)bytes);
    if (!entry || json_object_set_new(header, tensor->name, entry))
        return cr_fail(CR_INTERNAL, "%s: tensor %s: no valid UTF-8 name, or out of memory", path, tensor->name);
    if (__builtin_add_overflow(*at, (uint64_t)bytes, at) || *at > INT64_MAX)
        return cr_fail(CR_INTERNAL, "%s: tensors larger than a file can be", path);
    return CR_OK;
}

/* Length, JSON and the spaces that make the data start at a multiple of CR_SAFETENSORS_ALIGN. */
static cr_status make_header(const char *path, const cr_tensor_view *tensors, int64_t n, unsigned char **header,
                             size_t *header_bytes)
{
    cr_status status = CR_OK;
    char *text = NULL;
    uint64_t at = 0;
    json_t *object = json_object();
    for (int64_t i = 0; i < n; i++)
        CR_TRY(add_entry(path, object, &tensors[i], &at));
    text = cr_json_text(object, JSON_COMPACT);
    if (!text) {
        status = cr_fail(CR_INTERNAL, "%s: out of memory for the header", path);
        goto done;
    }
    size_t length = strlen(text);
    size_t whole =
        (CR_SAFETENSORS_PREFIX + length + CR_SAFETENSORS_ALIGN - 1) / CR_SAFETENSORS_ALIGN * CR_SAFETENSORS_ALIGN;
    if (whole - CR_SAFETENSORS_PREFIX > CR_SAFETENSORS_HEADER_MAX) {
        status = cr_fail(CR_INTERNAL, "%s: too many tensors for one header", path);
        goto done;
    }
    *header = malloc(whole);
    if (!*header) {
        status = cr_fail_memory("a safetensors header", whole);
        goto done;
    }
    memset(*header, ' ', whole);
    for (int i = 0; i < CR_SAFETENSORS_PREFIX; i++)
        (*header)[i] = (unsigned char)((uint64_t)(whole - CR_SAFETENSORS_PREFIX) >> (8 * i));
    memcpy(*header + CR_SAFETENSORS_PREFIX, text, length);
    *header_bytes = whole;
done:
    free(text);
    json_decref(object);
    return status;
}

static cr_status write_part(cr_atomic_file *file, cr_hasher *hasher, const void *data, size_t bytes)
{
    if (!bytes)
        return CR_OK;
    cr_hasher_update(hasher, data, bytes);
    return cr_atomic_file_write(file, data, bytes);
}

cr_status cr_safetensors_write(const char *path, const cr_tensor_view *tensors, int64_t n, char hash[CR_HASH_TEXT])
{
    cr_status status = CR_OK;
    unsigned char *header = NULL;
    size_t header_bytes = 0;
    cr_atomic_file *file = NULL;
    cr_hasher *hasher = NULL;
    CR_TRY(make_header(path, tensors, n, &header, &header_bytes));
    CR_TRY(cr_hasher_create(&hasher));
    CR_TRY(cr_atomic_file_create(path, &file));
    CR_TRY(write_part(file, hasher, header, header_bytes));
    for (int64_t i = 0; i < n; i++)
        CR_TRY(write_part(file, hasher, tensors[i].data, tensors[i].bytes));
    CR_TRY(cr_atomic_file_commit(&file));
    cr_hasher_finish(hasher, hash);
done:
    cr_atomic_file_destroy(&file);
    cr_hasher_destroy(&hasher);
    free(header);
    return status;
}
