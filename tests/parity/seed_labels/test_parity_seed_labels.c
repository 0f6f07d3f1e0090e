/* Labels, classes and statistics of the two real tables, through recipes as a user writes them: what
 * seed_labels.json lists. */
#include "csv_table.h"
#include "formula_expression.h"
#include "label_cut.h"
#include "number_cell.h"
#include "parity.h"
#include "sample_table.h"
#include "string_index.h"

#include "crisol/atomic_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static json_t *references;
static double tolerance;
static char folder[4224]; /* of the data set at hand */

static int set_up(void **state)
{
    (void)state;
    if (parity_dir() == NULL)
        return 0;
    references = parity_json("seed_labels.json");
    json_t *tolerances = parity_json("tolerances.json");
    tolerance = parity_real(tolerances, "seed_labels.abs");
    json_decref(tolerances);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(references);
    return 0;
}

static void need_data(const char *name, const char *table)
{
    char path[4352];
    parity_require();
    if (data_dir() == NULL)
        skip();
    snprintf(folder, sizeof folder, "%s/%s", data_dir(), name);
    snprintf(path, sizeof path, "%s/%s", folder, table);
    if (access(path, R_OK) != 0) {
        printf("skipped: no %s\n", path);
        skip();
    }
}

static cr_sample_table *create(const char *recipe)
{
    char path[] = "/tmp/crisol-seed-labels-XXXXXX";
    int file = mkstemp(path);
    cr_sample_table *table = NULL;
    assert_true(file >= 0);
    assert_int_equal(write(file, recipe, strlen(recipe)), strlen(recipe));
    close(file);
    cr_status status = cr_sample_table_create(path, folder, &table);
    unlink(path);
    if (status != CR_OK)
        fail_msg("%s", cr_error_message());
    cr_sample_table_statistics(table);
    return table;
}

/* measured and wanted agree; `exact` quantities by 0 */
static bool line(const char *part, const char *what, double measured, double wanted, bool exact)
{
    char text[128];
    snprintf(text, sizeof text, "seed_labels %s.%s", part, what);
    return parity_line(text, fabs(measured - wanted), exact ? 0 : tolerance);
}

static bool count_line(json_t *reference, const char *part, const char *key, int64_t measured)
{
    return line(part, key, (double)measured, parity_real(reference, key), true);
}

/* "Visits*1.0 + Likes*2.0 …" in the reference's order */
static void write_formula(json_t *coefficients, char *text, size_t bytes)
{
    const char *name;
    json_t *value;
    size_t used = 0;
    json_object_foreach(coefficients, name, value) used += (size_t)snprintf(
        text + used, bytes - used, "%s`%s` * %.17g", used == 0 ? "" : " + ", name, parity_value(value));
    assert_true(used < bytes);
}

typedef struct scored {
    cr_csv_table *csv;
    int64_t id_column;
    int64_t n;
    int64_t *rows;  /* [n] of the table */
    double *scores; /* [n] */
} scored;

/* The formula by itself, over the rows of a file. */
static void score_rows(json_t *coefficients, bool first_of_id, scored *s)
{
    char path[4352], text[1024];
    cr_formula *formula = NULL;
    cr_string_index ids = {0};
    int64_t number;
    *s = (scored){0};
    snprintf(path, sizeof path, "%s/poi_dataset.csv", folder);
    assert_int_equal(cr_csv_read(path, CR_CSV_RAGGED_FAILS, &s->csv, NULL), CR_OK);
    write_formula(coefficients, text, sizeof text);
    assert_int_equal(cr_formula_compile(text, &formula, NULL), CR_OK);
    s->scores = calloc((size_t)s->csv->n_rows, sizeof *s->scores);
    s->rows = calloc((size_t)s->csv->n_rows, sizeof *s->rows);
    s->id_column = cr_csv_find_column(s->csv, "id");
    assert_true(s->scores != NULL && s->rows != NULL && s->id_column >= 0);
    for (int64_t row = 0; row < s->csv->n_rows; row++) {
        double values[16];
        bool added;
        assert_int_equal(cr_string_index_add(&ids, cr_csv_cell(s->csv, row, s->id_column), &number, &added), CR_OK);
        if (first_of_id && !added)
            continue;
        for (int64_t i = 0; i < cr_formula_n_names(formula); i++) {
            int64_t column = cr_csv_find_column(s->csv, cr_formula_name(formula, i));
            assert_true(i < 16 && column >= 0);
            assert_int_equal(cr_number_parse(cr_csv_cell(s->csv, row, column), &values[i]), CR_NUMBER_VALUE);
        }
        s->scores[s->n] = cr_formula_evaluate(formula, values);
        s->rows[s->n++] = row;
    }
    cr_string_index_free(&ids);
    cr_formula_destroy(&formula);
}

