/* What stands in single cells and in a recipe's formula: lists as Python prints them, numbers, missing values,
 * expressions. Each of them gets every input. */
#include "fuzz_input.h"

#include "csv_scan.h"
#include "formula_expression.h"
#include "list_literal.h"
#include "number_cell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void try_list(const char *text, bool valid_utf8)
{
    static cr_list list; /* used for one cell after another, as the packer does */
    bool good = false;
    fuzz_demand(cr_list_parse(text, &list, &good) == CR_OK, "a list could not be judged");
    if (!good)
        return;
    fuzz_accepted = true;
    fuzz_demand(list.n >= 0 && list.n <= CR_LIST_MAX_ITEMS, "a list is too long");
    for (int64_t i = 0; i < list.n; i++) {
        double value;
        size_t length = strlen(list.items[i]);
        fuzz_demand(!list.is_number[i] || cr_number_parse(list.items[i], &value) == CR_NUMBER_VALUE,
                    "a list's number is none");
        fuzz_demand(!valid_utf8 || cr_utf8_valid_prefix((const unsigned char *)list.items[i], length) == length,
                    "a list's text is not UTF-8");
    }
}

static void try_number(const char *text)
{
    double value = NAN;
    cr_number_kind kind = cr_number_parse(text, &value);
    fuzz_demand((kind == CR_NUMBER_MISSING) == cr_cell_is_missing(text), "a cell is missing and not");
    fuzz_demand(kind != CR_NUMBER_VALUE || isfinite(value), "a number is not finite");
    if (kind == CR_NUMBER_VALUE)
        fuzz_accepted = true;
}

static void try_formula(const char *text)
{
    cr_formula *formula = NULL;
    size_t at = SIZE_MAX;
    cr_status status = cr_formula_compile(text, &formula, &at);
    fuzz_check_refusal(status);
    fuzz_demand(at <= strlen(text), "a formula's error lies outside of it");
    if (status != CR_OK)
        return;
    double values[CR_FORMULA_MAX_NAMES];
    int64_t n = cr_formula_n_names(formula);
    fuzz_demand(n >= 0 && n <= CR_FORMULA_MAX_NAMES, "a formula has too many names");
    for (int64_t i = 0; i < n; i++) {
        fuzz_demand(cr_formula_name(formula, i)[0], "a formula has an empty name");
        values[i] = (double)(i + 1) / 3;
    }
    (void)cr_formula_evaluate(formula, values);
    cr_formula_destroy(&formula);
    fuzz_accepted = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = fuzz_text(data, bytes);
    size_t length = strlen(text);
    try_list(text, cr_utf8_valid_prefix((const unsigned char *)text, length) == length);
    try_number(text);
    try_formula(text);
    free(text);
    return 0;
}
