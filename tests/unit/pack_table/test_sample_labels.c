/* Labels from columns, one-hot lists and formulas, and the warnings about leaks. */
#include "sample_case.h"

static void test_one_hot(void **state)
{
    (void)state;
    cr_sample_table *t =
        expect_good(START "label: {one_hot: y, classes: [a, b, c]}\n",
                    "n,y\n0,\"[0, 1, 0]\"\n1,\"[1,0,0]\"\n2,\"[0,0,1.0]\"\n3,\"[0,0,0]\"\n4,\"[1,1,0]\"\n"
                    "5,\"[0,1]\"\n6,\"[0,2,0]\"\n7,\"['0', '1', '0']\"\n8,\n");
    static const int32_t labels[] = {1, 0, 2, -1, -1, -1, -1, 1, -1};
    for (int64_t i = 0; i < 9; i++) {
        assert_int_equal(t->rows[i].label, labels[i]);
        assert_int_equal(t->rows[i].rejected, labels[i] < 0);
    }
    expect_reject(t, 0, 4, "bad label", "[0,0,0]");
    expect_reject(t, 4, 9, "missing label", "column y");
    cr_sample_table_destroy(&t);
}

static void test_learnt_classes(void **state)
{
    (void)state;
    cr_sample_table *t = expect_good(START "label: {column: y}\n", "n,y\n0,z\n1,a\n2,Ñ\n3,a\n99,only here\n");
    assert_int_equal(t->n_classes, 3); /* a rejected row teaches nothing */
    assert_string_equal(t->class_names[0], "a");
    assert_string_equal(t->class_names[2], "Ñ");
    static const int32_t labels[] = {1, 0, 2, 0, -1};
    for (int64_t i = 0; i < 5; i++)
        assert_int_equal(t->rows[i].label, labels[i]);
    assert_string_equal(t->rows[1].id, "2"); /* the record, where the recipe names no id */
    assert_int_equal(t->rows[1].group, 1);
    cr_sample_table_destroy(&t);
}

/* Scores 0, 1, …, 9: the median of all is 4.5 and that of the training rows 0, 1, 2, 3, 9 is 2, which is not above it.
 */
static void test_formula_cuts(void **state)
{
    (void)state;
    static const char csv[] =
        "n,v,s\n0,0,a\n1,1,a\n2,2,a\n3,3,a\n4,4,c\n5,5,c\n6,6,c\n7,7,c\n8,8,c\n9,9,a\n10,x,a\n11,,a\n";
    static const char *const settings[] = {"over: all", "over: train", "cut: 0.75", "cut: 7, scale: none"};
    static const int first_one[] = {5, 3, 7, 8};
    for (int s = 0; s < 4; s++) {
        char recipe[256];
        snprintf(recipe, sizeof recipe,
                 START "label: {formula: 3*v + v - v*3, classes: [low, high], %s}\n"
                       "split: {column: s, train: a, test: c}\n",
                 settings[s]);
        cr_sample_table *t = expect_good(recipe, csv);
        for (int i = 0; i < 10; i++)
            assert_int_equal(t->rows[i].label, i >= first_one[s]);
        expect_reject(t, 0, 11, "bad number", "\"x\" in column v");
        expect_reject(t, 1, 12, "missing label", "column v");
        cr_sample_table_destroy(&t);
    }
    expect_error(START "label: {formula: v - v, classes: [low, high]}\n", csv, CR_BAD_DATA, "for every row");
    cr_sample_table *t = expect_good(START "label: {formula: 1 / v, classes: [low, high]}\n", csv);
    expect_reject(t, 0, 1, "bad label", "inf");
    cr_sample_table_destroy(&t);
}

static void test_leak_warnings(void **state)
{
    (void)state;
    static const char csv[] = "n,v,w,y,g,s\n0,1,1,a,p,x\n1,2,1,b,p,z\n2,3,1,a,q,x\n";
    cr_sample_table *t = expect_good(START "label: {formula: v + w, classes: [l, h]}\n"
                                           "columns:\n  n: {kind: numeric}\n  wide: {column: w, kind: numeric}\n",
                                     csv);
    assert_string_equal(t->leak_warning, "w: the label is made from what is also an input");
    cr_sample_table_destroy(&t);
    t = expect_good(START "label: {column: y}\ngroup: g\nsplit: {column: s, train: x, test: z}\n", csv);
    assert_string_equal(t->leak_warning, "1 groups of column g stand in more than one split of column s");
    cr_sample_table_destroy(&t);
    t = expect_good(START "label: {column: y}\ncolumns: {y: {kind: categorical}}\n", csv);
    assert_non_null(strstr(t->leak_warning, "y: the label"));
    cr_sample_table_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_hot),
        cmocka_unit_test(test_learnt_classes),
        cmocka_unit_test(test_formula_cuts),
        cmocka_unit_test(test_leak_warnings),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
