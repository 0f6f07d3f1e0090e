#include "tiny_pack.h"

#include "crisol/pack_build.h"
#include "image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    ROWS = TINY_TRAIN + TINY_VAL + TINY_TEST
};

static char base[64], folder[96];

int tiny_first_row(cr_split split)
{
    static const int first[CR_N_SPLITS] = {0, TINY_TRAIN, TINY_TRAIN + TINY_VAL};
    return first[split];
}

int tiny_label(int row)
{
    return row % TINY_CLASSES;
}

bool tiny_has_age(int row)
{
    return row % 5 != 2;
}

double tiny_age(int row)
{
    return 20 + (row * 17) % 60;
}

double tiny_height(int row)
{
    return row == TINY_TRAIN + 1 ? (double)NAN : 150 + 0.5 * ((row * 7) % 40);
}

const char *tiny_sex(int row)
{
    static const char *const words[] = {"F", "M", "", "F", "unclear"};
    return words[row % 5];
}

bool tiny_has_marks(int row)
{
    return row % 7 != 3;
}

bool tiny_mark(int row, int i)
{
    return row >> i & 1;
}

uint8_t tiny_pixel(int row, int64_t byte)
{
    return (uint8_t)(row * 37 + byte % 251 + byte / 672);
}

static void write_table(void)
{
    static const char *const splits[] = {"learn", "check", "final"};
    static const char *const marks[] = {"[]", "['spot']", "['ring']", "['spot', 'ring']"};
    char path[128];
    snprintf(path, sizeof path, "%s/table.csv", base);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "file,age,height,sex,marks,class,part\n");
    for (int row = 0; row < ROWS; row++) {
        int split = row < TINY_TRAIN ? 0 : row < TINY_TRAIN + TINY_VAL ? 1 : 2;
        char age[16] = "", height[16] = "";
        if (tiny_has_age(row))
            snprintf(age, sizeof age, "%g", tiny_age(row));
        if (!isnan(tiny_height(row)))
            snprintf(height, sizeof height, "%g", tiny_height(row));
        fprintf(file, "%d.png,%s,%s,%s,\"%s\",class%d,%s\n", row, age, height, tiny_sex(row),
                tiny_has_marks(row) ? marks[tiny_mark(row, 0) + 2 * tiny_mark(row, 1)] : "", tiny_label(row),
                splits[split]);
    }
    assert_int_equal(fclose(file), 0);
}

static void write_recipe(char *path, size_t bytes)
{
    snprintf(path, bytes, "%s/recipe.yaml", base);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "table: table.csv\n"
                  "image: {path: \"{file}\", resize: squash}\n"
                  "id: \"tiny-{file}\"\n"
                  "columns:\n"
                  "  age: {kind: numeric}\n"
                  "  sex: {kind: categorical, words: [F, M]}\n"
                  "  marks: {kind: list, words: [spot, ring]}\n"
                  "  height: {kind: numeric}\n"
                  "label: {column: class, classes: [class0, class1, class2]}\n"
                  "split: {column: part, train: learn, val: check, test: final}\n"
                  "shard_samples: 13\n");
    assert_int_equal(fclose(file), 0);
}

static void write_images(void)
{
    uint8_t *pixels = malloc(TINY_IMAGE_BYTES);
    assert_non_null(pixels);
    for (int row = 0; row < ROWS; row++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%d.png", base, row);
        for (int64_t i = 0; i < TINY_IMAGE_BYTES; i++)
            pixels[i] = tiny_pixel(row, i);
        assert_int_equal(cr_image_write_png(path, pixels, CR_PACK_IMAGE_SIZE, CR_PACK_IMAGE_SIZE), CR_OK);
    }
    free(pixels);
}

const char *tiny_pack_folder(void)
{
    if (*folder)
        return folder;
    char recipe[128];
    snprintf(base, sizeof base, "%s/tiny-pack-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(base));
    write_table();
    write_images();
    write_recipe(recipe, sizeof recipe);
    snprintf(folder, sizeof folder, "%s/pack", base);
    cr_pack_build_options options = {.recipe = recipe, .output = folder, .n_workers = 1};
    cr_pack_build_report report;
    if (cr_pack_build(&options, &report) != CR_OK)
        fail_msg("%s", cr_error_message());
    assert_int_equal(report.n_packed, ROWS);
    return folder;
}

void tiny_pack_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    if (*base && system(command) != 0)
        fprintf(stderr, "could not remove %s\n", base);
}

cr_pack *tiny_pack_open(void)
{
    cr_pack *pack = NULL;
    if (cr_pack_open(tiny_pack_folder(), &pack) != CR_OK)
        fail_msg("%s", cr_error_message());
    return pack;
}

/* Where the row's image lies in the file, or -1. */
static long find_image(FILE *file, int row)
{
    uint8_t *image = malloc(TINY_IMAGE_BYTES), *all = NULL;
    assert_non_null(image);
    for (int64_t i = 0; i < TINY_IMAGE_BYTES; i++)
        image[i] = tiny_pixel(row, i);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t bytes = (size_t)ftell(file);
    rewind(file);
    all = malloc(bytes);
    assert_non_null(all);
    assert_int_equal(fread(all, 1, bytes, file), bytes);
    const int skipped = 4096; /* the first bytes may be the damaged ones */
    const uint8_t *found = memmem(all, bytes, image + skipped, (size_t)(TINY_IMAGE_BYTES - skipped));
    long at = found ? (long)(found - all) - skipped : -1;
    free(image);
    free(all);
    return at;
}

void tiny_pack_damage(int row)
{
    char path[160];
    for (int shard = 0;; shard++) {
        snprintf(path, sizeof path, "%s/train-%05d-of-%05d.h5", tiny_pack_folder(), shard, (TINY_TRAIN + 12) / 13);
        FILE *file = fopen(path, "r+b");
        if (!file)
            fail_msg("no shard holds row %d", row);
        long at = find_image(file, row);
        if (at >= 0) {
            assert_int_equal(fseek(file, at + 100, SEEK_SET), 0);
            int byte = fgetc(file);
            assert_int_equal(fseek(file, at + 100, SEEK_SET), 0);
            assert_int_equal(fputc(byte ^ 4, file), byte ^ 4);
        }
        assert_int_equal(fclose(file), 0);
        if (at >= 0)
            return;
    }
}