/* Every figure of the reference about the scores. */
static bool check_scores(const char *part, json_t *reference, bool first_of_id)
{
    scored s;
    cr_label_cut raw, scaled;
    int64_t above = 0, equal = 0, wrong = 0;
    double worst = 0;
    score_rows(parity_get(reference, "coefficients"), first_of_id, &s);
    assert_int_equal(cr_label_cut_find(s.scores, s.n, false, &raw), CR_OK);
    assert_int_equal(cr_label_cut_find(s.scores, s.n, true, &scaled), CR_OK);
    for (int64_t i = 0; i < s.n; i++) {
        above += cr_label_cut_class(&scaled, s.scores[i]);
        equal += cr_label_cut_scaled(&scaled, s.scores[i]) == scaled.cut;
    }
    size_t index;
    json_t *first;
    json_array_foreach(parity_get(reference, "first_50"), index, first)
    {
        worst = fmax(worst, fabs(cr_label_cut_scaled(&scaled, s.scores[index]) - parity_real(first, "2")));
        wrong += cr_label_cut_class(&scaled, s.scores[index]) != (int)parity_real(first, "1") ||
                 strcmp(cr_csv_cell(s.csv, s.rows[index], s.id_column), json_string_value(parity_get(first, "0"))) != 0;
    }
    bool good = count_line(reference, part, "n", s.n);
    good &= line(part, "raw_min", scaled.lowest, parity_real(reference, "raw_min"), false);
    good &= line(part, "raw_max", scaled.lowest + scaled.span, parity_real(reference, "raw_max"), false);
    good &= line(part, "raw_median", raw.cut, parity_real(reference, "raw_median"), false);
    good &= line(part, "median", scaled.cut, parity_real(reference, "median"), false);
    good &= count_line(reference, part, "equal_to_median", equal);
    good &= count_line(reference, part, "count_per_class.0", s.n - above);
    good &= count_line(reference, part, "count_per_class.1", above);
    good &= line(part, "first rows: worst score", worst, 0, false);
    good &= line(part, "first rows: wrong labels", (double)wrong, 0, true);
    free(s.scores);
    free(s.rows);
    cr_csv_destroy(&s.csv);
    return good;
}

/* The same labels through a recipe. With the id column as id, later rows of an id are rejects. */
static bool check_recipe(const char *part, json_t *reference, bool first_of_id)
{
    char recipe[2048], formula[1024];
    write_formula(parity_get(reference, "coefficients"), formula, sizeof formula);
    snprintf(recipe, sizeof recipe,
             "table: poi_dataset.csv\nimage: \"{main_image_path}\"\nid: \"%s\"\ngroup: id\n"
             "label:\n  formula: \"%s\"\n  classes: [low, high]\n",
             first_of_id ? "{id}" : "{id}-{#}", formula);
    cr_sample_table *table = create(recipe);
    int64_t counts[2] = {0}, wrong = 0, seen = 0;
    for (int64_t i = 0; i < table->n_rows; i++) {
        if (table->rows[i].rejected)
            continue;
        counts[table->rows[i].label]++;
        json_t *first = json_array_get(parity_get(reference, "first_50"), (size_t)seen++);
        if (first != NULL) {
            const char *id = json_string_value(parity_get(first, "0"));
            wrong +=
                table->rows[i].label != (int)parity_real(first, "1") || strncmp(table->rows[i].id, id, strlen(id)) != 0;
        }
    }
    bool good = count_line(reference, part, "count_per_class.0", counts[0]);
    good &= count_line(reference, part, "count_per_class.1", counts[1]);
    good &= line(part, "first rows by a recipe: wrong labels", (double)wrong, 0, true);
    cr_sample_table_destroy(&table);
    return good;
}

