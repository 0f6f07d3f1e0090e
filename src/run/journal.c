#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/json.h"
#include "run_folder.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    METRICS_MAX_BYTES = 1 << 28, /* of a metrics.csv that is opened again */
    NUMBER_MAX = 32
};

cr_status cr_run_journal(cr_run *run, const char *event, struct json_t *fields)
{
    cr_status status = CR_OK;
    char *line = NULL, now[24];
    cr_clock_utc(now, sizeof now);
    json_t *object = json_pack("{s:s, s:s}", "time", now, "event", event);
    if (!object || (fields && (json_object_get(fields, "time") || json_object_get(fields, "event") ||
                               json_object_update(object, fields)))) {
        status = cr_fail(CR_INTERNAL, "journal: event %s has impossible fields, or there is no memory for them", event);
        goto done;
    }
    line = cr_json_line(object);
    if (!line) {
        status = cr_fail_memory("a line of the journal", 0);
        goto done;
    }
    size_t length = strlen(line);
    line[length] = '\n'; /* over the final NUL: the length is known */
    if (run->journal < 0)
        CR_TRY(cr_run_open_log(run, CR_RUN_JOURNAL, &run->journal));
    CR_TRY(cr_run_append(run, CR_RUN_JOURNAL, run->journal, line, length + 1));
done:
    free(line);
    json_decref(object);
    json_decref(fields);
    return status;
}

/* The shortest of 15 to 17 digits that gives the same double back. */
static void print_real(double value, char text[NUMBER_MAX])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, NUMBER_MAX, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

/* Text of a cell; null when the value is no number (nan and the infinities come as strings, see cr_json_real). */
static const char *cell_text(const json_t *value, char text[NUMBER_MAX])
{
    if (json_is_integer(value))
        snprintf(text, NUMBER_MAX, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        print_real(json_real_value(value), text);
    else if (json_is_string(value) &&
             (!strcmp(json_string_value(value), "nan") || !strcmp(json_string_value(value), "inf") ||
              !strcmp(json_string_value(value), "-inf")))
        snprintf(text, NUMBER_MAX, "%s", json_string_value(value));
    else
        return NULL;
    return text;
}

static cr_status columns_of_row(const json_t *row, json_t **columns)
{
    const char *key;
    json_t *value;
    *columns = json_array();
    json_object_foreach((json_t *)row, key, value)
    {
        if (!*key || strpbrk(key, ",\"\r\n"))
            return cr_fail(CR_INTERNAL, "metrics.csv: impossible column name '%s'", key);
        if (json_array_append_new(*columns, json_string(key)))
            return cr_fail_memory("columns of metrics.csv", strlen(key));
    }
    if (!json_array_size(*columns))
        return cr_fail(CR_INTERNAL, "metrics.csv: a row without columns");
    return CR_OK;
}

static cr_status columns_of_file(const cr_run *run, json_t **columns)
{
    cr_status status = CR_OK;
    char *text = NULL, *rest = NULL;
    size_t bytes = 0;
    char *path = cr_path_join(run->folder, CR_RUN_METRICS);
    if (!path)
        return cr_fail_memory("a path", 0);
    *columns = NULL;
    CR_TRY(cr_read_file(path, METRICS_MAX_BYTES, &text, &bytes));
    text[strcspn(text, "\n")] = 0;
    if (!*text)
        goto done;
    *columns = json_array();
    for (const char *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        if (json_array_append_new(*columns, json_string(name))) {
            status = cr_fail(CR_BAD_DATA, "%s: its first line is no list of names", path);
            goto done;
        }
done:
    free(text);
    free(path);
    return status;
}

/* Joins the cells in the columns' order, or with a null row the columns' names. */
static cr_status print_line(const json_t *columns, const json_t *row, char **line, size_t *bytes)
{
    char number[NUMBER_MAX];
    size_t i, found = 0;
    json_t *column;
    FILE *out = open_memstream(line, bytes);
    if (!out)
        return cr_fail_memory("a line of metrics.csv", 0);
    cr_status status = CR_OK;
    json_array_foreach((json_t *)columns, i, column)
    {
        const char *name = json_string_value(column);
        const json_t *value = json_object_get(row, name);
        const char *text = !row ? name : !value ? "" : cell_text(value, number);
        found += value != NULL;
        if (!text) {
            status = cr_fail(CR_INTERNAL, "metrics.csv: the value of %s is no number", name);
            break;
        }
        fprintf(out, "%s%s", i ? "," : "", text);
    }
    fputc('\n', out);
    if (fclose(out) && status == CR_OK)
        status = cr_fail_memory("a line of metrics.csv", 0);
    if (status == CR_OK && row && found != json_object_size(row))
        status = cr_fail(CR_BAD_DATA, "metrics.csv: a row has a column that the file lacks; move the file away");
    return status;
}

/* Opens metrics.csv, whose columns are those of its first line or, when it is new, of its first row. */
static cr_status open_metrics(cr_run *run, const json_t *row)
{
    cr_status status = CR_OK;
    char *line = NULL;
    size_t bytes = 0;
    if (run->metrics < 0)
        CR_TRY(cr_run_open_log(run, CR_RUN_METRICS, &run->metrics));
    CR_TRY(columns_of_file(run, &run->columns));
    if (!run->columns) {
        CR_TRY(columns_of_row(row, &run->columns));
        CR_TRY(print_line(run->columns, NULL, &line, &bytes));
        CR_TRY(cr_run_append(run, CR_RUN_METRICS, run->metrics, line, bytes));
    }
done:
    if (status != CR_OK) {
        json_decref(run->columns);
        run->columns = NULL;
    }
    free(line);
    return status;
}

cr_status cr_run_metrics_row(cr_run *run, struct json_t *row)
{
    cr_status status = CR_OK;
    char *line = NULL;
    size_t bytes = 0;
    if (!json_is_object(row)) {
        status = cr_fail(CR_INTERNAL, "metrics.csv: a row must be an object");
        goto done;
    }
    if (!run->columns)
        CR_TRY(open_metrics(run, row));
    CR_TRY(print_line(run->columns, row, &line, &bytes));
    CR_TRY(cr_run_append(run, CR_RUN_METRICS, run->metrics, line, bytes));
done:
    free(line);
    json_decref(row);
    return status;
}
