#include "pack_case.h"

#include "crisol/atomic_file.h"
#include "picture_case.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

const char *pack_case_path(const char *folder, const char *name)
{
    static char buffers[8][PACK_CASE_PATH];
    static int next;
    char *buffer = buffers[next++ % 8];
    snprintf(buffer, PACK_CASE_PATH, "%s/%s", folder, name);
    return buffer;
}

uint8_t *pack_case_read(const char *path, size_t *bytes)
{
    char *data = NULL;
    if (cr_read_file(path, (size_t)1 << 30, &data, bytes) != CR_OK)
        fail_msg("%s", cr_error_message());
    return (uint8_t *)data;
}

void pack_case_write(const char *path, const void *data, size_t bytes)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(data, 1, bytes, out) != bytes || fclose(out))
        fail_msg("cannot write %s", path);
}

bool pack_case_exists(const char *path)
{
    return !access(path, F_OK);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void pack_case_remove(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_image(const pack_case *c, int row, bool damaged)
{
    static const int sizes[][2] = {{40, 30}, {256, 256}, {300, 200}, {33, 90}, {224, 224}, {260, 257}};
    char name[32];
    size_t bytes;
    int w = sizes[row % 6][0], h = sizes[row % 6][1];
    uint8_t *rgb = picture_make(w, h, 3, (uint32_t)row + 1);
    uint8_t *data = row % 3 ? picture_jpeg(rgb, w, h, (jpeg_form){.channels = 3, .orientation = row % 9}, &bytes)
                            : picture_png(rgb, w, h, &bytes);
    snprintf(name, sizeof name, "images/%02d.img", row);
    pack_case_write(pack_case_path(c->folder, name), data, damaged ? bytes / 2 : bytes);
    free(rgb);
    free(data);
}

static void write_table(const pack_case *c)
{
    static const char *const colours[] = {"red", "green", "blue", ""};
    static const char *const lists[] = {"\"['a', 'b']\"", "[]", "['b']", "\"['c', 'a']\""};
    FILE *out = fopen(pack_case_path(c->folder, "table.csv"), "wb");
    assert_non_null(out);
    fputs("file,owner,size,colour,marks,class\n", out);
    for (int i = 0; i < PACK_CASE_ROWS; i++) {
        fprintf(out, "%02d.img,owner %d,", i, i / 2);
        if (i % 7)
            fprintf(out, "%d.%d", 10 + i, i % 4);
        fprintf(out, ",%s,%s,%s\n", colours[i % 4], lists[(i / 2) % 4], i / 2 % 3 ? "größer" : "klein");
    }
    assert_int_equal(fclose(out), 0);
}

void pack_case_make(pack_case *c, int n_damaged, const char *settings)
{
    char recipe[1024];
    snprintf(c->folder, sizeof c->folder, "/tmp/crisol-pack-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    snprintf(c->recipe, sizeof c->recipe, "%s/recipe.yaml", c->folder);
    snprintf(c->output, sizeof c->output, "%s/pack", c->folder);
    assert_int_equal(mkdir(pack_case_path(c->folder, "images"), 0777), 0);
    write_table(c);
    for (int i = 0; i < PACK_CASE_ROWS; i++) /* damaged ones far apart */
        write_image(c, i, i * 5 % PACK_CASE_ROWS < n_damaged);
    snprintf(recipe, sizeof recipe,
             "table: table.csv\nimage: images/{file}\nid: \"{file}\"\ngroup: owner\n"
             "columns:\n  size: {kind: numeric}\n  colour: {kind: categorical}\n  marks: {kind: list}\n"
             "label: {column: class, classes: [klein, größer]}\nshard_samples: 8\n%s",
             settings);
    pack_case_write(c->recipe, recipe, strlen(recipe));
}

void pack_case_clear(pack_case *c)
{
    pack_case_remove(c->folder);
}

cr_status pack_case_build(const pack_case *c, const char *output, int n_workers, bool force,
                          cr_pack_build_report *report)
{
    cr_pack_build_report ignored;
    const cr_pack_build_options options = {
        .recipe = c->recipe, .output = output, .n_workers = n_workers, .force = force};
    return cr_pack_build(&options, report ? report : &ignored);
}

void pack_case_build_well(const pack_case *c)
{
    if (pack_case_build(c, c->output, 2, false, NULL) != CR_OK)
        fail_msg("%s", cr_error_message());
}

static int count_files(const char *folder)
{
    DIR *list = opendir(folder);
    int n = 0;
    assert_non_null(list);
    while (readdir(list))
        n++;
    closedir(list);
    return n;
}

void pack_case_assert_same(const char *a, const char *b)
{
    DIR *list = opendir(a);
    assert_non_null(list);
    assert_int_equal(count_files(a), count_files(b));
    for (struct dirent *entry; (entry = readdir(list));) {
        if (entry->d_name[0] == '.')
            continue;
        size_t n_a, n_b;
        uint8_t *data_a = pack_case_read(pack_case_path(a, entry->d_name), &n_a);
        uint8_t *data_b = pack_case_read(pack_case_path(b, entry->d_name), &n_b);
        if (n_a != n_b || memcmp(data_a, data_b, n_a))
            fail_msg("%s differs between %s and %s", entry->d_name, a, b);
        free(data_a);
        free(data_b);
    }
    closedir(list);
}
