/* A file is either the old one or the new one, never half: temporary file beside it (O_EXCL, mode 0600 or 0644 by
 * umask) → write → fsync → close → rename → fsync of the folder. Every error of every call counts; on error the
 * temporary file is removed and the old file stands untouched. Local. */
#ifndef CRISOL_ATOMIC_FILE_H
#define CRISOL_ATOMIC_FILE_H

#include "crisol/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cr_atomic_file cr_atomic_file;

/* Starts writing; nothing is visible under `path` before cr_atomic_file_commit(). */
CR_NODISCARD cr_status cr_atomic_file_create(const char *path, cr_atomic_file **file);
/* Appends; short writes and EINTR are handled. */
CR_NODISCARD cr_status cr_atomic_file_write(cr_atomic_file *file, const void *data, size_t bytes);
/* Publishes. The handle is destroyed and nulled whether this succeeds or not. */
CR_NODISCARD cr_status cr_atomic_file_commit(cr_atomic_file **file);
/* Gives up: removes the temporary file. Accepts a pointer to null; nulls it. */
void cr_atomic_file_destroy(cr_atomic_file **file);

/* The whole sequence for a small file. */
CR_NODISCARD cr_status cr_atomic_file_save(const char *path, const void *data, size_t bytes);

/* Makes a folder and its missing parents (mode 0777 by umask); an existing folder is fine. */
CR_NODISCARD cr_status cr_make_folders(const char *path);
/* fsync of a folder, so that what was renamed into it survives a power cut. */
CR_NODISCARD cr_status cr_sync_folder(const char *path);
/* The same for the folder that a path stands in. */
CR_NODISCARD cr_status cr_sync_parent(const char *path);
/* Reads a whole regular file of at most `max_bytes` into malloc'ed memory with a final NUL that `bytes` does not count.
 * The caller frees. Larger: CR_BAD_DATA. */
CR_NODISCARD cr_status cr_read_file(const char *path, size_t max_bytes, char **data, size_t *bytes);
/* folder + "/" + name into malloc'ed memory, null when out of memory. The caller frees. */
char *cr_path_join(const char *folder, const char *name);
/* The folder that a path without trailing slashes stands in ("." and "/" included), likewise. */
char *cr_path_parent(const char *path);

#endif
