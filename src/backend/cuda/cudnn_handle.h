/* A backend's hold on cuDNN. */
#ifndef CRISOL_CUDNN_HANDLE_H
#define CRISOL_CUDNN_HANDLE_H

#include "cuda_device.h"

/* Opens the library (cr_cuda_libraries_open()), makes cuda->cudnn for the current device and writes the versions of
 * CUDA and cuDNN to cuda->library. */
CR_NODISCARD cr_status cr_cudnn_handle_create(cr_cuda *cuda);
void cr_cudnn_handle_destroy(cr_cuda *cuda);

#endif
