/* The pass over a CSV file that judges it before libcsv takes it apart. libcsv knows one strictness for two rules that
 * differ here: a quote inside an unquoted cell is literal, text after a closing quote is an error; and it reports no
 * line numbers. So this pass finds every error and where each record starts, and libcsv makes the cells. */
#ifndef CRISOL_CSV_SCAN_H
#define CRISOL_CSV_SCAN_H

#include "csv_table.h"

typedef struct cr_csv_scan {
    cr_csv_record *records; /* owned */
    int64_t n_records;      /* with the header */
    int64_t capacity;
    cr_csv_problem problem;
    int64_t record;  /* of the problem: 0 = header */
    int64_t line;    /* of the problem */
    int64_t n_cells; /* ragged_row: cells of that record */
} cr_csv_scan;

/* Scans `bytes` (without byte order mark). CR_OK also when `scan->problem` is set; otherwise only CR_INTERNAL (memory).
 * The caller frees `scan->records` in both cases. */
CR_NODISCARD cr_status cr_csv_scan_bytes(const unsigned char *bytes, size_t n_bytes, cr_csv_ragged ragged,
                                         cr_csv_scan *scan);

/* Offset of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7), or `n_bytes`. */
size_t cr_utf8_valid_prefix(const unsigned char *bytes, size_t n_bytes);

#endif
