/* A whole CSV file in memory: RFC 4180 with UTF-8 text, the comma as the only separator and a header record. A byte
 * order mark is dropped, records end with LF, CRLF or CR, empty lines are skipped, spaces belong to their cell. What
 * RFC 4180 leaves open is refused and never guessed. */
#ifndef CRISOL_CSV_TABLE_H
#define CRISOL_CSV_TABLE_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CR_CSV_MAX_BYTES = 1 << 30,
    CR_CSV_MAX_COLUMNS = 4096,
    CR_CSV_MAX_RECORDS = 1 << 24,
    CR_CSV_MAX_CELLS = 1 << 28,
    CR_CSV_MAX_CELL_BYTES = 1 << 20
};

/* What is wrong with a file. The words are part of every message, so that a script can look for them. */
#define CR_CSV_PROBLEM_LIST(X)                                                                                         \
    X(CR_CSV_NO_PROBLEM, "none")                                                                                       \
    X(CR_CSV_RAGGED_ROW, "ragged_row")                                                                                 \
    X(CR_CSV_DUPLICATE_COLUMN, "duplicate_column")                                                                     \
    X(CR_CSV_EMPTY_COLUMN_NAME, "empty_column_name")                                                                   \
    X(CR_CSV_UNTERMINATED_QUOTE, "unterminated_quote")                                                                 \
    X(CR_CSV_BAD_QUOTE, "bad_quote")                                                                                   \
    X(CR_CSV_EMPTY_TABLE, "empty_table")                                                                               \
    X(CR_CSV_NUL_BYTE, "nul_byte")                                                                                     \
    X(CR_CSV_NOT_UTF8, "not_utf8")                                                                                     \
    X(CR_CSV_TOO_LARGE, "too_large")

typedef enum cr_csv_problem {
#define CR_CSV_PROBLEM_ENUM(name, text) name,
    CR_CSV_PROBLEM_LIST(CR_CSV_PROBLEM_ENUM)
#undef CR_CSV_PROBLEM_ENUM
} cr_csv_problem;
const char *cr_csv_problem_name(cr_csv_problem problem);

typedef enum cr_csv_ragged {
    CR_CSV_RAGGED_FAILS, /* a record with too few or too many cells is an error of the file */
    CR_CSV_RAGGED_MARKED /* it is kept and cr_csv_is_ragged() tells: the caller refuses that row alone */
} cr_csv_ragged;

/* A record as it stands in the file. */
typedef struct cr_csv_record {
    uint32_t line;    /* 1-based line on which it starts */
    uint32_t n_cells; /* as written */
} cr_csv_record;

typedef struct cr_csv_table {
    char *path;
    int64_t n_rows; /* records after the header */
    int64_t n_columns;
    cr_csv_record *records; /* [n_rows + 1], the header first */
    char *text;             /* all cells, each ended by NUL */
    uint32_t *cells;        /* [n_rows + 1, n_columns] offsets in `text` */
} cr_csv_table;

/* Reads a table. `problem` (may be null) tells the kind of a CR_BAD_DATA. Errors: CR_BAD_DATA naming file, record, line
 * and kind; CR_MISSING, CR_PERMISSION, CR_IO. */
CR_NODISCARD cr_status cr_csv_read(const char *path, cr_csv_ragged ragged, cr_csv_table **table,
                                   cr_csv_problem *problem);
/* The same from memory; `name` stands for the file in messages. */
CR_NODISCARD cr_status cr_csv_parse(const char *bytes, size_t n_bytes, const char *name, cr_csv_ragged ragged,
                                    cr_csv_table **table, cr_csv_problem *problem);
void cr_csv_destroy(cr_csv_table **table);

/* Row 0 is the first record after the header. A ragged record has "" for the cells that it lacks. */
const char *cr_csv_cell(const cr_csv_table *table, int64_t row, int64_t column);
const char *cr_csv_column_name(const cr_csv_table *table, int64_t column);
int64_t cr_csv_find_column(const cr_csv_table *table, const char *name); /* -1 when there is none */
bool cr_csv_is_ragged(const cr_csv_table *table, int64_t row);

#endif
