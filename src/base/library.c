#include "crisol/library.h"

#include <dlfcn.h>
#include <string.h>

cr_status cr_library_open(const char *file, const char *wanted, const cr_library_symbol *symbols, int n_symbols,
                          void *table)
{
    dlerror();
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL); /* closed never: such libraries leave threads behind */
    if (!library) {
        const char *why = dlerror();
        return cr_fail(CR_MISSING, "%s (%s): %s", file, wanted, why ? why : "it cannot be opened");
    }
    for (int i = 0; i < n_symbols; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (!symbol) {
            dlclose(library);
            return cr_fail(CR_MISSING, "%s has no %s: this is not %s", file, symbols[i].name, wanted);
        }
        memcpy((char *)table + symbols[i].offset, &symbol, sizeof symbol); /* a function's address, as POSIX has it */
    }
    return CR_OK;
}
