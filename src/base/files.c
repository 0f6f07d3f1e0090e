/* Folders, whole files and paths: the rest of crisol/atomic_file.h. */
#include "crisol/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some file systems cannot sync a folder and say EINVAL; others forbid to open one for reading. Neither means that
 * anything was lost (PostgreSQL's fsync_fname() takes the same view). */
cr_status cr_sync_folder(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return errno == EACCES ? CR_OK : cr_fail_errno("%s: cannot open the folder", path);
    cr_status status = CR_OK;
    if (fsync(descriptor) && errno != EINVAL && errno != ENOTSUP)
        status = cr_fail_errno("%s: cannot bring the folder to the disk", path);
    close(descriptor);
    return status;
}

cr_status cr_sync_parent(const char *path)
{
    char *folder = cr_path_parent(path);
    cr_status status = folder ? cr_sync_folder(folder) : cr_fail_memory("a path", strlen(path));
    free(folder);
    return status;
}

/* Makes one folder and syncs the one it stands in, so that it survives a power cut. */
static cr_status make_folder(const char *path)
{
    if (mkdir(path, 0777)) {
        int error = errno;
        struct stat info;
        if (!stat(path, &info) && S_ISDIR(info.st_mode))
            return CR_OK;
        if (error == EEXIST || error == ENOTDIR)
            return cr_fail(CR_IO, "%s: in the way of a folder is something else", path);
        errno = error;
        return cr_fail_errno("%s: cannot make the folder", path);
    }
    return cr_sync_parent(path);
}

cr_status cr_make_folders(const char *path)
{
    cr_status status = CR_OK;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 0)
        return cr_fail(CR_MISSING, "a folder without a name cannot be made");
    char *copy = strndup(path, length);
    if (!copy)
        return cr_fail_memory("a path", length);
    for (char *at = copy + 1; *at; at++) {
        if (*at != '/' || at[-1] == '/')
            continue;
        *at = 0;
        CR_TRY(make_folder(copy));
        *at = '/';
    }
    CR_TRY(make_folder(copy));
done:
    free(copy);
    return status;
}

/* Reads to the end of the file, at most one byte more than allowed, growing as it goes: a file's stated size may be 0
 * (procfs) or change. */
static cr_status read_descriptor(int descriptor, const char *path, size_t max_bytes, char **data, size_t *bytes)
{
    struct stat info;
    if (fstat(descriptor, &info))
        return cr_fail_errno("%s: cannot look at it", path);
    if (!S_ISREG(info.st_mode))
        return cr_fail(CR_IO, "%s: not a regular file", path);
    if ((uint64_t)info.st_size > max_bytes)
        return cr_fail(CR_BAD_DATA, "%s: %lld bytes, at most %zu are allowed", path, (long long)info.st_size,
                       max_bytes);
    size_t room = (size_t)info.st_size + 1 > 4096 ? (size_t)info.st_size + 1 : 4096;
    size_t used = 0;
    for (;;) {
        char *grown = realloc(*data, room + 1);
        if (!grown)
            return cr_fail_memory(path, room + 1);
        *data = grown;
        ssize_t got = read(descriptor, *data + used, room - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cr_fail_errno("%s: cannot read", path);
        used += (size_t)got;
        if (used > max_bytes)
            return cr_fail(CR_BAD_DATA, "%s: more than the %zu bytes allowed", path, max_bytes);
        if (got == 0)
            break;
        if (used == room)
            room *= 2;
    }
    (*data)[used] = 0;
    *bytes = used;
    return CR_OK;
}

cr_status cr_read_file(const char *path, size_t max_bytes, char **data, size_t *bytes)
{
    *data = NULL;
    *bytes = 0;
    /* non-blocking: opening a FIFO must fail below, not wait for a writer */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return cr_fail_errno("%s: cannot open", path);
    cr_status status = read_descriptor(descriptor, path, max_bytes, data, bytes);
    if (status != CR_OK) {
        free(*data);
        *data = NULL;
    }
    close(descriptor);
    return status;
}

char *cr_path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

char *cr_path_join(const char *folder, const char *name)
{
    size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path)
        snprintf(path, bytes, "%s/%s", folder, name);
    return path;
}
