/* Decoding and resizing against Pillow's and torchvision's pixels: every file of images.json, also the broken ones. */
#include "image.h"
#include "parity.h"
#include "sha256.h"

#include "crisol/atomic_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Everything that decoding one file leaves behind. */
typedef struct decoded {
    cr_image image;
    cr_resizer resizer;
    uint8_t pixels[CR_IMAGE_BYTES];
    const char *reason;
    cr_status status;
} decoded;

static void decode_file(const char *folder, const char *name, bool apply_exif, decoded *d)
{
    char *path = cr_path_join(folder, name), *data = NULL;
    size_t bytes = 0;
    assert_non_null(path);
    if (cr_read_file(path, (size_t)1 << 30, &data, &bytes) != CR_OK)
        fail_msg("%s", cr_error_message());
    d->reason = NULL;
    d->status = cr_image_decode((uint8_t *)data, bytes, &cr_image_default_limits, apply_exif, &d->image, &d->reason);
    free(data);
    free(path);
}

static void clear(decoded *d)
{
    cr_image_clear(&d->image);
    cr_resizer_clear(&d->resizer);
}

static bool same_hash(const char *name, const char *what, const uint8_t *data, size_t bytes, const json_t *expected)
{
    char text[65], line[256];
    sha256_text(data, bytes, text);
    snprintf(line, sizeof line, "%s: %s", name, what);
    return parity_line(line, strcmp(text, json_string_value(expected)) ? 1 : 0, 0);
}

/* Compares with one record: size (where given), pixels, both resized forms (where given). */
static bool same_record(const char *name, json_t *record, decoded *d)
{
    bool good = true;
    json_t *size = json_object_get(record, "size"), *crop = json_object_get(record, "sha256_resize256_crop224"),
           *squash = json_object_get(record, "sha256_resize224");
    if (size) {
        assert_int_equal(json_integer_value(json_array_get(size, 0)), d->image.width);
        assert_int_equal(json_integer_value(json_array_get(size, 1)), d->image.height);
    }
    good &= same_hash(name, "decoded pixels", d->image.buffer.data,
                      (size_t)d->image.width * (size_t)d->image.height * CR_IMAGE_CHANNELS,
                      parity_get(record, "sha256_rgb"));
    if (crop) {
        assert_int_equal(cr_image_resize(&d->image, CR_RESIZE_CROP, &d->resizer, d->pixels), CR_OK);
        good &= same_hash(name, "Resize(256), CenterCrop(224)", d->pixels, CR_IMAGE_BYTES, crop);
    }
    if (squash) {
        assert_int_equal(cr_image_resize(&d->image, CR_RESIZE_SQUASH, &d->resizer, d->pixels), CR_OK);
        good &= same_hash(name, "Resize((224, 224))", d->pixels, CR_IMAGE_BYTES, squash);
    }
    return good;
}

/* One entry of `files` or `real_files`. Where Pillow clips 16-bit grey, the reference has the high byte beside it. */
static bool same_file(const char *folder, const char *name, json_t *record, decoded *d)
{
    json_t *high_byte = json_object_get(record, "high_byte_instead"),
           *turned = json_object_get(record, "exif_transposed");
    decode_file(folder, name, false, d);
    if (d->status != CR_OK)
        fail_msg("%s: %s: %s", name, d->reason, cr_error_message());
    bool good = same_record(name, high_byte ? high_byte : record, d);
    decode_file(folder, name, true, d);
    assert_int_equal(d->status, CR_OK);
    if (turned) {
        char line[300];
        snprintf(line, sizeof line, "%s turned upright", name);
        good &= same_record(line, turned, d);
    } else {
        good &= same_hash(name, "nothing to turn", d->image.buffer.data,
                          (size_t)d->image.width * (size_t)d->image.height * CR_IMAGE_CHANNELS,
                          parity_get(high_byte ? high_byte : record, "sha256_rgb"));
    }
    return good;
}

static void test_synthetic_files(void **state)
{
    (void)state;
    parity_require();
    json_t *root = parity_json("images/images.json"), *record;
    char folder[4300];
    snprintf(folder, sizeof folder, "%s/images", parity_dir());
    decoded *d = calloc(1, sizeof *d);
    const char *name;
    bool good = true;
    json_object_foreach(parity_get(root, "files"), name, record) good &= same_file(folder, name, record, d);
    clear(d);
    free(d);
    json_decref(root);
    assert_true(good);
}

