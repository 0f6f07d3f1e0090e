/* Which GPUs there are. The CUDA runtime is part of the program, the driver is not: without one, the first call says
 * so.
 */
#include "crisol/backend.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void write_uuid(const unsigned char bytes[16], char text[48])
{
    char *at = text + snprintf(text, 48, "GPU");
    for (int i = 0; i < 16; i++)
        at += snprintf(at, 4, "%s%02x", i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
}

static bool has_driver(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (driver)
        dlclose(driver);
    return driver != NULL;
}

static cudaError_t describe(int i, cr_cuda_device *device)
{
    struct cudaDeviceProp facts;
    cudaError_t error = cudaGetDeviceProperties(&facts, i);
    if (error != cudaSuccess)
        return error;
    snprintf(device->name, sizeof device->name, "%.*s", (int)sizeof device->name - 1, facts.name);
    write_uuid((const unsigned char *)facts.uuid.bytes, device->uuid);
    return cudaSuccess;
}

static void give_reason(cr_cuda_devices *found, const char *what, const char *detail)
{
    found->n = 0;
    snprintf(found->why_not, sizeof found->why_not, "%s%s%s", what, *detail ? ": " : "", detail);
}

void cr_cuda_devices_find(cr_cuda_devices *found)
{
    int n = 0;
    memset(found, 0, sizeof *found);
    if (!has_driver()) {
        give_reason(found, "there is no NVIDIA driver (libcuda.so.1)", "");
        return;
    }
    found->is_half_there = true;
    cudaError_t error = cudaGetDeviceCount(&n);
    if (error == cudaSuccess && n == 0)
        error = cudaErrorNoDevice;
    n = n < CR_CUDA_MAX_DEVICES ? n : CR_CUDA_MAX_DEVICES;
    for (int i = 0; error == cudaSuccess && i < n; i++)
        error = describe(i, &found->devices[i]);
    if (error != cudaSuccess) {
        give_reason(found, "the NVIDIA driver is there, but not a GPU", cudaGetErrorString(error));
        (void)cudaGetLastError(); /* it is told: nobody else shall find it */
        return;
    }
    if (cr_cuda_libraries_open() != CR_OK) {
        give_reason(found, cr_error_message(), "");
        return;
    }
    found->n = n;
    found->is_half_there = false;
}
