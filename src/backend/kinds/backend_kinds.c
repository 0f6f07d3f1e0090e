#include "crisol/backend.h"

const cr_backend_kind *cr_backend_kinds(int *n)
{
    static const cr_backend_kind kinds[] = {{"cpu", cr_backend_open_cpu}};
    *n = sizeof kinds / sizeof *kinds;
    return kinds;
}