static void test_real_files(void **state)
{
    (void)state;
    parity_require();
    if (!data_dir())
        skip();
    json_t *root = parity_json("images/images.json"), *record;
    decoded *d = calloc(1, sizeof *d);
    const char *name;
    bool good = true;
    int n_absent = 0;
    json_object_foreach(parity_get(root, "real_files"), name, record)
    {
        char *path = cr_path_join(data_dir(), name);
        bool there = !access(path, R_OK);
        free(path);
        if (there)
            good &= same_file(data_dir(), name, record, d);
        else
            n_absent++;
    }
    if (n_absent)
        printf("%d files of images.json:real_files are not in %s\n", n_absent, data_dir());
    clear(d);
    free(d);
    json_decref(root);
    assert_true(good);
}

/* What Pillow refuses is refused. What it accepts has its pixels or, with a wrong chunk checksum, is refused too: data
 * that their own checksum denies are no training data. */
static void test_broken_files(void **state)
{
    (void)state;
    parity_require();
    json_t *root = parity_json("images/images.json"), *record;
    char folder[4300];
    snprintf(folder, sizeof folder, "%s/images/broken", parity_dir());
    decoded *d = calloc(1, sizeof *d);
    const char *name;
    bool good = true;
    json_object_foreach(parity_get(root, "broken"), name, record)
    {
        decode_file(folder, name, true, d);
        if (d->status != CR_OK) {
            printf("%s: refused: %s: %s\n", name, d->reason ? d->reason : "(no reason)", cr_error_message());
            assert_int_equal(d->status, CR_BAD_DATA);
            assert_non_null(d->reason);
        }
        bool pillow_accepts = json_is_null(parity_get(record, "fails_at"));
        char line[300];
        snprintf(line, sizeof line, "%s: as Pillow judges", name);
        if (!pillow_accepts)
            good &= parity_line(line, d->status == CR_OK, 0);
        else if (d->status == CR_OK)
            good &= same_record(name, record, d);
        else
            good &= parity_line(line, strcmp(d->reason, "wrong checksum") ? 1 : 0, 0);
    }
    clear(d);
    free(d);
    json_decref(root);
    assert_true(good);
}

/* The tensors beside the hashes, so that a difference has a size. */
static void test_pixels(void **state)
{
    (void)state;
    parity_require();
    json_t *root = parity_json("images/images.json"), *tolerances = parity_json("tolerances.json"), *record;
    double allowed = parity_real(tolerances, "images.abs");
    cr_safetensors *tensors = parity_tensors("images/pixels.safetensors");
    char folder[4300];
    snprintf(folder, sizeof folder, "%s/images", parity_dir());
    decoded *d = calloc(1, sizeof *d);
    const char *name;
    bool good = true;
    json_object_foreach(parity_get(root, "files"), name, record)
    {
        static const char *const suffix[] = {[CR_RESIZE_CROP] = "resize256_crop224", [CR_RESIZE_SQUASH] = "resize224"};
        for (int how = CR_RESIZE_CROP; how <= CR_RESIZE_SQUASH; how++) {
            char tensor[CR_TENSOR_NAME_MAX];
            snprintf(tensor, sizeof tensor, "%s.%s", name, suffix[how]);
            if (!cr_safetensors_find(tensors, tensor) || json_object_get(record, "high_byte_instead"))
                continue;
            decode_file(folder, name, false, d);
            assert_int_equal(d->status, CR_OK);
            assert_int_equal(cr_image_resize(&d->image, (cr_resize)how, &d->resizer, d->pixels), CR_OK);
            int64_t n;
            double worst = 0, *expected = parity_doubles(tensors, tensor, &n);
            assert_int_equal(n, CR_IMAGE_BYTES);
            for (int64_t i = 0; i < n; i++) {
                double gap = expected[i] > d->pixels[i] ? expected[i] - d->pixels[i] : d->pixels[i] - expected[i];
                worst = gap > worst ? gap : worst;
            }
            good &= parity_line(tensor, worst, allowed);
            free(expected);
        }
    }
    clear(d);
    free(d);
    cr_safetensors_close(&tensors);
    json_decref(tolerances);
    json_decref(root);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synthetic_files),
        cmocka_unit_test(test_real_files),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
