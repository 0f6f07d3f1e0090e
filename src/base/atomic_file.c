#include "crisol/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cr_atomic_file {
    char *path;      /* what is being replaced */
    char *temporary; /* beside it; null once it is renamed or removed */
    int descriptor;  /* -1 when closed */
    bool failed;     /* a write failed: what is there may be published no more */
};

enum {
    NAME_TRIES = 64 /* names that may be taken by what a killed process left */
};

/* Opens a new file whose name nobody else uses: pid and a counter; O_EXCL settles what other hosts do on a shared
 * disk, and refuses a link that someone put there. */
static cr_status open_temporary(cr_atomic_file *file)
{
    static atomic_ulong counter;
    size_t bytes = strlen(file->path) + 48;
    file->temporary = malloc(bytes);
    if (!file->temporary)
        return cr_fail_memory("a file name", bytes);
    for (int i = 0; i < NAME_TRIES; i++) {
        snprintf(file->temporary, bytes, "%s.tmp-%ld-%lu", file->path, (long)getpid(), atomic_fetch_add(&counter, 1));
        file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (file->descriptor >= 0)
            return CR_OK;
        if (errno != EEXIST)
            break;
    }
    cr_status status = cr_fail_errno("%s: cannot create", file->temporary);
    free(file->temporary); /* not ours to remove */
    file->temporary = NULL;
    return status;
}

cr_status cr_atomic_file_create(const char *path, cr_atomic_file **file)
{
    cr_status status;
    *file = NULL;
    cr_atomic_file *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a file", sizeof *made);
    made->descriptor = -1;
    made->path = strdup(path);
    if (!made->path)
        CR_TRY(cr_fail_memory("a file name", strlen(path) + 1));
    CR_TRY(open_temporary(made));
    *file = made;
    made = NULL;
done:
    cr_atomic_file_destroy(&made);
    return status;
}

cr_status cr_atomic_file_write(cr_atomic_file *file, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(file->descriptor, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            file->failed = true;
            return cr_fail_errno("%s: cannot write", file->path);
        }
        at += written;
        bytes -= (size_t)written;
    }
    return CR_OK;
}

/* A failed fsync is final: the kernel may have dropped the pages and would call the next fsync of the same descriptor
 * a success, so whoever wants to try again writes a new file. */
static cr_status flush_and_close(cr_atomic_file *file)
{
    if (file->failed)
        return cr_fail(CR_IO, "%s: not published, an earlier write failed", file->path);
    if (fsync(file->descriptor))
        return cr_fail_errno("%s: cannot bring to the disk", file->path);
    int descriptor = file->descriptor;
    file->descriptor = -1;
    if (close(descriptor) && errno != EINTR) /* EINTR: closed on Linux, and the bytes are already on the disk */
        return cr_fail_errno("%s: cannot close", file->path);
    return CR_OK;
}

/* Only the very last step, the folder's fsync, can fail with the new file already in its place: it is whole, but may
 * not survive a power cut. */
cr_status cr_atomic_file_commit(cr_atomic_file **file)
{
    cr_status status;
    cr_atomic_file *it = *file;
    CR_TRY(flush_and_close(it));
    if (rename(it->temporary, it->path))
        CR_TRY(cr_fail_errno("%s: cannot replace", it->path));
    free(it->temporary);
    it->temporary = NULL;
    CR_TRY(cr_sync_parent(it->path));
done:
    cr_atomic_file_destroy(file);
    return status;
}

void cr_atomic_file_destroy(cr_atomic_file **file)
{
    if (!file || !*file)
        return;
    cr_atomic_file *it = *file;
    if (it->descriptor >= 0)
        close(it->descriptor);
    if (it->temporary)
        unlink(it->temporary);
    free(it->temporary);
    free(it->path);
    free(it);
    *file = NULL;
}

cr_status cr_atomic_file_save(const char *path, const void *data, size_t bytes)
{
    cr_status status;
    cr_atomic_file *file = NULL;
    CR_TRY(cr_atomic_file_create(path, &file));
    CR_TRY(cr_atomic_file_write(file, data, bytes));
    CR_TRY(cr_atomic_file_commit(&file));
done:
    cr_atomic_file_destroy(&file);
    return status;
}
