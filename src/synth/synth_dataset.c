#include "crisol/synth.h"

#include "crisol/atomic_file.h"
#include "crisol/rng.h"
#include "picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is true of a specimen and so of both of its rows. */
typedef struct specimen {
    int label;                /* texture + 2 · size */
    cr_synth_texture texture; /* as photographed: now and then not the class's */
    bool large;               /* as measured: now and then not the class's */
    double size_mm;
} specimen;

enum {
    PICTURE_STREAM = 0, /* the streams' epochs: id = row, id = group */
    GROUP_STREAM = 1,
    N_MATERIALS = 4,
    N_MARKS = 5
};
static const double odd_one_out = 0.015; /* specimens that look or measure like the other kind */
static const char *const labels[] = {"striped-small", "dotted-small", "striped-large", "dotted-large"};
static const char *const materials[N_MATERIALS] = {"wood", "brass", "steel", "stone"};
static const double material_share[2][N_MATERIALS] = {{0.5, 0.38, 0.07, 0.05}, {0.05, 0.07, 0.38, 0.5}};
static const char *const marks[N_MARKS] = {"polished", "stamped", "scratched", "cracked", "painted"};
static const double mark_share[2][N_MARKS] = {{0.2, 0.3, 0.3, 0.2, 0.2}, {0.5, 0.3, 0.3, 0.2, 0.2}};

static bool happens(cr_rng *rng, double probability)
{
    return cr_rng_uniform_double(rng) < probability;
}

static specimen make_specimen(uint64_t seed, int64_t group)
{
    cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, GROUP_STREAM, (uint64_t)group);
    specimen made;
    made.label = (int)(group % 4);
    made.texture = (made.label % 2 != 0) != happens(&rng, odd_one_out) ? CR_SYNTH_DOTS : CR_SYNTH_STRIPES;
    made.large = (made.label / 2 != 0) != happens(&rng, odd_one_out);
    made.size_mm = (made.large ? 34 : 20) + 3 * cr_rng_normal(&rng);
    return made;
}

static void print_row(FILE *table, cr_rng *rng, const specimen *it, int64_t row, int64_t group, const char *image)
{
    fprintf(table, "s%06lld,g%06lld,%s,", (long long)row, (long long)group, image);
    double error = 0.5 * cr_rng_normal(rng); /* measured anew for each row */
    if (!happens(rng, 0.08))
        fprintf(table, "%.1f", it->size_mm + error);
    double draw = cr_rng_uniform_double(rng);
    int material = 0;
    while (material < N_MATERIALS - 1 && draw >= material_share[it->large][material])
        draw -= material_share[it->large][material++];
    fprintf(table, ",%s,\"[", happens(rng, 0.04) ? "" : materials[material]);
    const char *separator = "";
    for (int i = 0; i < N_MARKS; i++)
        if (happens(rng, mark_share[it->large][i])) {
            fprintf(table, "%s'%s'", separator, marks[i]);
            separator = ", ";
        }
    fprintf(table, "]\",%s\n", labels[it->label]);
}

static cr_status make_row(FILE *table, const char *folder, uint64_t seed, int64_t row, cr_synth_picture *picture)
{
    int64_t group = row / 2;
    specimen it = make_specimen(seed, group);
    cr_rng rng = cr_rng_make(seed, CR_RNG_SYNTH, PICTURE_STREAM, (uint64_t)row);
    char image[64];
    bool png = happens(&rng, 0.35);
    int quality = 80 + (int)cr_rng_below(&rng, 16);
    snprintf(image, sizeof image, "images/s%06lld.%s", (long long)row, png ? "png" : "jpg");
    print_row(table, &rng, &it, row, group, image);
    cr_synth_draw(&rng, it.texture, picture);
    char *path = cr_path_join(folder, image);
    if (!path)
        return cr_fail_memory("a path", strlen(folder));
    cr_status status = png ? cr_synth_write_png(picture, path) : cr_synth_write_jpeg(picture, quality, path);
    free(path);
    return status;
}

cr_status cr_synth_write(const char *folder, int64_t n_samples, uint64_t seed)
{
    cr_status status = CR_OK;
    FILE *table = NULL;
    char *text = NULL, *images = NULL;
    size_t bytes = 0;
    cr_synth_picture *picture = malloc(sizeof *picture);
    char *path = cr_path_join(folder, "table.csv");
    if (!path || !picture)
        CR_TRY(cr_fail_memory("a picture", sizeof *picture));
    if (n_samples < CR_SYNTH_MIN_SAMPLES || n_samples > CR_SYNTH_MAX_SAMPLES)
        CR_TRY(cr_fail(CR_USAGE, "%lld samples: allowed are %d to %d", (long long)n_samples, CR_SYNTH_MIN_SAMPLES,
                       CR_SYNTH_MAX_SAMPLES));
    if (!access(path, F_OK))
        CR_TRY(cr_fail(CR_USAGE, "%s is there already; name another folder or remove it", path));
    images = cr_path_join(folder, "images");
    table = open_memstream(&text, &bytes);
    if (!images || !table)
        CR_TRY(cr_fail_memory("a table", 0));
    CR_TRY(cr_make_folders(images));
    fputs("id,group,image,size_mm,material,marks,label\n", table);
    for (int64_t row = 0; row < n_samples; row++)
        CR_TRY(make_row(table, folder, seed, row, picture));
    int failed = fclose(table);
    table = NULL;
    if (failed)
        CR_TRY(cr_fail_memory("a table", bytes));
    CR_TRY(cr_atomic_file_save(path, text, bytes));
done:
    if (table)
        fclose(table);
    free(text);
    free(images);
    free(path);
    free(picture);
    return status;
}
