/* From a recipe to a pack and back: content, repeatability, rejects, what is in the way, interruption. */
#include "image.h"
#include "manifest.h"
#include "pack_case.h"

#include "crisol/atomic_file.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The image of a sample, made from its file as packing should have made it. */
static void expected_pixels(const pack_case *c, const char *id, uint8_t *pixels)
{
    cr_image image = {0};
    cr_resizer resizer = {0};
    const char *reason;
    size_t bytes;
    uint8_t *data = pack_case_read(pack_case_path(pack_case_path(c->folder, "images"), id), &bytes);
    assert_int_equal(cr_image_decode(data, bytes, &cr_image_default_limits, true, &image, &reason), CR_OK);
    assert_int_equal(cr_image_resize(&image, CR_RESIZE_CROP, &resizer, pixels), CR_OK);
    cr_image_clear(&image);
    cr_resizer_clear(&resizer);
    free(data);
}

static void check_sample(const pack_case *c, const cr_pack *pack, cr_split split, int64_t sample)
{
    static uint8_t pixels[CR_IMAGE_BYTES], expected[CR_IMAGE_BYTES];
    const char *id = cr_pack_sample_id(pack, split, sample);
    const float *row = cr_pack_metadata(pack, split, sample);
    int i = atoi(id);
    assert_int_equal(cr_pack_read_image(pack, split, sample, pixels), CR_OK);
    expected_pixels(c, id, expected);
    assert_memory_equal(pixels, expected, sizeof pixels);
    assert_int_equal(cr_pack_label(pack, split, sample), i / 2 % 3 ? 1 : 0);
    assert_int_equal(cr_pack_group(pack, split, sample), i / 2);
    /* size; colour of blue, green, red; marks a, b, c */
    static const float colour[] = {2, 1, 0, NAN};
    static const float marks[][3] = {{1, 1, 0}, {0, 0, 0}, {0, 1, 0}, {1, 0, 1}};
    assert_int_equal(isnan(row[0]), i % 7 == 0);
    if (i % 7)
        assert_true(row[0] == (float)(10 + i + 0.1 * (i % 4)));
    assert_int_equal(isnan(row[1]), i % 4 == 3);
    if (i % 4 != 3)
        assert_true(row[1] == colour[i % 4]);
    for (int m = 0; m < 3; m++)
        assert_true(row[2 + m] == marks[i / 2 % 4][m]);
}

static void test_content(void **state)
{
    (void)state;
    pack_case c;
    cr_pack *pack = NULL;
    cr_pack_build_report report;
    int64_t n = 0;
    pack_case_make(&c, 0, "");
    assert_int_equal(pack_case_build(&c, c.output, 2, false, &report), CR_OK);
    assert_int_equal(report.n_packed, PACK_CASE_ROWS);
    assert_int_equal(report.n_rejected, 0);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_OK);
    assert_string_equal(cr_pack_id(pack), report.pack_id);
    assert_string_equal(cr_pack_folder(pack), c.output);
    assert_int_equal(cr_pack_n_classes(pack), 2);
    assert_string_equal(cr_pack_class_name(pack, 1), "größer");
    assert_int_equal(cr_pack_n_columns(pack), 3);
    assert_int_equal(cr_pack_n_features(pack), 5);
    assert_int_equal(cr_pack_column(pack, 2)->n_words, 3);
    assert_int_equal(cr_pack_column(pack, 0)->kind, CR_COLUMN_NUMERIC);
    assert_null(cr_pack_leak_warning(pack));
    for (int s = 0; s < CR_N_SPLITS; s++) {
        char **paths = NULL;
        assert_int_equal(cr_pack_read_paths(pack, (cr_split)s, &paths), CR_OK);
        for (int64_t i = 0; i < cr_pack_n_samples(pack, (cr_split)s); i++, n++) {
            check_sample(&c, pack, (cr_split)s, i);
            assert_memory_equal(paths[i], "images/", 7);
            assert_string_equal(paths[i] + 7, cr_pack_sample_id(pack, (cr_split)s, i));
        }
        free(paths);
        assert_true(cr_pack_n_samples(pack, (cr_split)s) > 0);
    }
    assert_int_equal(n, PACK_CASE_ROWS);
    assert_true(json_array_size(json_object_get(cr_pack_manifest(pack), "shards")) > 4);
    uint8_t *image = malloc(CR_IMAGE_BYTES);
    assert_int_equal(cr_pack_read_image(pack, CR_SPLIT_VAL, cr_pack_n_samples(pack, CR_SPLIT_VAL), image), CR_INTERNAL);
    assert_int_equal(cr_pack_read_image(pack, CR_SPLIT_VAL, -1, image), CR_INTERNAL);
    free(image);
    cr_pack_close(&pack);
    assert_null(pack);
    cr_pack_close(&pack);
    pack_case_clear(&c);
}

