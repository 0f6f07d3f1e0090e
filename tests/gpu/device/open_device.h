/* The device that a check runs on, by the name that its command line gives. */
#ifndef CRISOL_TEST_OPEN_DEVICE_H
#define CRISOL_TEST_OPEN_DEVICE_H

#include "crisol/backend.h"

enum {
    DEVICE_SKIPPED = 77 /* exit code: this machine has no such device */
};

/* "cpu", or "cuda": the first GPU. `label`, at least 160 bytes, receives what a result is to be kept under: "NVIDIA
 * H200", or the CPU library. CR_MISSING with one line where there is no GPU; CR_USAGE for another name. */
CR_NODISCARD cr_status open_device(const char *name, cr_backend **backend, char *label);
/* Prints the failure; the program's exit code: DEVICE_SKIPPED for what open_device() found missing. */
int device_exit_code(const char *program, const cr_backend *backend, cr_status status);

#endif
