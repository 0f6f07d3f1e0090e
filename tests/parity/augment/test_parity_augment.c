/* torchvision's tensor path, one operation at a time and composed: every output of the augmentation references. */
#include "crisol/augment.h"
#include "parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <cmocka.h>

typedef struct references {
    json_t *index, *tolerances;
    int64_t n_compared;
    bool good;
} references;

static cr_box box_at(json_t *parameters, const char *name)
{
    json_t *box = parity_get(parameters, name);
    return (cr_box){
        .top = (int32_t)parity_real(box, "top"),
        .left = (int32_t)parity_real(box, "left"),
        .height = (int32_t)parity_real(box, "height"),
        .width = (int32_t)parity_real(box, "width"),
    };
}

static void set_affine(json_t *affine, cr_augment *augment)
{
    cr_augment_affine_inverse(parity_real(affine, "angle"),
                              (double[]){parity_real(affine, "translate.0"), parity_real(affine, "translate.1")},
                              parity_real(affine, "scale"),
                              (double[]){parity_real(affine, "shear.0"), parity_real(affine, "shear.1")},
                              augment->inverse);
    augment->warps = true;
}

static bool kind_of(const char *name, cr_jitter *kind)
{
    static const char *const names[] = {"brightness", "contrast", "saturation", "hue"};
    for (int k = 0; k < CR_JITTER_COUNT; k++) {
        if (!strncmp(name, names[k], strlen(names[k]))) {
            *kind = (cr_jitter)k;
            return true;
        }
    }
    return false;
}

static void add_jitter(json_t *parameters, const char *name, cr_augment *augment)
{
    cr_jitter kind = CR_JITTER_COUNT;
    assert_true(kind_of(name, &kind) && augment->n_jitters < CR_JITTER_COUNT);
    augment->jitters[augment->n_jitters++] = kind;
    augment->factors[kind] = (float)parity_real(parameters, name);
}

/* False: an operation that Crisol has not (on purpose: it multiplies by the coverage twice at the border). */
static bool make_augment(json_t *parameters, const char *name, cr_augment *augment)
{
    cr_jitter kind;
    *augment = (cr_augment){0};
    if (!strcmp(name, "affine_fill_argument_0"))
        return false;
    augment->hflip = !strncmp(name, "hflip", 5);
    augment->vflip = !strncmp(name, "vflip", 5);
    if (strstr(name, "affine"))
        set_affine(parity_get(parameters, strstr(name, "shrink") ? "affine_shrink" : "affine"), augment);
    else if (!strncmp(name, "crop", 4))
        augment->crop = box_at(parameters, name);
    else if (!strcmp(name, "erase"))
        augment->erase = box_at(parameters, name);
    else if (kind_of(name, &kind))
        add_jitter(parameters, name, augment);
    if (!strcmp(name, "rotate")) {
        cr_augment_affine_inverse(-parity_real(parameters, "rotate.angle"), (double[]){0, 0}, 1, (double[]){0, 0},
                                  augment->inverse);
        augment->warps = true;
    }
    if (!strcmp(name, "jitter_four")) {
        json_t *order = parity_get(parameters, "jitter_order"), *kind_name;
        size_t i;
        json_array_foreach(order, i, kind_name) add_jitter(parameters, json_string_value(kind_name), augment);
    }
    return true;
}

static double tolerance_of(const references *ref, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "augment.abs.%s", name);
    if (!parity_find(ref->tolerances, path))
        snprintf(path, sizeof path, "augment.abs.default");
    return parity_real(ref->tolerances, path);
}

/* All references but the erased ones are in 0 … 1, before normalisation. */
static double worst_gap(const float *got, const double *want, int64_t size, bool normalised)
{
    double worst = 0;
    for (int64_t c = 0; c < 3; c++) {
        for (int64_t i = 0; i < size * size; i++) {
            double value = got[c * size * size + i];
            if (!normalised)
                value = value * (double)cr_image_deviation[c] + (double)cr_image_mean[c];
            double gap = fabs(value - want[c * size * size + i]);
            worst = gap <= worst ? worst : gap;
        }
    }
    return worst;
}

static void compare(references *ref, const char *what, const char *name, const uint8_t *image, int64_t size,
                    const cr_augment *augment, const double *want)
{
    float *got = malloc((size_t)(3 * size * size) * sizeof *got);
    assert_non_null(got);
    cr_augment_apply(image, size, augment, got);
    ref->good &= parity_line(what, worst_gap(got, want, size, !strcmp(name, "erase")), tolerance_of(ref, name));
    ref->n_compared++;
    free(got);
}