static void test_png_of_a_sample(void **state)
{
    (void)state;
    pack_case c;
    cr_pack *pack = NULL;
    cr_image image = {0};
    const char *reason;
    size_t bytes;
    uint8_t pixels[CR_IMAGE_BYTES];
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_OK);
    const char *path = pack_case_path(c.folder, "sample.png");
    assert_int_equal(cr_pack_write_png(pack, CR_SPLIT_TRAIN, 3, path), CR_OK);
    assert_int_equal(cr_pack_read_image(pack, CR_SPLIT_TRAIN, 3, pixels), CR_OK);
    uint8_t *data = pack_case_read(path, &bytes);
    assert_int_equal(cr_image_decode(data, bytes, &cr_image_default_limits, true, &image, &reason), CR_OK);
    assert_int_equal(image.width, CR_PACK_IMAGE_SIZE);
    assert_memory_equal(image.buffer.data, pixels, sizeof pixels);
    free(data);
    cr_image_clear(&image);
    cr_pack_close(&pack);
    pack_case_clear(&c);
}

/* The same bytes with 1, 2 and 3 workers, also when damaged images leave gaps that are closed. */
static void test_workers_leave_no_trace(void **state)
{
    (void)state;
    for (int n_damaged = 0; n_damaged <= 6; n_damaged += 3) {
        pack_case c;
        cr_pack_build_report report, other;
        pack_case_make(&c, n_damaged, "max_rejects: 0.5\n");
        assert_int_equal(pack_case_build(&c, c.output, 1, false, &report), CR_OK);
        assert_int_equal(report.n_rejected, n_damaged);
        for (int workers = 2; workers <= 3; workers++) {
            char output[PACK_CASE_PATH];
            snprintf(output, sizeof output, "%s/with-%d", c.folder, workers);
            assert_int_equal(pack_case_build(&c, output, workers, false, &other), CR_OK);
            assert_string_equal(report.pack_id, other.pack_id);
            pack_case_assert_same(c.output, output);
        }
        pack_case_clear(&c);
    }
}

static void test_rejects(void **state)
{
    (void)state;
    pack_case c;
    cr_pack *pack = NULL;
    cr_pack_damage damage;
    size_t bytes;
    int64_t n = 0;
    pack_case_make(&c, 4, "max_rejects: 0.2\n");
    unlink(pack_case_path(c.folder, "images/35.img"));
    pack_case_build_well(&c);
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_OK);
    assert_int_equal(cr_pack_open(c.output, &pack), CR_OK);
    const json_t *rejects = json_object_get(cr_pack_manifest(pack), "rejects");
    assert_int_equal(json_integer_value(json_object_get(rejects, "missing file")), 1);
    assert_int_equal(json_integer_value(json_object_get(rejects, "truncated image")), 4);
    for (int s = 0; s < CR_N_SPLITS; s++)
        for (int64_t i = 0; i < cr_pack_n_samples(pack, (cr_split)s); i++, n++)
            check_sample(&c, pack, (cr_split)s, i);
    assert_int_equal(n, PACK_CASE_ROWS - 5);
    char *list = (char *)pack_case_read(pack_case_path(c.output, "rejects.csv"), &bytes);
    assert_memory_equal(list, "row,file,reason,detail\n", 23);
    assert_non_null(strstr(list, "36,images/35.img,missing file,"));
    int lines = 0;
    for (size_t i = 0; i < bytes; i++)
        lines += list[i] == '\n';
    assert_int_equal(lines, 6);
    free(list);
    cr_pack_close(&pack);
    pack_case_clear(&c);
}

static bool only_these(const char *folder, const char *const *names, int n)
{
    char command[PACK_CASE_PATH + 64], line[256];
    int found = 0;
    snprintf(command, sizeof command, "ls -A '%s'", folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = 0;
        bool known = false;
        for (int i = 0; i < n; i++)
            known |= !strcmp(line, names[i]);
        if (!known)
            printf("unexpected: %s\n", line);
        found += known ? 1 : 1000;
    }
    pclose(list);
    return found == n;
}

