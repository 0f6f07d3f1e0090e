/* A folder of its own for a test that writes files. */
#ifndef CRISOL_TEST_SCRATCH_FOLDER_H
#define CRISOL_TEST_SCRATCH_FOLDER_H

#include <stddef.h>

/* cmocka setup and teardown: makes a fresh folder under $TMPDIR or /tmp, removes it with all that is in it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);
/* The folder. */
const char *scratch_folder(void);
/* folder/name, in a buffer that the eighth next call reuses. */
const char *scratch_path(const char *name);
/* Writes a file there and returns its path. */
const char *scratch_file(const char *name, const void *data, size_t bytes);
/* Directory entries, without . and .. */
int scratch_count(void);

#endif