static void compare_file(references *ref, const char *file, int64_t size)
{
    cr_safetensors *tensors = parity_tensors(file);
    for (int64_t t = 0; t < cr_safetensors_count(tensors); t++) {
        const cr_tensor_view *view = cr_safetensors_at(tensors, t);
        const char *dot = strchr(view->name, '.');
        char input_name[CR_TENSOR_NAME_MAX];
        snprintf(input_name, sizeof input_name, "%.*s.input", dot ? (int)(dot - view->name) : 0, view->name);
        const cr_tensor_view *input = cr_safetensors_find(tensors, input_name);
        cr_augment augment;
        if (!input || input == view || !make_augment(parity_get(ref->index, "parameters"), dot + 1, &augment))
            continue;
        int64_t n;
        double *want = parity_doubles(tensors, view->name, &n);
        assert_true(input->dtype == CR_DTYPE_U8 && (int64_t)input->bytes == 3 * size * size && n == 3 * size * size);
        char what[160];
        snprintf(what, sizeof what, "augment %s", view->name);
        compare(ref, what, dot + 1, input->data, size, &augment, want);
        free(want);
    }
    cr_safetensors_close(&tensors);
}

static void every_operation_equals_torchvision(void **state)
{
    (void)state;
    parity_require();
    references ref = {.index = parity_json("augment.json"), .tolerances = parity_json("tolerances.json"), .good = true};
    int64_t size = json_integer_value(parity_get(ref.index, "side"));
    double inverse[6];
    cr_augment augment = {0};
    set_affine(parity_get(ref.index, "parameters.affine"), &augment);
    for (int i = 0; i < 6; i++)
        inverse[i] = parity_value(
            json_array_get(json_array_get(parity_get(ref.index, "inverse_affine_2x3"), (size_t)i / 3), (size_t)i % 3));
    ref.good &= parity_line("augment inverse affine map", parity_max_abs(augment.inverse[0], inverse, 6), 1e-12);
    compare_file(&ref, "augment_formula.safetensors", size);
    compare_file(&ref, "augment_real.safetensors", size);
    assert_true(ref.n_compared > 0);
    assert_true(ref.good);
    json_decref(ref.index);
    json_decref(ref.tolerances);
}

/* Rows and columns begin … end-1 of a JPEG; null when the file is absent. */
static uint8_t *read_crop(const char *path, int64_t begin, int64_t size)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return NULL;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_stdio_src(&jpeg, in);
    (void)jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    (void)jpeg_start_decompress(&jpeg);
    assert_true(jpeg.output_width >= begin + size && jpeg.output_height >= begin + size);
    uint8_t *image = malloc((size_t)(size * size) * 3), *line = malloc((size_t)jpeg.output_width * 3);
    assert_true(image && line);
    while (jpeg.output_scanline < jpeg.output_height) {
        int64_t y = (int64_t)jpeg.output_scanline - begin;
        (void)jpeg_read_scanlines(&jpeg, &line, 1);
        if (y >= 0 && y < size)
            memcpy(image + y * size * 3, line + begin * 3, (size_t)size * 3);
    }
    (void)jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    free(line);
    fclose(in);
    return image;
}

static void a_whole_picture_equals_torchvision(void **state)
{
    (void)state;
    parity_require();
    const char *folder = data_dir();
    if (!folder)
        skip();
    references ref = {.index = parity_json("augment.json"), .tolerances = parity_json("tolerances.json"), .good = true};
    json_t *source = parity_get(ref.index, "sources.odir224");
    int64_t begin = json_integer_value(parity_get(source, "rows_and_columns.0"));
    int64_t size = json_integer_value(parity_get(source, "rows_and_columns.1")) - begin;
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", folder, json_string_value(parity_get(source, "file")));
    uint8_t *image = read_crop(path, begin, size);
    if (!image) {
        printf("skipped: no file %s\n", path);
        json_decref(ref.index);
        json_decref(ref.tolerances);
        skip();
    }
    int64_t n;
    cr_safetensors *tensors = parity_tensors("augment_real.safetensors");
    double *want = parity_doubles(tensors, "odir224.affine", &n);
    assert_int_equal(n, 3 * size * size);
    cr_augment augment = {0};
    set_affine(parity_get(source, "affine"), &augment);
    compare(&ref, "augment odir224.affine", "affine", image, size, &augment, want);
    assert_true(ref.good);
    free(want);
    free(image);
    cr_safetensors_close(&tensors);
    json_decref(ref.index);
    json_decref(ref.tolerances);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_equals_torchvision),
        cmocka_unit_test(a_whole_picture_equals_torchvision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
