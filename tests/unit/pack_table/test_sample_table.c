/* From recipe and table to rows with labels, splits, features and rejects. */
#include "sample_case.h"

static void test_rows_and_features(void **state)
{
    (void)state;
    cr_sample_table *t = expect_good(START "group: g\n"
                                           "id: \"{g}/{n}\"\n"
                                           "columns:\n"
                                           "  age: {kind: numeric, missing: [1]}\n"
                                           "  sex: {kind: categorical, words: [M, F], missing: [\"?\"]}\n"
                                           "  mood: {kind: categorical}\n"
                                           "  tags: {kind: list}\n"
                                           "label: {column: y, classes: {sick: [S, T], well: W}}\n"
                                           "split: {column: s, train: [a, b], test: c}\n",
                                     "n,g,age,sex,mood,tags,y,s\n"
                                     "0,p,10,M,b,\"['é', 'z', 'z']\",S,a\n"
                                     "1,q,1,F,,[],T,b\n"
                                     "2,p, 2.5 ,?,é,NA,W,a\n"
                                     "3,r,NaN,X,a,['Z'],W,c\n");
    assert_int_equal(t->n_rows, 4);
    assert_int_equal(t->n_rejects, 0);
    assert_int_equal(t->n_columns, 4);
    assert_int_equal(t->n_features, 6);
    static const char *const words[] = {"Z", "z", "é"}; /* code points 5A, 7A, E9 */
    assert_int_equal(t->columns[3].n_words, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(t->columns[3].words[i], words[i]);
    assert_string_equal(t->columns[2].words[2], "é");
    assert_int_equal(t->columns[3].feature, 3);
    static const float expected[4][6] = {
        {10, 0, 1, 0, 1, 1}, {NAN, 1, NAN, 0, 0, 0}, {2.5f, NAN, 2, NAN, NAN, NAN}, {NAN, NAN, 0, 1, 0, 0}};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++)
            if (t->rows[i].metadata[j] != expected[i][j] && !(isnan(expected[i][j]) && isnan(t->rows[i].metadata[j])))
                fail_msg("row %d, feature %d: %g, expected %g", i, j, t->rows[i].metadata[j], expected[i][j]);
    static const int32_t labels[] = {0, 0, 1, 1};
    static const int64_t groups[] = {0, 1, 0, 2};
    static const cr_split splits[] = {CR_SPLIT_TRAIN, CR_SPLIT_TRAIN, CR_SPLIT_TRAIN, CR_SPLIT_TEST};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(t->rows[i].row, i + 1);
        assert_int_equal(t->rows[i].label, labels[i]);
        assert_int_equal(t->rows[i].group, groups[i]);
        assert_int_equal(t->rows[i].split, splits[i]);
    }
    assert_string_equal(t->rows[2].image, "img/2.png");
    assert_string_equal(t->rows[2].id, "p/2");
    assert_string_equal(t->class_names[0], "sick");
    assert_null(t->leak_warning);
    cr_sample_table_statistics(t);
    assert_true(t->columns[0].mean == 6.25 && t->columns[0].deviation == 3.75);
    assert_int_equal(t->columns[0].n_missing_train, 1);
    assert_int_equal(t->columns[1].n_missing_train, 1);
    assert_int_equal(t->columns[2].n_missing_train, 1);
    assert_int_equal(t->columns[3].n_missing_train, 1);
    cr_sample_table_destroy(&t);
    cr_sample_table_destroy(&t);
}

static const char reject_recipe[] = START "group: g\n"
                                          "id: \"{id}\"\n"
                                          "columns:\n"
                                          "  x: {kind: numeric}\n"
                                          "  l: {kind: list, words: [a, b], unknown: reject}\n"
                                          "label: {column: y, classes: [N, S]}\n"
                                          "filter:\n"
                                          "  - {column: use, one_of: [\"1\"]}\n";
