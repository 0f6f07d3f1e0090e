/* A training step and an evaluation of each backbone on a small image, against the reference. */
#ifndef CRISOL_TEST_BACKBONES_H
#define CRISOL_TEST_BACKBONES_H

#include "crisol/backend.h"

/* As one cmocka group. Returns the number of failed tests. */
int backbones_run(const char *name, cr_status (*open)(cr_backend **backend));

#endif
