/* A libcuda.so.1 as on a machine whose driver is there and does not work: what the CUDA runtime asks first is answered
 * as the environment says. CRISOL_FAKE_CUINIT: the result of cuInit (default 100, no device); CRISOL_FAKE_DRIVER: the
 * CUDA version of the driver (default 13000). The runtime's way to a working device is not public, so a fake one ends
 * here. */
#include <cuda.h>

#undef cuGetProcAddress
#include <stdlib.h>
#include <string.h>

static int from_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

CUresult cuInit(unsigned flags)
{
    (void)flags;
    return (CUresult)from_environment("CRISOL_FAKE_CUINIT", CUDA_ERROR_NO_DEVICE);
}

CUresult cuDriverGetVersion(int *version)
{
    *version = from_environment("CRISOL_FAKE_DRIVER", 13000);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count)
{
    *count = 0;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **text)
{
    *text = error == CUDA_SUCCESS ? "no error" : "as ordered";
    return CUDA_SUCCESS;
}

CUresult cuGetExportTable(const void **table, const CUuuid *id)
{
    (void)id;
    *table = NULL;
    return CUDA_ERROR_NOT_FOUND;
}

/* What a working driver would do. */
static CUresult refuse(void)
{
    return CUDA_ERROR_NOT_INITIALIZED;
}

#undef cuGetProcAddress_v2
CUresult cuGetProcAddress_v2(const char *symbol, void **function, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *result)
{
    static const struct {
        const char *name;
        void *function;
    } known[] = {{"cuInit", (void *)&cuInit},
                 {"cuDriverGetVersion", (void *)&cuDriverGetVersion},
                 {"cuDeviceGetCount", (void *)&cuDeviceGetCount},
                 {"cuGetErrorString", (void *)&cuGetErrorString},
                 {"cuGetExportTable", (void *)&cuGetExportTable},
                 {"cuGetProcAddress", (void *)&cuGetProcAddress_v2}};
    (void)version;
    (void)flags;
    *function = (void *)&refuse;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, symbol) == 0)
            *function = known[i].function;
    if (result)
        *result = CU_GET_PROC_ADDRESS_SUCCESS;
    return CUDA_SUCCESS;
}
