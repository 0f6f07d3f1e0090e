/* A folder with a recipe, a table and 40 images for the tests of sample tables. */
#ifndef CRISOL_TEST_SAMPLE_CASE_H
#define CRISOL_TEST_SAMPLE_CASE_H

#include "sample_table.h"

#include "crisol/atomic_file.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/crisol-table-XXXXXX";

static inline void write_file(const char *name, const char *text)
{
    char *path = cr_path_join(folder, name);
    assert_non_null(path);
    assert_int_equal(cr_atomic_file_save(path, text, strlen(text)), CR_OK);
    free(path);
}

static inline int set_up(void **state)
{
    (void)state;
    char name[64];
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/img", folder);
    assert_int_equal(mkdir(name, 0700), 0);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "img/%d.png", i);
        write_file(name, "not decoded here");
    }
    snprintf(name, sizeof name, "%s/img/fifo.png", folder);
    assert_int_equal(mkfifo(name, 0600), 0);
    snprintf(name, sizeof name, "%s/img/out.png", folder);
    return symlink("../../etc/passwd", name);
}

static inline int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static inline cr_status create(const char *recipe, const char *csv, cr_sample_table **table)
{
    char path[64];
    write_file("recipe.yaml", recipe);
    write_file("t.csv", csv);
    snprintf(path, sizeof path, "%s/recipe.yaml", folder);
    return cr_sample_table_create(path, NULL, table);
}

static inline cr_sample_table *expect_good(const char *recipe, const char *csv)
{
    cr_sample_table *table = NULL;
    if (create(recipe, csv, &table) != CR_OK)
        fail_msg("%s", cr_error_message());
    return table;
}

static inline void expect_error(const char *recipe, const char *csv, cr_status expected, const char *says)
{
    cr_sample_table *table = NULL;
    cr_status status = create(recipe, csv, &table);
    if (status != expected || strstr(cr_error_message(), says) == NULL)
        fail_msg("status %d, expected %d and \"%s\": %s", (int)status, (int)expected, says, cr_error_message());
    assert_null(table);
}

#define START "table: t.csv\nimage: img/{n}.png\n"

static inline void expect_reject(const cr_sample_table *table, int64_t reject, int64_t row, const char *reason,
                                 const char *detail)
{
    assert_true(reject < table->n_rejects);
    const cr_reject *r = &table->rejects[reject];
    if (r->row != row || strcmp(r->reason, reason) != 0 || strstr(r->detail, detail) == NULL)
        fail_msg("reject %lld is record %lld, %s: %s", (long long)reject, (long long)r->row, r->reason, r->detail);
}

#endif
