#include "cudnn_calls.h"

#include "crisol/library.h"

#include <stdbool.h>
#include <stddef.h>

static const char library_file[] = "libcudnn.so.9";
static const char wanted[] = "cuDNN 9.8 or newer, for the GPU";
enum {
    OLDEST = 90800
};

cr_status cr_cudnn_open(const cr_cudnn_calls **calls)
{
    static const cr_library_symbol symbols[] = {
#define CR_CUDNN_SYMBOL(name) {"cudnn" #name, offsetof(cr_cudnn_calls, name)},
        CR_CUDNN_CALLS(CR_CUDNN_SYMBOL)
#undef CR_CUDNN_SYMBOL
    };
    static cr_cudnn_calls table;
    static bool opened;
    cr_status status = CR_OK;
    if (!opened) {
        CR_TRY(cr_library_open(library_file, wanted, symbols, sizeof symbols / sizeof *symbols, &table));
        size_t version = table.GetVersion();
        if (version < OLDEST) {
            status = cr_fail(CR_MISSING, "%s is version %zu.%zu.%zu: wanted is %s", library_file, version / 10000,
                             version / 100 % 100, version % 100, wanted);
            goto done;
        }
        opened = true;
    }
    *calls = &table;
done:
    return status;
}

cr_status cr_cudnn_check(const cr_cudnn_calls *calls, cudnnStatus_t result, const char *what)
{
    char words[256] = "";
    if (result == CUDNN_STATUS_SUCCESS)
        return CR_OK;
    calls->GetLastErrorString(words, sizeof words);
    words[sizeof words - 1] = '\0';
    return cr_fail(CR_INTERNAL, "cuDNN: %s: %s %s", what, calls->GetErrorString(result), words);
}
