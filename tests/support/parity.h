/* Reference numbers as data: the folder that CRISOL_PARITY_DIR names (default: ../shared/parity beside the checkout).
 * Every comparison prints one line: what, measured error, allowed error. */
#ifndef CRISOL_TEST_PARITY_H
#define CRISOL_TEST_PARITY_H

#include "crisol/run.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The folder, or null (then it has printed why); a test calls parity_require() first and skips on false. */
const char *parity_dir(void);
/* cmocka's skip() when the references are absent. */
void parity_require(void);
/* The folder with odir5k/ and poi/, from CRISOL_DATA_DIR (default: ../shared/data beside the checkout), or null (said
 * so). */
const char *data_dir(void);

/* Whole files; failing to read one that should be there fails the test. The caller json_decref()s / closes. */
json_t *parity_json(const char *file);
cr_safetensors *parity_tensors(const char *file);

/* Follows "a.b.3.c" through objects and arrays; fails the test when a step is missing. Borrowed. */
json_t *parity_get(json_t *root, const char *path);
/* The same, null when absent. */
json_t *parity_find(json_t *root, const char *path);
/* Number at a path; "nan", "inf", "-inf" understood. */
double parity_real(json_t *root, const char *path);
/* Value of a JSON number or "nan", "inf", "-inf". */
double parity_value(const json_t *value);

/* A tensor as doubles (F64, F32, I32, I64, U8), malloc'ed; fails the test when absent. */
double *parity_doubles(const cr_safetensors *file, const char *name, int64_t *n);

/* Prints the line and returns measured <= allowed (false for NaN). */
bool parity_line(const char *what, double measured, double allowed);
/* Largest |a - b|, and its ratio to the largest |b|. */
double parity_max_abs(const double *a, const double *b, int64_t n);
double parity_rel_to_max(const double *a, const double *b, int64_t n);
/* ‖a - b‖ / ‖b‖ */
double parity_rel_l2(const double *a, const double *b, int64_t n);

#endif