static void test_poi_labels(void **state)
{
    (void)state;
    need_data("poi", "poi_dataset.csv");
    static const char *const parts[] = {"poi.all_rows", "poi.first_row_of_each_id"};
    bool good = true;
    for (int i = 0; i < 2; i++) {
        json_t *reference = parity_get(references, parts[i]);
        good &= check_scores(parts[i], reference, i == 1);
        good &= check_recipe(parts[i], reference, i == 1);
    }
    assert_true(good);
}

static void test_poi_categories(void **state)
{
    (void)state;
    need_data("poi", "poi_dataset.csv");
    json_t *reference = parity_get(references, "poi.categories");
    cr_sample_table *table = create("table: poi_dataset.csv\nimage: \"{main_image_path}\"\n"
                                    "columns: {categories: {kind: list}}\n"
                                    "label: {formula: Visits, classes: [low, high]}\n");
    const cr_column *column = &table->columns[0];
    int64_t none = 0, total = 0, wrong_names = 0, wrong_counts = 0;
    for (int64_t w = 0; w < column->n_words; w++) {
        json_t *name = json_array_get(parity_get(reference, "names_by_code_point"), (size_t)w);
        int64_t rows_with = 0;
        for (int64_t i = 0; i < table->n_rows; i++)
            rows_with += table->rows[i].metadata[w] == 1;
        total += rows_with;
        wrong_names += name == NULL || strcmp(column->words[w], json_string_value(name)) != 0;
        wrong_counts += rows_with != json_integer_value(json_array_get(parity_get(reference, "rows_with"), (size_t)w));
    }
    for (int64_t i = 0; i < table->n_rows; i++) {
        bool any = false;
        for (int64_t w = 0; w < column->n_words; w++)
            any = any || table->rows[i].metadata[w] != 0;
        none += !any;
    }
    bool good = count_line(reference, "poi.categories", "columns", column->n_words);
    good &= line("poi.categories", "names_by_code_point: wrong", (double)wrong_names, 0, true);
    good &= line("poi.categories", "rows_with: wrong", (double)wrong_counts, 0, true);
    good &= count_line(reference, "poi.categories", "rows_with_none", none);
    good &= count_line(reference, "poi.categories", "ones_in_total", total);
    cr_sample_table_destroy(&table);
    assert_true(good);
}

#define ODIR_COLUMNS                                                                                                   \
    "group: ID\nsplit: {train: 1}\nmax_rejects: 1\n"                                                                   \
    "columns:\n"                                                                                                       \
    "  age: {column: Patient Age, kind: numeric, missing: [1]}\n"                                                      \
    "  sex: {column: Patient Sex, kind: categorical, words: [Female, Male]}\n"
static const char letters[] = "NDGCAHMO"; /* the order of `target` */

static bool check_age(const char *part, json_t *age, const cr_sample_table *table)
{
    int64_t n = 0;
    for (int64_t i = 0; i < table->n_rows; i++)
        n += !table->rows[i].rejected;
    bool good = count_line(age, part, "n_missing", table->columns[0].n_missing_train);
    good &= count_line(age, part, "n_known", n - table->columns[0].n_missing_train);
    good &= line(part, "mean", table->columns[0].mean, parity_real(age, "mean"), false);
    good &= line(part, "sd_population", table->columns[0].deviation, parity_real(age, "sd_population"), false);
    return good;
}

