/* Arithmetic over columns of a table: + - * / and parentheses, numbers, column names. A name that is no plain word
 * stands in "…", '…' or `…`. Evaluated in double, strictly in the written order (left to right, usual precedence), so
 * a formula means the same sum here and in any other program that follows IEEE 754. */
#ifndef CRISOL_FORMULA_EXPRESSION_H
#define CRISOL_FORMULA_EXPRESSION_H

#include "crisol/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CR_FORMULA_MAX_BYTES = 4096,
    CR_FORMULA_MAX_DEPTH = 64,
    CR_FORMULA_MAX_NAMES = 256
};

typedef struct cr_formula cr_formula;

/* Errors: CR_BAD_CONFIG, the message without file, and in *at (may be null) the byte of `text` that it is about. */
CR_NODISCARD cr_status cr_formula_compile(const char *text, cr_formula **formula, size_t *at);
void cr_formula_destroy(cr_formula **formula);

/* The columns that the formula names, each once, in order of appearance. */
int64_t cr_formula_n_names(const cr_formula *formula);
const char *cr_formula_name(const cr_formula *formula, int64_t name);
/* `values` [n_names]. Infinite or NaN where the arithmetic is. */
double cr_formula_evaluate(const cr_formula *formula, const double *values);

#endif
