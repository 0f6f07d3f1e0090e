#include "crisol/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"normal", "retinopatía diabética", "other"};

static void fill(cr_confusion *confusion)
{
    static const int64_t counts[9] = {1234, 1, 0, /**/ 20, 3, 4, /**/ 0, 0, 0};
    assert_int_equal(cr_confusion_create(3, confusion), CR_OK);
    memcpy(confusion->counts, counts, sizeof counts);
}

static void matrix_is_aligned_by_characters(void **state)
{
    (void)state;
    cr_confusion confusion;
    fill(&confusion);
    char *text = NULL;
    assert_int_equal(cr_confusion_text(&confusion, names, &text), CR_OK);
    assert_string_equal(text, "true \\ predicted            0     1     2   recall\n"
                              "0 normal                 1234     1     0   99.9 %\n"
                              "1 retinopatía diabética    20     3     4   11.1 %\n"
                              "2 other                     0     0     0        -\n");
    free(text);
    cr_confusion_destroy(&confusion);
}

static void report_counts_characters_like_python(void **state)
{
    (void)state;
    cr_confusion confusion;
    fill(&confusion);
    char *text = NULL;
    assert_int_equal(cr_classification_report(&confusion, names, 2, &text), CR_OK);
    assert_string_equal(text, "                       precision    recall  f1-score   support\n"
                              "\n"
                              "               normal       0.98      1.00      0.99      1235\n"
                              "retinopatía diabética       0.75      0.11      0.19        27\n"
                              "                other       0.00      0.00      0.00         0\n"
                              "\n"
                              "             accuracy                           0.98      1262\n"
                              "            macro avg       0.58      0.37      0.40      1262\n"
                              "         weighted avg       0.98      0.98      0.97      1262\n");
    free(text);
    cr_confusion_destroy(&confusion);
}

static void classes_without_names_are_numbered(void **state)
{
    (void)state;
    cr_confusion confusion;
    fill(&confusion);
    char *text = NULL;
    assert_int_equal(cr_classification_report(&confusion, NULL, 4, &text), CR_OK);
    assert_non_null(strstr(text, "\n           1     0.7500    0.1111    0.1935        27\n"));
    free(text);
    cr_confusion_destroy(&confusion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_is_aligned_by_characters),
        cmocka_unit_test(report_counts_characters_like_python),
        cmocka_unit_test(classes_without_names_are_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
