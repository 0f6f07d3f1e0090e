#include "trial_metrics.h"

#include "crisol/atomic_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_BYTES = 1 << 28
};

typedef struct columns { /* by their place, -1: absent */
    int metric, train_s, val_s;
} columns;

static int find_column(const char *header, const char *name)
{
    size_t length = strlen(name);
    int column = 0;
    for (const char *at = header;; column++) {
        size_t cell = strcspn(at, ",\r\n");
        if (cell == length && !strncmp(at, name, length))
            return column;
        if (at[cell] != ',')
            return -1;
        at += cell + 1;
    }
}

/* A cell of a line as a number; NaN when it is none or absent. */
static double cell_at(const char *line, int column)
{
    if (column < 0)
        return NAN;
    for (int i = 0; i < column; i++) {
        line += strcspn(line, ",\n");
        if (*line != ',')
            return NAN;
        line++;
    }
    char *end;
    double value = strtod(line, &end);
    return end > line ? value : NAN;
}

cr_status cr_trial_metrics_read(const char *run_folder, const char *metric, cr_trial_metrics *found)
{
    char *text = NULL;
    size_t bytes = 0;
    cr_status status = CR_OK;
    *found = (cr_trial_metrics){0};
    char *path = cr_path_join(run_folder, "metrics.csv");
    if (!path)
        return cr_fail_memory("a path", strlen(run_folder));
    status = cr_read_file(path, MAX_BYTES, &text, &bytes);
    if (status == CR_MISSING) {
        status = CR_OK;
        goto done;
    }
    if (status != CR_OK)
        goto done;
    columns at = {find_column(text, metric), find_column(text, "train_s"), find_column(text, "val_s")};
    if (bytes > 0 && at.metric < 0)
        CR_TRY(cr_fail(CR_BAD_DATA, "%s: has no column '%s'", path, metric));
    int64_t n = 0;
    for (const char *end = strchr(text, '\n'); end; end = strchr(end + 1, '\n'))
        n++;
    found->metrics = calloc((size_t)n + 1, sizeof *found->metrics);
    if (!found->metrics)
        CR_TRY(cr_fail_memory("metrics of a trial", (size_t)n * sizeof *found->metrics));
    for (const char *line = strchr(text, '\n'); line && strchr(line + 1, '\n'); line = strchr(line + 1, '\n')) {
        double train_s = cell_at(line + 1, at.train_s), val_s = cell_at(line + 1, at.val_s);
        found->metrics[found->n_epochs++] = cell_at(line + 1, at.metric);
        found->seconds += (isnan(train_s) ? 0 : train_s) + (isnan(val_s) ? 0 : val_s);
    }
done:
    free(text);
    free(path);
    return status;
}

void cr_trial_metrics_clear(cr_trial_metrics *metrics)
{
    free(metrics->metrics);
    *metrics = (cr_trial_metrics){0};
}
