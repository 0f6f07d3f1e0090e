/* CSV tables. The first byte of an input only chooses what is done with a ragged record. */
#include "fuzz_input.h"

#include "csv_table.h"

static void check_table(const cr_csv_table *table, cr_csv_ragged ragged)
{
    fuzz_demand(table->n_columns >= 1 && table->n_columns <= CR_CSV_MAX_COLUMNS, "a number of columns is out of range");
    for (int64_t row = -1; row < table->n_rows; row++) {
        fuzz_demand(table->records[row + 1].line > 0, "a record has no line");
        for (int64_t column = 0; column < table->n_columns; column++)
            fuzz_touch_text(cr_csv_cell(table, row, column));
        if (row >= 0)
            fuzz_demand(ragged == CR_CSV_RAGGED_MARKED || !cr_csv_is_ragged(table, row), "a ragged record was let in");
    }
    for (int64_t column = 0; column < table->n_columns; column++)
        fuzz_demand(cr_csv_find_column(table, cr_csv_column_name(table, column)) == column, "a column has two places");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 1)
        return 0;
    cr_csv_ragged ragged = data[0] & 1 ? CR_CSV_RAGGED_MARKED : CR_CSV_RAGGED_FAILS;
    cr_csv_table *table = NULL;
    cr_csv_problem problem = CR_CSV_NO_PROBLEM;
    cr_status status = cr_csv_parse((const char *)data + 1, bytes - 1, "input", ragged, &table, &problem);
    fuzz_check_refusal(status);
    fuzz_demand((status == CR_OK) == (problem == CR_CSV_NO_PROBLEM), "status and problem disagree");
    if (status == CR_OK) {
        check_table(table, ragged);
        fuzz_accepted = true;
    }
    cr_csv_destroy(&table);
    return 0;
}