static bool check_counts(const char *part, json_t *reference, const cr_sample_table *table)
{
    int64_t counts[CR_PACK_MAX_CLASSES] = {0}, n = 0;
    bool good = true;
    for (int64_t i = 0; i < table->n_rows; i++) {
        if (!table->rows[i].rejected) {
            counts[table->rows[i].label]++;
            n++;
        }
    }
    good &= count_line(reference, part, "n", n);
    good &=
        line(part, "classes", (double)table->n_classes, (double)json_array_size(parity_get(reference, "counts")), true);
    for (int64_t c = 0; c < table->n_classes; c++) {
        char key[32];
        snprintf(key, sizeof key, "counts.%d", (int)c);
        good &= count_line(reference, part, key, counts[c]);
    }
    return good;
}

static bool check_people(const char *part, json_t *reference, const cr_sample_table *table)
{
    cr_string_index patients = {0};
    int64_t male = 0, female = 0, number, seen = 0, wrong = 0;
    for (int64_t i = 0; i < table->n_rows; i++) {
        const cr_sample_row *row = &table->rows[i];
        char group[32];
        if (row->rejected)
            continue;
        snprintf(group, sizeof group, "%lld", (long long)row->group);
        assert_int_equal(cr_string_index_add(&patients, group, &number, NULL), CR_OK);
        female += row->metadata[1] == 0;
        male += row->metadata[1] == 1;
        json_t *first = json_array_get(parity_get(reference, "first_20"), (size_t)seen++);
        if (first != NULL)
            wrong += strcmp(row->id, json_string_value(parity_get(first, "0"))) != 0 ||
                     row->label != (int)parity_real(first, "1");
    }
    bool good = count_line(reference, part, "male", male);
    good &= count_line(reference, part, "female", female);
    good &= count_line(reference, part, "patients", patients.n);
    good &= line(part, "first rows: wrong", (double)wrong, 0, true);
    cr_string_index_free(&patients);
    return good;
}

/* `image` is a template: the table itself stands for an image that is always there. */
static bool check_odir(const char *name, const char *image)
{
    char recipe[4096], part[64];
    json_t *reference = parity_get(parity_get(references, "odir"), name);
    snprintf(part, sizeof part, "odir.%s", name);
    snprintf(recipe, sizeof recipe,
             "table: full_df.csv\nimage: \"%s\"\nid: \"{filename}\"\n" ODIR_COLUMNS
             "label: {one_hot: target, classes: [N, D, G, C, A, H, M, O]}\n",
             image);
    cr_sample_table *table = create(recipe);
    bool good = check_counts(part, reference, table);
    good &= check_people(part, reference, table);
    good &= check_age(part, parity_get(reference, "age"), table);
    cr_sample_table_destroy(&table);

    /* some classes only, in the reference's order: by a filter and a map of cells */
    json_t *subset = parity_get(reference, "subset.subset");
    size_t used = (size_t)snprintf(recipe, sizeof recipe,
                                   "table: full_df.csv\nimage: \"%s\"\nid: \"{filename}\"\n" ODIR_COLUMNS
                                   "filter:\n  - column: labels\n    one_of:\n",
                                   image);
    for (int list = 0; list < 2; list++) {
        size_t index;
        json_t *class;
        json_array_foreach(subset, index, class)
        {
            char letter = letters[json_integer_value(class)];
            used += list == 0
                        ? (size_t)snprintf(recipe + used, sizeof recipe - used, "    - \"['%c']\"\n", letter)
                        : (size_t)snprintf(recipe + used, sizeof recipe - used, "    %c: \"['%c']\"\n", letter, letter);
        }
        if (list == 0)
            used += (size_t)snprintf(recipe + used, sizeof recipe - used, "label:\n  column: labels\n  classes:\n");
    }
    assert_true(used < sizeof recipe);
    table = create(recipe);
    snprintf(part, sizeof part, "odir.%s.subset", name);
    good &= check_counts(part, parity_get(reference, "subset"), table);
    good &= check_age(part, parity_get(reference, "age_of_subset"), table);
    cr_sample_table_destroy(&table);
    return good;
}

static void test_odir(void **state)
{
    (void)state;
    need_data("odir5k", "full_df.csv");
    bool good = check_odir("all_rows", "full_df.csv");
    good &= check_odir("rows_with_image", "preprocessed_images/{filename}");
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poi_labels),
        cmocka_unit_test(test_poi_categories),
        cmocka_unit_test(test_odir),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
