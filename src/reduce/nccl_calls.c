#include "nccl_calls.h"

#include "crisol/library.h"

#include <stdbool.h>

enum {
    OLDEST = 22000 /* 2.20: the first whose non-blocking communicators can be sent and received with */
};

cr_status cr_nccl_open(const cr_nccl_calls **calls)
{
    static const cr_library_symbol symbols[] = {
#define CR_NCCL_SYMBOL(name) {"nccl" #name, offsetof(cr_nccl_calls, name)},
        CR_NCCL_CALLS(CR_NCCL_SYMBOL)
#undef CR_NCCL_SYMBOL
    };
    static cr_nccl_calls table;
    static bool is_open;
    cr_status status = CR_OK;
    if (!is_open) {
        CR_TRY(
            cr_library_open("libnccl.so.2", "NCCL 2.20 or newer", symbols, sizeof symbols / sizeof *symbols, &table));
        ncclResult_t result = table.GetVersion(&table.version);
        if (result != ncclSuccess)
            return cr_fail(CR_MISSING, "libnccl.so.2 does not tell its version: %s", table.GetErrorString(result));
        if (table.version < OLDEST)
            return cr_fail(CR_MISSING, "libnccl.so.2 is NCCL %d.%d, but 2.20 or newer is needed", table.version / 10000,
                           table.version / 100 % 100);
        is_open = true;
    }
    *calls = &table;
done:
    return status;
}
