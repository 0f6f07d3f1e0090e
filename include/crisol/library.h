/* Shared libraries that are opened when they are wanted, so that the program starts without them. */
#ifndef CRISOL_LIBRARY_H
#define CRISOL_LIBRARY_H

#include "crisol/status.h"

#include <stddef.h>

typedef struct cr_library_symbol {
    const char *name;
    size_t offset; /* of the function's pointer in the caller's table */
} cr_library_symbol;

/* Opens `file` ("libnccl.so.2") and fills the caller's table of pointers from it. It stays open for as long as the
 * process lives. `wanted` says which library it is and from which version on ("NCCL 2.20 or newer"). Errors: CR_MISSING
 * in one line that names the library, what is wanted and what is missing. From one thread at a time. Local. */
CR_NODISCARD cr_status cr_library_open(const char *file, const char *wanted, const cr_library_symbol *symbols,
                                       int n_symbols, void *table);

#endif
