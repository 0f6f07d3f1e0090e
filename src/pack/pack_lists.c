/* Tables for people beside the shards: the rows that were refused (also as a sentence), and where each sample's image
 * was found. */
#include "pack_job.h"

#include "crisol/atomic_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 4180: a cell with a comma, quote or line break is quoted, quotes are doubled. */
static void write_cell(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* Closes the stream of a text in memory and saves the text. */
static cr_status save_list(FILE *out, char **text, const size_t *bytes, const char *path)
{
    bool failed = ferror(out) != 0;
    cr_status status;
    if (fclose(out) || failed)
        status = cr_fail_memory("a list", *bytes);
    else
        status = cr_atomic_file_save(path, *text, *bytes);
    free(*text);
    return status;
}

cr_status cr_samples_write(const char *path, const cr_sample_table *table, const cr_pack_plan *plan)
{
    char *text = NULL;
    size_t bytes = 0;
    int64_t sample[CR_N_SPLITS] = {0};
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return cr_fail_memory("the list of samples", 0);
    fputs("split,sample,id,path\n", out);
    for (int64_t s = 0; s < plan->n_shards; s++) {
        const cr_planned_shard *shard = &plan->shards[s];
        for (int64_t i = 0; i < shard->entry.n_samples; i++) {
            const cr_sample_row *row = &table->rows[shard->rows[i]];
            char id[CR_PACK_ID_BYTES + 1] = "";
            memcpy(id, row->id, CR_PACK_ID_BYTES);
            fprintf(out, "%s,%lld,", cr_split_name(shard->entry.split), (long long)sample[shard->entry.split]++);
            write_cell(out, id);
            fputc(',', out);
            write_cell(out, row->image);
            fputc('\n', out);
        }
    }
    return save_list(out, &text, &bytes, path);
}

cr_status cr_rejects_write(const char *path, const cr_sample_table *table)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return cr_fail_memory("the list of rejects", 0);
    fputs("row,file,reason,detail\n", out);
    for (int64_t i = 0; i < table->n_rejects; i++) {
        const cr_reject *r = &table->rejects[i];
        const char *const cells[] = {r->file, r->reason, r->detail};
        fprintf(out, "%lld", (long long)r->row);
        for (int c = 0; c < 3; c++) {
            fputc(',', out);
            write_cell(out, cells[c]);
        }
        fputc('\n', out);
    }
    return save_list(out, &text, &bytes, path);
}

typedef struct reason_count {
    const char *reason;
    int64_t n;
} reason_count;

static int compare_counts(const void *a, const void *b)
{
    const reason_count *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return strcmp(x->reason, y->reason);
}

void cr_rejects_summary(const cr_sample_table *table, char *text, size_t bytes)
{
    enum {
        MOST = 64
    };
    reason_count counts[MOST];
    int n = 0;
    for (int64_t i = 0; i < table->n_rejects; i++) {
        int r = 0;
        while (r < n && strcmp(counts[r].reason, table->rejects[i].reason))
            r++;
        if (r == MOST)
            continue;
        if (r == n)
            counts[n++] = (reason_count){table->rejects[i].reason, 0};
        counts[r].n++;
    }
    qsort(counts, (size_t)n, sizeof *counts, compare_counts);
    size_t at = 0;
    text[0] = 0;
    for (int r = 0; r < n && at < bytes; r++)
        at += (size_t)snprintf(text + at, bytes - at, "%s%lld %s", r ? ", " : "", (long long)counts[r].n,
                               counts[r].reason);
}
