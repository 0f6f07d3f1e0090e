#include "csv_table.h"

#include "csv_scan.h"
#include "string_index.h"

#include "crisol/atomic_file.h"

#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cr_csv_problem_name(cr_csv_problem problem)
{
    switch (problem) {
#define CR_CSV_PROBLEM_CASE(name, text)                                                                                \
    case name:                                                                                                         \
        return text;
        CR_CSV_PROBLEM_LIST(CR_CSV_PROBLEM_CASE)
#undef CR_CSV_PROBLEM_CASE
    }
    return "unknown";
}

void cr_csv_destroy(cr_csv_table **table)
{
    if (table == NULL || *table == NULL)
        return;
    free((*table)->path);
    free((*table)->records);
    free((*table)->text);
    free((*table)->cells);
    free(*table);
    *table = NULL;
}

const char *cr_csv_cell(const cr_csv_table *table, int64_t row, int64_t column)
{
    return table->text + table->cells[(row + 1) * table->n_columns + column];
}

const char *cr_csv_column_name(const cr_csv_table *table, int64_t column)
{
    return cr_csv_cell(table, -1, column);
}

int64_t cr_csv_find_column(const cr_csv_table *table, const char *name)
{
    for (int64_t i = 0; i < table->n_columns; i++)
        if (strcmp(cr_csv_column_name(table, i), name) == 0)
            return i;
    return -1;
}

bool cr_csv_is_ragged(const cr_csv_table *table, int64_t row)
{
    return table->records[row + 1].n_cells != table->records[0].n_cells;
}

static const char *problem_advice(cr_csv_problem problem)
{
    switch (problem) {
    case CR_CSV_UNTERMINATED_QUOTE:
        return "the quote that opens here is never closed";
    case CR_CSV_BAD_QUOTE:
        return "text follows a closing quote; a quote inside a quoted cell is written twice";
    case CR_CSV_EMPTY_TABLE:
        return "there is no header; the first line must name the columns";
    case CR_CSV_NUL_BYTE:
        return "a NUL byte; save the table as UTF-8 text (UTF-16 looks like this)";
    case CR_CSV_NOT_UTF8:
        return "bytes that are not UTF-8; convert the table, for instance with iconv -f latin1 -t utf-8";
    case CR_CSV_TOO_LARGE:
        return "over a limit: 4096 columns, 1 MiB a cell, 16 million records, 268 million cells";
    default:
        return "";
    }
}

static cr_status fail_at(cr_csv_problem problem, const char *name, int64_t record, int64_t line, const char *text)
{
    const char *kind = cr_csv_problem_name(problem);
    if (record == 0)
        return cr_fail(CR_BAD_DATA, "%s: header (line %lld): %s: %s", name, (long long)line, kind, text);
    return cr_fail(CR_BAD_DATA, "%s: record %lld (line %lld): %s: %s", name, (long long)record, (long long)line, kind,
                   text);
}

static cr_status fail_scan(const cr_csv_scan *scan, const char *name)
{
    if (scan->problem != CR_CSV_RAGGED_ROW)
        return fail_at(scan->problem, name, scan->record, scan->line, problem_advice(scan->problem));
    char text[160];
    snprintf(text, sizeof text, "%lld cells where the header has %u; quote the cells that contain commas",
             (long long)scan->n_cells, scan->records[0].n_cells);
    return fail_at(scan->problem, name, scan->record, scan->line, text);
}

typedef struct filler {
    cr_csv_table *table;
    size_t text_bytes, text_capacity;
    int64_t record;
    int64_t column;
    bool overflow; /* libcsv found more than the scan did */
} filler;

static void take_cell(void *cell, size_t bytes, void *context)
{
    filler *fill = context;
    cr_csv_table *table = fill->table;
    int64_t column = fill->column++;
    if (column >= table->n_columns)
        return; /* a ragged record's surplus */
    if (fill->record > table->n_rows || fill->text_capacity - fill->text_bytes < bytes + 1) {
        fill->overflow = true;
        return;
    }
    table->cells[fill->record * table->n_columns + column] = (uint32_t)fill->text_bytes;
    if (bytes > 0)
        memcpy(table->text + fill->text_bytes, cell, bytes);
    fill->text_bytes += bytes;
    table->text[fill->text_bytes++] = '\0';
}

static void take_record(int end, void *context)
{
    filler *fill = context;
    (void)end;
    if (fill->record <= fill->table->n_rows && fill->table->records[fill->record].n_cells != fill->column)
        fill->overflow = true;
    fill->record++;
    fill->column = 0;
}

static int no_space(unsigned char byte)
{
    (void)byte;
    return 0; /* libcsv would trim what this function calls a space */
}