static void test_too_many_rejects(void **state)
{
    static const char *const left[] = {"recipe.yaml", "table.csv", "images", "pack.rejects.csv"};
    (void)state;
    pack_case c;
    pack_case_make(&c, 4, "max_rejects: 0.1\n");
    assert_int_equal(pack_case_build(&c, c.output, 2, false, NULL), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "4 of 36 rows"));
    assert_non_null(strstr(cr_error_message(), "4 truncated image"));
    assert_true(only_these(c.folder, left, 4));
    pack_case_clear(&c);
    pack_case_make(&c, 36, "max_rejects: 1.0\n"); /* allowed, but nothing is left */
    assert_int_equal(pack_case_build(&c, c.output, 2, false, NULL), CR_BAD_DATA);
    assert_true(only_these(c.folder, left, 4));
    pack_case_clear(&c);
}

static void test_what_is_in_the_way(void **state)
{
    (void)state;
    pack_case c;
    pack_case_make(&c, 0, "");
    pack_case_write(c.output, "x", 1);
    assert_int_equal(pack_case_build(&c, c.output, 1, true, NULL), CR_BAD_CONFIG); /* a file */
    unlink(c.output);
    mkdir(c.output, 0777);
    pack_case_build_well(&c); /* an empty folder is fine */
    assert_int_equal(pack_case_build(&c, c.output, 1, false, NULL), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "--force"));
    pack_case_write(pack_case_path(c.output, "notes.txt"), "mine", 4);
    assert_int_equal(pack_case_build(&c, c.output, 1, true, NULL), CR_OK);
    assert_false(pack_case_exists(pack_case_path(c.output, "notes.txt"))); /* the new pack has no foreign files … */
    char old[PACK_CASE_PATH + 16];
    snprintf(old, sizeof old, "%s.tmp-%ld", c.output, (long)getpid());
    assert_true(pack_case_exists(pack_case_path(old, "notes.txt"))); /* … and they are not lost */
    assert_false(pack_case_exists(pack_case_path(old, "manifest.json")));
    const char *foreign = pack_case_path(c.folder, "images");
    assert_int_equal(pack_case_build(&c, foreign, 1, true, NULL), CR_BAD_CONFIG);
    assert_true(pack_case_exists(pack_case_path(foreign, "00.img")));
    pack_case_clear(&c);
}

/* A former pack stays as it is when the new one fails. */
static void test_failure_keeps_the_former_pack(void **state)
{
    (void)state;
    pack_case c;
    cr_pack_damage damage;
    pack_case_make(&c, 0, "");
    pack_case_build_well(&c);
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "images/%02d.img", i);
        pack_case_write(pack_case_path(c.folder, name), "no image", 8);
    }
    assert_int_equal(pack_case_build(&c, c.output, 2, true, NULL), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "10 unknown format"));
    assert_int_equal(cr_pack_verify(c.output, &damage), CR_OK);
    pack_case_clear(&c);
}

static void test_stop_flag(void **state)
{
    static const char *const left[] = {"recipe.yaml", "table.csv", "images"};
    (void)state;
    pack_case c;
    volatile sig_atomic_t stop = 1;
    cr_pack_build_report report;
    pack_case_make(&c, 0, "");
    const cr_pack_build_options options = {.recipe = c.recipe, .output = c.output, .n_workers = 2, .stop = &stop};
    assert_int_equal(cr_pack_build(&options, &report), CR_STOPPED);
    assert_true(only_these(c.folder, left, 3));
    pack_case_clear(&c);
}

/* Killed at any moment: the place holds nothing or a whole pack. */
static void test_killed(void **state)
{
    (void)state;
    pack_case c;
    cr_pack_damage damage;
    int n_whole = 0, n_nothing = 0;
    pack_case_make(&c, 3, "max_rejects: 0.2\n");
    for (int i = 0; i < 30; i++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            _exit(pack_case_build(&c, c.output, 2, false, NULL));
        usleep((useconds_t)(i * 3000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (pack_case_exists(c.output)) {
            assert_int_equal(cr_pack_verify(c.output, &damage), CR_OK);
            n_whole++;
            pack_case_remove(c.output);
        } else {
            n_nothing++;
        }
    }
    printf("killed 30 times: %d times a whole pack, %d times none\n", n_whole, n_nothing);
    pack_case_build_well(&c);
    pack_case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_png_of_a_sample),
        cmocka_unit_test(test_workers_leave_no_trace),
        cmocka_unit_test(test_rejects),
        cmocka_unit_test(test_too_many_rejects),
        cmocka_unit_test(test_what_is_in_the_way),
        cmocka_unit_test(test_failure_keeps_the_former_pack),
        cmocka_unit_test(test_stop_flag),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