static const char reject_csv[] = "n,id,g,x,l,y,use\n"
                                 "0,a,p,1,[],N,1\n"
                                 "99,b,p,1,[],N,1\n"      /* 2 missing file */
                                 ",c,p,1,[],N,1\n"        /* 3 no name of a file */
                                 "../t,d,p,1,[],N,1\n"    /* 4 escapes */
                                 "out,e,p,1,[],N,1\n"     /* 5 escapes by a link */
                                 "fifo,f,p,1,[],N,1\n"    /* 6 no file */
                                 "1,g,,1,[],N,1\n"        /* 7 no group */
                                 "1,h,p,0x1,[],N,1\n"     /* 8 bad number */
                                 "1,i,p,1e39,[],N,1\n"    /* 9 too large for float32 */
                                 "1,j,p,1,[a],N,1\n"      /* 10 bad list */
                                 "1,k,p,1,['c'],N,1\n"    /* 11 unknown word */
                                 "1,l,p,1,[],X,1\n"       /* 12 unknown label */
                                 "1,m,p,1,[],NA,1\n"      /* 13 missing label */
                                 "1,a,p,1,[],N,1\n"       /* 14 duplicate id */
                                 "1,,p,1,[],N,1\n"        /* 15 empty id */
                                 "1,n,p,1\n"              /* 16 ragged */
                                 "1,\"o\n\",p,1,[],N,1\n" /* 17 id not printable */
                                 "99,q,p,bad,x,y,0\n"     /* filtered: no reject */
                                 "1,b,q,1,[],S,1\n" /* the id of a rejected row is free */;
static const struct {
    const char *reason, *detail;
} expected_rejects[] = {{"missing file", "img/99.png"},
                        {"missing file", "column n"},
                        {"bad path", "escapes the image root"},
                        {"bad path", "escapes the image root"},
                        {"bad path", "not a regular file"},
                        {"missing group", "column g"},
                        {"bad number", "\"0x1\" in column x"},
                        {"bad number", "\"1e39\""},
                        {"bad list", "\"[a]\" in column l"},
                        {"unknown word", "\"c\" in column l"},
                        {"unknown label", "\"X\" in column y"},
                        {"missing label", "column y"},
                        {"duplicate id", "\"a\" is already record 1"},
                        {"bad id", ""},
                        {"ragged row", "4 cells where the header has 7"},
                        {"bad id", "not printable"}};

static void test_rejects(void **state)
{
    (void)state;
    cr_sample_table *t = expect_good(reject_recipe, reject_csv);
    int64_t n = (int64_t)(sizeof expected_rejects / sizeof expected_rejects[0]);
    assert_int_equal(t->n_rejects, n);
    for (int64_t i = 0; i < n; i++)
        expect_reject(t, i, i + 2, expected_rejects[i].reason, expected_rejects[i].detail);
    assert_int_equal(t->n_rows, 18);
    assert_int_equal(t->n_filtered, 1);
    for (int64_t i = 0; i < t->n_rows; i++)
        assert_int_equal(t->rows[i].rejected, i != 0 && i != 17);
    assert_string_equal(t->rejects[0].file, "img/99.png");
    assert_non_null(strstr(t->rejects[6].file, "t.csv"));
    assert_int_equal(cr_sample_table_reject(t, 0, "bad image", "cannot be decoded"), CR_OK);
    assert_true(t->rows[0].rejected);
    expect_reject(t, n, 1, "bad image", "cannot be decoded");
    assert_string_equal(t->rejects[n].file, "img/0.png");
    cr_sample_table_destroy(&t);
}

static void test_min_count(void **state)
{
    (void)state;
    static const char csv[] = "n,y,l\n0,a,\"['p','p','q']\"\n1,b,\"['q']\"\n2,a,\"['r','q']\"\n";
    cr_sample_table *t = expect_good(START "label: {column: y}\ncolumns:\n  l: {kind: list, min_count: 2}\n", csv);
    assert_int_equal(t->n_features, 1); /* p stands twice, but in one row */
    assert_string_equal(t->columns[0].words[0], "q");
    cr_sample_table_destroy(&t);
    expect_error(START "label: {column: y}\ncolumns:\n  l: {kind: list, min_count: 9}\n", csv, CR_BAD_DATA,
                 "column l has 0 words");
}

