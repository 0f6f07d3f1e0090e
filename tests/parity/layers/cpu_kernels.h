/* The CPU backend's own kernels with the reference's signatures: double arrays are rounded to float32, brought into one
 * of the backend's formats, and back. */
#ifndef CRISOL_TEST_CPU_KERNELS_H
#define CRISOL_TEST_CPU_KERNELS_H

#include "layer_cases.h"

#include "place.h"

/* Kernels for one format; valid until the next call. Calling thread only. */
layer_kernels cpu_kernels(const char *name, cr_format format, bool winograd);
void cpu_kernels_close(void);

#endif
