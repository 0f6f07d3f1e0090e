#include "crisol/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

struct cr_hasher {
    XXH3_state_t *state;
};

enum {
    FILE_BLOCK = 1 << 20
};

static void write_canonical(XXH128_hash_t hash, char text[CR_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        text[2 * i] = digits[canonical.digest[i] >> 4];
        text[2 * i + 1] = digits[canonical.digest[i] & 15];
    }
    text[32] = 0;
}

uint64_t cr_hash64(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

void cr_hash128(const void *data, size_t bytes, char text[CR_HASH_TEXT])
{
    write_canonical(XXH3_128bits(data, bytes), text);
}

cr_status cr_hasher_create(cr_hasher **hasher)
{
    *hasher = NULL;
    cr_hasher *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a hasher", sizeof *made);
    made->state = XXH3_createState(); /* XXH3's state needs more alignment than malloc gives */
    if (!made->state || XXH3_128bits_reset(made->state) != XXH_OK) {
        cr_hasher_destroy(&made);
        return cr_fail(CR_INTERNAL, "out of memory for a hasher");
    }
    *hasher = made;
    return CR_OK;
}

void cr_hasher_destroy(cr_hasher **hasher)
{
    if (!hasher || !*hasher)
        return;
    XXH3_freeState((*hasher)->state);
    free(*hasher);
    *hasher = NULL;
}

void cr_hasher_update(cr_hasher *hasher, const void *data, size_t bytes)
{
    if (bytes > 0)
        XXH3_128bits_update(hasher->state, data, bytes);
}

void cr_hasher_finish(const cr_hasher *hasher, char text[CR_HASH_TEXT])
{
    write_canonical(XXH3_128bits_digest(hasher->state), text);
}

static cr_status hash_descriptor(int descriptor, const char *path, cr_hasher *hasher, void *block, uint64_t *bytes)
{
    struct stat info;
    if (fstat(descriptor, &info))
        return cr_fail_errno("%s: cannot look at it", path);
    if (!S_ISREG(info.st_mode))
        return cr_fail(CR_IO, "%s: not a regular file", path);
    for (;;) {
        ssize_t got = read(descriptor, block, FILE_BLOCK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cr_fail_errno("%s: cannot read after %llu bytes", path, (unsigned long long)*bytes);
        if (got == 0)
            return CR_OK;
        cr_hasher_update(hasher, block, (size_t)got);
        *bytes += (uint64_t)got;
    }
}

cr_status cr_hash_file(const char *path, uint64_t *bytes, char text[CR_HASH_TEXT])
{
    cr_status status;
    cr_hasher *hasher = NULL;
    void *block = NULL;
    *bytes = 0;
    text[0] = 0;
    /* non-blocking: opening a FIFO must fail below, not wait for a writer */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return cr_fail_errno("%s: cannot open", path);
    CR_TRY(cr_hasher_create(&hasher));
    block = malloc(FILE_BLOCK);
    if (!block)
        CR_TRY(cr_fail_memory("reading a file", FILE_BLOCK));
    CR_TRY(hash_descriptor(descriptor, path, hasher, block, bytes));
    cr_hasher_finish(hasher, text);
done:
    free(block);
    cr_hasher_destroy(&hasher);
    close(descriptor);
    return status;
}
