#include "sample_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "open_beneath.h"

enum {
    /* A FIFO must not make the open wait for a writer, nor a terminal become ours. */
    OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
    MAX_FOLDERS = 64,
    MAX_LINKS = 40,
    MAX_TRIES = 16
};

/* A walk down from the root by single components: what openat2 does in the kernel. `folders` holds the descriptors on
 * the way, the root first, so that ".." inside a link is a step back on our own stack and can never pass the root. */
typedef struct walk {
    int folders[MAX_FOLDERS];
    int n_folders;
    int n_links;
    char rest[2 * PATH_MAX]; /* components still to go */
} walk;

static void leave_folders(walk *w, int keep)
{
    while (w->n_folders > keep)
        close(w->folders[--w->n_folders]);
}

/* Takes the next component out of `rest`; *last when nothing but slashes follows. */
static bool next_component(walk *w, char component[NAME_MAX + 1], bool *last)
{
    char *start = w->rest + strspn(w->rest, "/");
    size_t bytes = strcspn(start, "/");
    if (bytes > NAME_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(component, start, bytes);
    component[bytes] = '\0';
    char *rest = start + bytes;
    *last = *rest == '\0';
    memmove(w->rest, rest, strlen(rest) + 1);
    return true;
}

/* Puts a link's target in front of the rest. */
static bool follow_link(walk *w, const char *component)
{
    char target[2 * PATH_MAX];
    ssize_t bytes = readlinkat(w->folders[w->n_folders - 1], component, target, PATH_MAX);
    if (bytes < 0)
        return false;
    size_t rest = strlen(w->rest);
    if (++w->n_links > MAX_LINKS || bytes == 0) {
        errno = ELOOP;
        return false;
    }
    if (target[0] == '/') {
        errno = EXDEV;
        return false;
    }
    if ((size_t)bytes + rest + 1 > sizeof w->rest) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(target + bytes, w->rest, rest + 1);
    memcpy(w->rest, target, (size_t)bytes + rest + 1);
    return true;
}

/* One component: a step back, a link, a folder, or (with `last`) the file, whose descriptor goes to *file. */
static bool step(walk *w, const char *component, bool last, int *file)
{
    int folder = w->folders[w->n_folders - 1];
    if (strcmp(component, "..") == 0) {
        if (w->n_folders == 1) {
            errno = EXDEV;
            return false;
        }
        leave_folders(w, w->n_folders - 1);
        return true;
    }
    if (component[0] == '\0' || strcmp(component, ".") == 0)
        return true;
    int found = openat(folder, component, (last ? OPEN_FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW);
    if (found < 0) {
        struct stat about;
        int error = errno;
        if ((error == ELOOP || error == ENOTDIR) && fstatat(folder, component, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(about.st_mode))
            return follow_link(w, component);
        errno = error;
        return false;
    }
    if (last) {
        *file = found;
    } else if (w->n_folders == MAX_FOLDERS) {
        close(found);
        errno = ENAMETOOLONG;
        return false;
    } else {
        w->folders[w->n_folders++] = found;
    }
    return true;
}

int cr_walk_beneath(int root, const char *path)
{
    walk w = {.folders = {root}, .n_folders = 1};
    int file = -1;
    size_t bytes = strlen(path);
    if (bytes >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (path[0] == '/') {
        errno = EXDEV;
        return -1;
    }
    memcpy(w.rest, path, bytes + 1);
    while (file < 0) {
        char component[NAME_MAX + 1];
        bool last;
        if (!next_component(&w, component, &last) || !step(&w, component, last, &file))
            break;
        if (file < 0 && w.rest[strspn(w.rest, "/")] == '\0') { /* the path ended at a folder */
            errno = EISDIR;
            break;
        }
    }
    int error = errno;
    leave_folders(&w, 1);
    errno = error;
    return file;
}

static int open_in_kernel(int root, const char *path)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    for (int i = 0; i < MAX_TRIES; i++) {
        long file = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (file >= 0 || (errno != EAGAIN && errno != EINTR)) /* EAGAIN: something was renamed meanwhile */
            return (int)file;
    }
    return -1;
}

static int open_anyhow(int root, const char *path)
{
    static atomic_bool no_openat2; /* an old kernel, or a container's filter, which says EPERM */
    if (!atomic_load(&no_openat2)) {
        int file = open_in_kernel(root, path);
        if (file >= 0 || (errno != ENOSYS && errno != EPERM))
            return file;
        if (errno == ENOSYS)
            atomic_store(&no_openat2, true);
    }
    return cr_walk_beneath(root, path);
}

static bool has_parent_component(const char *path)
{
    while (*path != '\0') {
        size_t bytes = strcspn(path, "/");
        if (bytes == 2 && path[0] == '.' && path[1] == '.')
            return true;
        path += bytes;
        path += strspn(path, "/");
    }
    return false;
}

static cr_status fail_open(const char *path)
{
    switch (errno) {
    case EXDEV:
    case ELOOP:
        return cr_fail(CR_BAD_DATA, "%.200s: path escapes the image root", path);
    case ENAMETOOLONG:
        return cr_fail(CR_BAD_DATA, "%.200s…: path is too long", path);
    case EISDIR:
    case ENXIO: /* a socket, or a device without a driver */
    case ENODEV:
        return cr_fail(CR_BAD_DATA, "%.200s: not a regular file", path);
    case EINVAL: /* no name that this file system can have */
    case EILSEQ:
        return cr_fail(CR_BAD_DATA, "%.200s: not a possible name", path);
    default:
        return cr_fail_errno("%.200s", path);
    }
}

cr_status cr_open_beneath(int root, const char *path, int *descriptor)
{
    if (path[0] == '/' || has_parent_component(path))
        return cr_fail(CR_BAD_DATA, "%.200s: path escapes the image root", path);
    int file = open_anyhow(root, path);
    if (file < 0)
        return fail_open(path);
    struct stat about;
    if (fstat(file, &about) != 0) {
        cr_status status = cr_fail_errno("%.200s", path);
        close(file);
        return status;
    }
    if (!S_ISREG(about.st_mode)) {
        close(file);
        return cr_fail(CR_BAD_DATA, "%.200s: not a regular file", path);
    }
    *descriptor = file;
    return CR_OK;
}