static void test_split_over_what_can_be_packed(void **state)
{
    (void)state;
    char csv[4096] = "n,y,g\n", *at = csv + strlen(csv);
    for (int i = 0; i < 80; i++) /* 40 files are there */
        at += sprintf(at, "%d,%s,%d\n", i, i % 2 == 0 ? "a" : "b", i / 2);
    cr_sample_table *t = expect_good(START "label: {column: y}\ngroup: g\nmax_rejects: 0.6\n", csv);
    assert_int_equal(t->n_rejects, 40);
    int64_t counts[CR_N_SPLITS] = {0};
    for (int64_t i = 0; i < 40; i++) {
        assert_int_equal(t->rows[i].split, t->rows[i ^ 1].split);
        counts[t->rows[i].split]++;
    }
    assert_in_range(counts[CR_SPLIT_TRAIN], 24, 27); /* 25.6 */
    assert_in_range(counts[CR_SPLIT_VAL], 5, 8);     /* 6.4 */
    assert_in_range(counts[CR_SPLIT_TEST], 7, 9);    /* 8 */
    cr_sample_table_destroy(&t);
}

static void test_statistics_leave_rejects_out(void **state)
{
    (void)state;
    cr_sample_table *t = expect_good(START "label: {column: y}\n"
                                           "columns: {x: {kind: numeric}, c: {kind: numeric}, e: {kind: numeric}}\n"
                                           "split: {column: s, train: a, test: b}\n",
                                     "n,y,x,c,e,s\n0,p,1,5,,a\n1,q,3,5,,a\n2,p,1000,5,,a\n3,q,77,7,1,b\n");
    assert_int_equal(cr_sample_table_reject(t, 2, "bad image", "broken"), CR_OK);
    cr_sample_table_statistics(t);
    assert_true(t->columns[0].mean == 2 && t->columns[0].deviation == 1);
    assert_true(t->columns[1].mean == 5 && t->columns[1].deviation == 1); /* constant */
    assert_true(t->columns[2].mean == 0 && t->columns[2].deviation == 1); /* empty */
    assert_int_equal(t->columns[2].n_missing_train, 2);
    cr_sample_table_destroy(&t);
}

static void test_errors(void **state)
{
    (void)state;
    static const char csv[] = "n,label,size\n0,a,1\n1,b,2\n";
    expect_error(START "label: {column: lable}\n", csv, CR_BAD_CONFIG, "recipe.yaml:3:17: the table ");
    expect_error(START "label: {column: lable}\n", csv, CR_BAD_CONFIG,
                 "has no column \"lable\"; did you mean \"label\"?");
    expect_error("table: t.csv\nimage: img/{m}.png\nlabel: {column: label}\n", csv, CR_BAD_CONFIG, "recipe.yaml:2:8: ");
    expect_error("table: t.csv\nimage: img/{n.png\nlabel: {column: label}\n", csv, CR_BAD_CONFIG, "recipe.yaml:2:8: ");
    expect_error("table: t.csv\nimage: img/n}.png\nlabel: {column: label}\n", csv, CR_BAD_CONFIG, "{name}");
    expect_error(START "label: {column: label}\nid: \"{}\"\n", csv, CR_BAD_CONFIG, "recipe.yaml:4:5: ");
    expect_error(START "label: {column: label}\ngroup: g\n", csv, CR_BAD_CONFIG, "recipe.yaml:4:8: ");
    expect_error(START "label: {column: label}\ncolumns:\n  sizes: {kind: numeric}\n", csv, CR_BAD_CONFIG,
                 "recipe.yaml:5:3: ");
    expect_error(START "label: {column: label}\nfilter: [{column: q, min: 1}]\n", csv, CR_BAD_CONFIG,
                 "recipe.yaml:4:19: ");
    expect_error(START "label: {formula: size + sice, classes: [a, b]}\n", csv, CR_BAD_CONFIG,
                 "recipe.yaml:3:18: the table ");
    expect_error(START "label: {column: label, classes: {a: [a, b], c: b}}\n", csv, CR_BAD_CONFIG, "two classes");
    expect_error("table: none.csv\nimage: x\nlabel: {column: label}\n", csv, CR_MISSING, "none.csv");
    expect_error("table: t.csv\nimage: {path: x, root: none}\nlabel: {column: label}\n", csv, CR_MISSING, "none");
    expect_error(START "label: {column: label}\n", "n,label\n0,\"a\n", CR_BAD_DATA, "unterminated_quote");
    expect_error(START "label: {column: label}\n", "n,label\n", CR_BAD_DATA, "no rows");
    expect_error(START "label: {column: label}\n", "n,label\n0,a\n1,a\n", CR_BAD_DATA, "only one class");
    expect_error(START "label: {column: label}\nfilter: [{column: size, min: 5}]\n", csv, CR_BAD_DATA, "filters drop");
    expect_error("table: t.csv\nimage: {path: \"img/{n}9.png\", on_missing: fail}\nlabel: {column: label}\n",
                 "n,label\n0,a\n9,b\n", CR_MISSING, "record 1");
    expect_error(START "label: {column: label}\nsplit: {column: size, train: x, val: [1, 2]}\n", csv, CR_BAD_DATA,
                 "no row is for training");
}

