/* XXH3 checksums (xxHash 0.8): 64 bits for a sample, 128 bits for a file or a set of weights. */
#ifndef CRISOL_HASH_H
#define CRISOL_HASH_H

#include "crisol/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CR_HASH_TEXT = 33
}; /* 32 hexadecimal digits and NUL: xxHash's canonical (big-endian) form */

uint64_t cr_hash64(const void *data, size_t bytes);
void cr_hash128(const void *data, size_t bytes, char text[CR_HASH_TEXT]);

/* Streaming XXH3-128. create/destroy pairs; destroy accepts a pointer to null. */
typedef struct cr_hasher cr_hasher;
CR_NODISCARD cr_status cr_hasher_create(cr_hasher **hasher);
void cr_hasher_destroy(cr_hasher **hasher);
void cr_hasher_update(cr_hasher *hasher, const void *data, size_t bytes);
void cr_hasher_finish(const cr_hasher *hasher, char text[CR_HASH_TEXT]);

/* Size and XXH3-128 of a whole regular file. Errors: CR_MISSING, CR_PERMISSION, CR_IO. */
CR_NODISCARD cr_status cr_hash_file(const char *path, uint64_t *bytes, char text[CR_HASH_TEXT]);

#endif
