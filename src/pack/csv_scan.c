#include "csv_scan.h"

#include <stdlib.h>
#include <string.h>

/* Bytes after a lead byte and the range of the first of them, which is what excludes overlong forms, surrogates and
 * numbers above U+10FFFF. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    unsigned char lowest = 0x80, highest = 0xBF;
    size_t more;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF) {
        more = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        more = 2;
        if (lead == 0xE0)
            lowest = 0xA0;
        else if (lead == 0xED)
            highest = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        more = 3;
        if (lead == 0xF0)
            lowest = 0x90;
        else if (lead == 0xF4)
            highest = 0x8F;
    } else {
        return 0;
    }
    if (left <= more || at[1] < lowest || at[1] > highest)
        return 0;
    for (size_t i = 2; i <= more; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return more + 1;
}

size_t cr_utf8_valid_prefix(const unsigned char *bytes, size_t n_bytes)
{
    size_t at = 0;
    while (at < n_bytes) {
        uint64_t eight;
        if (n_bytes - at >= sizeof eight) {
            memcpy(&eight, bytes + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t length = sequence_length(bytes + at, n_bytes - at);
        if (length == 0)
            return at;
        at += length;
    }
    return n_bytes;
}

typedef enum place {
    ROW_START,
    CELL_START,
    PLAIN,
    QUOTED,
    AFTER_QUOTE
} place;

typedef struct scanner {
    cr_csv_scan *scan;
    cr_csv_ragged ragged;
    place place;
    int64_t line; /* of the byte being read */
    int64_t quote_line;
    cr_csv_record current;
    size_t cell_bytes;
} scanner;

static void set_problem(scanner *s, cr_csv_problem problem, int64_t line)
{
    s->scan->problem = problem;
    s->scan->record = s->scan->n_records;
    s->scan->line = line;
    s->scan->n_cells = s->current.n_cells;
}

static cr_status end_record(scanner *s)
{
    cr_csv_scan *scan = s->scan;
    s->place = ROW_START;
    if (scan->n_records > 0 && s->current.n_cells != scan->records[0].n_cells && s->ragged == CR_CSV_RAGGED_FAILS) {
        set_problem(s, CR_CSV_RAGGED_ROW, s->current.line);
        return CR_OK;
    }
    if (scan->n_records >= CR_CSV_MAX_RECORDS) {
        set_problem(s, CR_CSV_TOO_LARGE, s->current.line);
        return CR_OK;
    }
    if (scan->n_records == scan->capacity) {
        int64_t capacity = scan->capacity == 0 ? 1024 : 2 * scan->capacity;
        cr_csv_record *records = realloc(scan->records, (size_t)capacity * sizeof *records);
        if (records == NULL)
            return cr_fail_memory("records of a table", (size_t)capacity * sizeof *records);
        scan->records = records;
        scan->capacity = capacity;
    }
    scan->records[scan->n_records++] = s->current;
    return CR_OK;
}

static void end_cell(scanner *s)
{
    s->place = CELL_START;
    s->cell_bytes = 0;
    if (++s->current.n_cells > CR_CSV_MAX_COLUMNS)
        set_problem(s, CR_CSV_TOO_LARGE, s->line);
}

static void start_cell(scanner *s, unsigned char byte)
{
    if (s->place == ROW_START)
        s->current = (cr_csv_record){.line = (uint32_t)s->line, .n_cells = 0};
    s->cell_bytes = 0;
    s->place = byte == '"' ? QUOTED : PLAIN;
    s->quote_line = s->line;
}

static cr_status scan_byte(scanner *s, unsigned char byte)
{
    if (s->place == QUOTED) {
        if (byte == '"')
            s->place = AFTER_QUOTE;
        return CR_OK;
    }
    if (byte == '\n' || byte == '\r') {
        if (s->place == ROW_START) /* an empty line, or the LF of a CRLF */
            return CR_OK;
        end_cell(s);
        return s->scan->problem == CR_CSV_NO_PROBLEM ? end_record(s) : CR_OK;
    }
    if (byte == ',') {
        if (s->place == ROW_START)
            start_cell(s, byte);
        end_cell(s);
    } else if (s->place == ROW_START || s->place == CELL_START) {
        start_cell(s, byte);
    } else if (s->place == AFTER_QUOTE) {
        if (byte == '"')
            s->place = QUOTED;
        else
            set_problem(s, CR_CSV_BAD_QUOTE, s->line);
    }
    return CR_OK;
}

static cr_status scan_end(scanner *s)
{
    if (s->place == QUOTED) {
        set_problem(s, CR_CSV_UNTERMINATED_QUOTE, s->quote_line);
        return CR_OK;
    }
    if (s->place != ROW_START) {
        end_cell(s);
        if (s->scan->problem != CR_CSV_NO_PROBLEM)
            return CR_OK;
        cr_status status = end_record(s);
        if (status != CR_OK || s->scan->problem != CR_CSV_NO_PROBLEM)
            return status;
    }
    if (s->scan->n_records == 0)
        set_problem(s, CR_CSV_EMPTY_TABLE, 1);
    return CR_OK;
}

cr_status cr_csv_scan_bytes(const unsigned char *bytes, size_t n_bytes, cr_csv_ragged ragged, cr_csv_scan *scan)
{
    *scan = (cr_csv_scan){0};
    scanner s = {.scan = scan, .ragged = ragged, .place = ROW_START, .line = 1};
    size_t valid = cr_utf8_valid_prefix(bytes, n_bytes);
    for (size_t i = 0; i < n_bytes && scan->problem == CR_CSV_NO_PROBLEM; i++) {
        if (i == valid || bytes[i] == '\0') {
            set_problem(&s, i == valid ? CR_CSV_NOT_UTF8 : CR_CSV_NUL_BYTE, s.line);
            return CR_OK;
        }
        cr_status status = scan_byte(&s, bytes[i]);
        if (status != CR_OK)
            return status;
        if (++s.cell_bytes > CR_CSV_MAX_CELL_BYTES && s.place != ROW_START && scan->problem == CR_CSV_NO_PROBLEM)
            set_problem(&s, CR_CSV_TOO_LARGE, s.line);
        if (bytes[i] == '\r' || (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')))
            s.line++;
    }
    return scan->problem == CR_CSV_NO_PROBLEM ? scan_end(&s) : CR_OK;
}