/* The rejects are there for whoever wants to list them. */
static void test_nothing_usable(void **state)
{
    (void)state;
    cr_sample_table *t = NULL;
    assert_int_equal(create(START "label: {column: label}\n", "n,label\n99,a\n", &t), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "no row can be used"));
    assert_non_null(t);
    assert_int_equal(t->n_rejects, 1);
    expect_reject(t, 0, 1, "missing file", "img/99.png");
    cr_sample_table_destroy(&t);
}

/* "NA" is a missing cell, unless the recipe lists it as a word. */
static void test_words_that_look_missing(void **state)
{
    (void)state;
    static const char csv[] = "n,c,y\n0,NA,a\n1,EU,b\n2,nan,a\n3,,b\n";
    static const float expected[4] = {1, 0, NAN, NAN};
    cr_sample_table *t = expect_good(START "columns:\n  c: {kind: categorical, words: [EU, NA], unknown: reject}\n"
                                           "label: {column: y}\n",
                                     csv);
    assert_int_equal(t->n_rejects, 0);
    for (int i = 0; i < 4; i++)
        assert_true(isnan(expected[i]) ? isnan(t->rows[i].metadata[0]) : t->rows[i].metadata[0] == expected[i]);
    cr_sample_table_destroy(&t);
}

static void test_filters(void **state)
{
    (void)state;
    static const char csv[] = "n,y,v\n0,a,1\n1,b,2\n2,a,\n3,b,x\n4,a,5\n";
    static const struct {
        const char *filter;
        const char *kept;
    } cases[] = {{"one_of: [\"1\", \"\"]", "02"},
                 {"not_one_of: [\"1\", \"\"]", "134"},
                 {"min: 2", "14"},
                 {"min: 1, max: 2", "01"},
                 {"present: true", "0134"},
                 {"present: false", "2"}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        char recipe[256], kept[8] = "";
        snprintf(recipe, sizeof recipe, START "label: {column: y, classes: [a, b]}\nfilter: [{column: v, %s}]\n",
                 cases[c].filter);
        cr_sample_table *t = expect_good(recipe, csv);
        for (int64_t i = 0; i < t->n_rows; i++)
            kept[i] = (char)('0' + t->rows[i].row - 1);
        assert_string_equal(kept, cases[c].kept);
        assert_int_equal(t->n_rows + t->n_filtered, 5);
        cr_sample_table_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_and_features),
        cmocka_unit_test(test_rejects),
        cmocka_unit_test(test_min_count),
        cmocka_unit_test(test_split_over_what_can_be_packed),
        cmocka_unit_test(test_statistics_leave_rejects_out),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_nothing_usable),
        cmocka_unit_test(test_words_that_look_missing),
        cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
