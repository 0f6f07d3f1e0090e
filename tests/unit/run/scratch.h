/* A folder of its own for one test, removed afterwards, and small helpers around files in it. */
#ifndef CRISOL_TEST_SCRATCH_H
#define CRISOL_TEST_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crisol/status.h"

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        if ((call) != CR_OK)                                                                                           \
            fail_msg("%s: %s", #call, cr_error_message());                                                             \
    } while (0)
#define assert_status(call, wanted)                                                                                    \
    do {                                                                                                               \
        cr_status got_status = (call);                                                                                 \
        if (got_status != (wanted))                                                                                    \
            fail_msg("%s: status %d instead of %d (%s)", #call, got_status, (wanted), cr_error_message());             \
    } while (0)

typedef struct scratch {
    char folder[256];
    char path[512]; /* of the latest scratch_path() */
} scratch;

static inline int scratch_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    scratch *made = calloc(1, sizeof *made);
    if (!made)
        return -1;
    snprintf(made->folder, sizeof made->folder, "%.200s/crisol-run-XXXXXX", base ? base : "/tmp");
    *state = made;
    return mkdtemp(made->folder) ? 0 : -1;
}

static inline int scratch_remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static inline int scratch_teardown(void **state)
{
    scratch *it = *state;
    int result = nftw(it->folder, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(it);
    return result;
}

static inline const char *scratch_path(scratch *it, const char *name)
{
    snprintf(it->path, sizeof it->path, "%s/%s", it->folder, name);
    return it->path;
}

static inline void scratch_write(scratch *it, const char *name, const void *data, size_t bytes)
{
    FILE *out = fopen(scratch_path(it, name), "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, bytes, out), bytes);
    assert_int_equal(fclose(out), 0);
}

/* malloc'ed, with a final NUL that `bytes` does not count. */
static inline char *scratch_read(scratch *it, const char *name, size_t *bytes)
{
    FILE *in = fopen(scratch_path(it, name), "rb");
    assert_non_null(in);
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    long size = ftell(in);
    assert_true(size >= 0);
    rewind(in);
    char *data = malloc((size_t)size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, in), size);
    data[size] = 0;
    fclose(in);
    *bytes = (size_t)size;
    return data;
}

static inline int scratch_exists(scratch *it, const char *name)
{
    return access(scratch_path(it, name), F_OK) == 0;
}

#endif