/* Lets libcsv take the scanned bytes apart. text[0] is an empty cell, which ragged records use for what they lack. */
static cr_status fill_cells(cr_csv_table *table, const char *bytes, size_t n_bytes)
{
    size_t n_cells = (size_t)(table->n_rows + 1) * (size_t)table->n_columns;
    filler fill = {.table = table, .text_bytes = 1, .text_capacity = n_bytes + n_cells + 1};
    table->cells = calloc(n_cells, sizeof *table->cells);
    table->text = malloc(fill.text_capacity);
    if (table->cells == NULL || table->text == NULL)
        return cr_fail_memory("cells of a table", fill.text_capacity + n_cells * sizeof *table->cells);
    table->text[0] = '\0';
    struct csv_parser parser;
    if (csv_init(&parser, 0) != 0)
        return cr_fail(CR_INTERNAL, "libcsv does not start");
    csv_set_space_func(&parser, no_space);
    csv_set_blk_size(&parser, 65536);
    bool parsed = csv_parse(&parser, bytes, n_bytes, take_cell, take_record, &fill) == n_bytes &&
                  csv_fini(&parser, take_cell, take_record, &fill) == 0;
    csv_free(&parser);
    if (!parsed)
        return cr_fail_memory("a cell of a table", CR_CSV_MAX_CELL_BYTES);
    if (fill.overflow || fill.record != table->n_rows + 1)
        return cr_fail(CR_INTERNAL, "%s: libcsv finds other records than the check before it", table->path);
    return CR_OK;
}

static cr_status check_header(const cr_csv_table *table, cr_csv_problem *problem)
{
    char text[256];
    for (int64_t i = 0; i < table->n_columns; i++) {
        if (cr_csv_column_name(table, i)[0] == '\0') {
            *problem = CR_CSV_EMPTY_COLUMN_NAME;
            snprintf(text, sizeof text, "column %lld has no name", (long long)i + 1);
            return fail_at(*problem, table->path, 0, table->records[0].line, text);
        }
    }
    const char **names = malloc((size_t)table->n_columns * sizeof *names);
    if (names == NULL)
        return cr_fail_memory("column names", (size_t)table->n_columns * sizeof *names);
    for (int64_t i = 0; i < table->n_columns; i++)
        names[i] = cr_csv_column_name(table, i);
    qsort(names, (size_t)table->n_columns, sizeof *names, cr_compare_texts);
    cr_status status = CR_OK;
    for (int64_t i = 1; i < table->n_columns && status == CR_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            *problem = CR_CSV_DUPLICATE_COLUMN;
            snprintf(text, sizeof text, "two columns are named \"%.150s\"", names[i]);
            status = fail_at(*problem, table->path, 0, table->records[0].line, text);
        }
    }
    free(names);
    return status;
}

/* Takes over the scan's records. */
static cr_status build_table(cr_csv_scan *scan, const char *bytes, size_t n_bytes, const char *name,
                             cr_csv_problem *problem, cr_csv_table **table)
{
    cr_status status = CR_OK;
    cr_csv_table *made = calloc(1, sizeof *made);
    if (made == NULL)
        return cr_fail_memory("a table", sizeof *made);
    made->path = strdup(name);
    made->records = scan->records;
    made->n_rows = scan->n_records - 1;
    made->n_columns = scan->records[0].n_cells;
    scan->records = NULL;
    if (made->path == NULL) {
        status = cr_fail_memory("a table's name", strlen(name));
        goto done;
    }
    if (scan->n_records > CR_CSV_MAX_CELLS / made->n_columns) {
        *problem = CR_CSV_TOO_LARGE;
        status = fail_at(*problem, name, 0, made->records[0].line, problem_advice(*problem));
        goto done;
    }
    CR_TRY(fill_cells(made, bytes, n_bytes));
    CR_TRY(check_header(made, problem));
    *table = made;
    made = NULL;
done:
    cr_csv_destroy(&made);
    return status;
}

cr_status cr_csv_parse(const char *bytes, size_t n_bytes, const char *name, cr_csv_ragged ragged, cr_csv_table **table,
                       cr_csv_problem *problem)
{
    cr_status status = CR_OK;
    cr_csv_scan scan = {0};
    cr_csv_problem found = CR_CSV_NO_PROBLEM;
    if (n_bytes > CR_CSV_MAX_BYTES) {
        found = CR_CSV_TOO_LARGE;
        status = cr_fail(CR_BAD_DATA, "%s: too_large: over 1 GiB", name);
        goto done;
    }
    if (n_bytes >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        n_bytes -= 3;
    }
    CR_TRY(cr_csv_scan_bytes((const unsigned char *)bytes, n_bytes, ragged, &scan));
    found = scan.problem;
    if (found != CR_CSV_NO_PROBLEM) {
        status = fail_scan(&scan, name);
        goto done;
    }
    CR_TRY(build_table(&scan, bytes, n_bytes, name, &found, table));
done:
    free(scan.records);
    if (problem != NULL)
        *problem = found;
    return status;
}

cr_status cr_csv_read(const char *path, cr_csv_ragged ragged, cr_csv_table **table, cr_csv_problem *problem)
{
    cr_status status = CR_OK;
    char *bytes = NULL;
    size_t n_bytes = 0;
    if (problem != NULL)
        *problem = CR_CSV_NO_PROBLEM;
    CR_TRY(cr_read_file(path, CR_CSV_MAX_BYTES, &bytes, &n_bytes));
    CR_TRY(cr_csv_parse(bytes, n_bytes, path, ragged, table, problem));
done:
    free(bytes);
    return status;
}
