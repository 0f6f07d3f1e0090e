/* samples.csv of a pack: nothing that training needs, so it is read when somebody asks. */
#include "csv_table.h"
#include "manifest.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static cr_status check_hash(const cr_pack *pack, const json_t *file, const char *path)
{
    const char *expected = NULL;
    char found[CR_HASH_TEXT];
    uint64_t bytes;
    cr_status status;
    CR_TRY(cr_json_get_string(file, "xxh3_128", cr_pack_folder(pack), &expected));
    CR_TRY(cr_hash_file(path, &bytes, found));
    if (strcmp(found, expected))
        return cr_fail(CR_BAD_DATA, "%s: it does not match the manifest's hash: damaged or of another pack; pack again",
                       path);
done:
    return status;
}

/* The split's rows are consecutive, sample by sample. */
static cr_status find_rows(const cr_pack *pack, cr_split split, const cr_csv_table *table, int64_t *first)
{
    int64_t n = cr_pack_n_samples(pack, split);
    *first = 0;
    if (table->n_columns != 4)
        return cr_fail(CR_BAD_DATA, "%s: four columns are due", table->path);
    while (*first < table->n_rows && strcmp(cr_csv_cell(table, *first, 0), cr_split_name(split)))
        ++*first;
    for (int64_t i = 0; i < n; i++)
        if (*first + i >= table->n_rows || strcmp(cr_csv_cell(table, *first + i, 0), cr_split_name(split)) ||
            strcmp(cr_csv_cell(table, *first + i, 2), cr_pack_sample_id(pack, split, i)))
            return cr_fail(CR_BAD_DATA, "%s: sample %lld of split %s is not where it is due", table->path, (long long)i,
                           cr_split_name(split));
    return CR_OK;
}

static cr_status copy_paths(const cr_csv_table *table, int64_t first, int64_t n, char ***paths)
{
    size_t bytes = ((size_t)n + 1) * sizeof **paths;
    for (int64_t i = 0; i < n; i++)
        bytes += strlen(cr_csv_cell(table, first + i, 3)) + 1;
    *paths = malloc(bytes);
    if (!*paths)
        return cr_fail_memory("paths", bytes);
    char *text = (char *)(*paths + n + 1);
    for (int64_t i = 0; i < n; i++) {
        (*paths)[i] = text;
        text = stpcpy(text, cr_csv_cell(table, first + i, 3)) + 1;
    }
    return CR_OK;
}

cr_status cr_pack_read_paths(const cr_pack *pack, cr_split split, char ***paths)
{
    const json_t *file = json_object_get(cr_pack_manifest(pack), "samples_file");
    cr_csv_table *table = NULL;
    cr_status status = CR_OK;
    int64_t first;
    *paths = NULL;
    if (!file)
        return CR_OK;
    char *path = cr_path_join(cr_pack_folder(pack), CR_MANIFEST_SAMPLES);
    if (!path)
        return cr_fail_memory("a path", strlen(cr_pack_folder(pack)));
    CR_TRY(check_hash(pack, file, path));
    CR_TRY(cr_csv_read(path, CR_CSV_RAGGED_FAILS, &table, NULL));
    CR_TRY(find_rows(pack, split, table, &first));
    CR_TRY(copy_paths(table, first, cr_pack_n_samples(pack, split), paths));
done:
    cr_csv_destroy(&table);
    free(path);
    return status;
}
