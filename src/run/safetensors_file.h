/* What the reader of tensors keeps, for the checkpoint code beside it, which hashes exactly the bytes it hands out. */
#ifndef CRISOL_SAFETENSORS_FILE_H
#define CRISOL_SAFETENSORS_FILE_H

#include "crisol/run.h"

enum {
    CR_SAFETENSORS_PREFIX = 8,           /* little-endian length of the header */
    CR_SAFETENSORS_HEADER_MAX = 1 << 24, /* 16 MiB: room for more than 100,000 tensors */
    CR_SAFETENSORS_ALIGN = 64
};

struct cr_safetensors {
    void *map; /* the whole file, read-only */
    size_t map_bytes;
    cr_tensor_view *tensors; /* by offset */
    int64_t n_tensors;
};

bool cr_dtype_find(const char *name, cr_dtype *dtype);

/* Product of the shape times the element's size; false on a negative length or overflow of int64_t. */
bool cr_tensor_bytes(const cr_tensor_view *tensor, size_t *bytes);

#endif
