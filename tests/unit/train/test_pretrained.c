/* Files of pretrained weights that fit, nearly fit and do not fit. */
#include "pretrained.h"

#include "crisol/log.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct weights { /* a file in the making: torchvision's resnet18, one number a tensor */
    cr_net *net;
    cr_tensor_view *views;
    int64_t n;
    float *state; /* what loading gives */
} weights;

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    cr_log_set_quiet(true);
    snprintf(folder, sizeof folder, "%s/pretrained-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/weights.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static cr_tensor_view *add(weights *w, const char *name, cr_dtype dtype, int rank, const int64_t *shape)
{
    cr_tensor_view *view = &w->views[w->n++];
    *view = (cr_tensor_view){.dtype = dtype, .rank = rank, .bytes = cr_dtype_bytes(dtype)};
    snprintf(view->name, sizeof view->name, "%s", name);
    for (int i = 0; i < rank; i++) {
        view->shape[i] = shape[i];
        view->bytes *= (size_t)shape[i];
    }
    view->data = calloc(1, view->bytes);
    assert_non_null(view->data);
    return view;
}

static cr_tensor_view *find(weights *w, const char *name)
{
    for (int64_t i = 0; i < w->n; i++)
        if (!strcmp(w->views[i].name, name))
            return &w->views[i];
    fail_msg("no %s", name);
    return NULL;
}

/* Another type for a tensor, its bytes 0. */
static void retype(weights *w, const char *name, cr_dtype dtype)
{
    cr_tensor_view *view = find(w, name);
    size_t n = view->bytes / cr_dtype_bytes(view->dtype);
    free((void *)view->data);
    view->dtype = dtype;
    view->bytes = n * cr_dtype_bytes(dtype);
    view->data = calloc(1, view->bytes);
    assert_non_null(view->data);
}

static void start(weights *w, const char *name_prefix)
{
    cr_fusion_params params = {.backbone = "resnet18", .inputs = CR_INPUTS_IMAGE, .image_size = 64, .n_classes = 2};
    assert_int_equal(cr_net_create_fusion(&params, &w->net), CR_OK);
    w->n = 0;
    w->views = calloc(200, sizeof *w->views);
    w->state = calloc((size_t)(w->net->n_params + w->net->n_stats), sizeof *w->state);
    assert_true(w->views && w->state);
    for (int t = 0; t < w->net->n_tensors; t++) {
        const cr_tensor *tensor = &w->net->tensors[t];
        char name[CR_NET_NAME_MAX + 16];
        snprintf(name, sizeof name, "%s%s", name_prefix, cr_pretrained_plain_name(tensor->name));
        if (tensor->is_backbone) {
            float *values = (float *)add(w, name, CR_DTYPE_F32, tensor->rank, tensor->shape)->data;
            for (int64_t i = 0; i < tensor->count; i++)
                values[i] = (float)(t + 1);
        }
    }
}

static cr_status load(weights *w)
{
    char hash[CR_HASH_TEXT];
    assert_int_equal(cr_safetensors_write(path, w->views, w->n, hash), CR_OK);
    return cr_pretrained_load(w->net, path, w->state);
}

static void end(weights *w)
{
    for (int64_t i = 0; i < w->n; i++)
        free((void *)w->views[i].data);
    free(w->views);
    free(w->state);
    cr_net_destroy(&w->net);
}

static float loaded(const weights *w, const char *name)
{
    int t = cr_net_find_tensor(w->net, name);
    assert_true(t >= 0);
    return w->state[w->net->tensors[t].offset + w->net->tensors[t].count - 1];
}

static void expect_all(const weights *w)
{
    for (int t = 0; t < w->net->n_tensors; t++)
        assert_true(loaded(w, w->net->tensors[t].name) == (w->net->tensors[t].is_backbone ? (float)(t + 1) : 0));
}

static void test_torchvision_names(void **state)
{
    (void)state;
    weights w;
    start(&w, "");
    add(&w, "fc.weight", CR_DTYPE_F32, 2, (int64_t[]){1000, 512});
    add(&w, "bn1.num_batches_tracked", CR_DTYPE_I64, 0, NULL);
    add(&w, "stranger", CR_DTYPE_F32, 1, (int64_t[]){3});
    assert_int_equal(load(&w), CR_OK);
    expect_all(&w);
    cr_safetensors *file = NULL;
    cr_pretrained match;
    assert_int_equal(cr_safetensors_open(path, &file), CR_OK);
    assert_int_equal(cr_pretrained_match(w.net, file, &match), CR_OK);
    assert_int_equal(match.n_of[CR_FIT_MATCHED], 100);
    assert_int_equal(match.n_of[CR_FIT_IGNORED], 2);
    assert_int_equal(match.n_of[CR_FIT_UNEXPECTED], 1);
    assert_int_equal(match.n_missing, 0);
    cr_pretrained_destroy(&match);
    cr_safetensors_close(&file);
    end(&w);
}

static void test_exported_names(void **state)
{
    (void)state;
    weights w;
    start(&w, "image.");
    add(&w, "head.0.weight", CR_DTYPE_F32, 2, (int64_t[]){7, 512});
    assert_int_equal(load(&w), CR_OK);
    expect_all(&w);
    end(&w);
}

static void test_other_precisions(void **state)
{
    (void)state;
    weights w;
    start(&w, "");
    /* numbers with every kind of exponent; the bits are those of IEEE 754 and of bfloat16 */
    static const uint16_t half[8] = {0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x83FF, 0x0000, 0x3555};
    static const float of_half[8] = {1, -2, 65504, 0x1p-14F, 0x1p-24F, -0x3FFp-24F, 0, 0x1.554p-2F};
    static const uint16_t brain[4] = {0x3F80, 0xC049, 0x0001, 0x7F7F};
    static const float of_brain[4] = {1, -3.140625F, 0x1p-133F, 0x1.FEp127F};
    retype(&w, "bn1.weight", CR_DTYPE_F16);
    memcpy((void *)find(&w, "bn1.weight")->data, half, sizeof half);
    retype(&w, "bn1.bias", CR_DTYPE_BF16);
    memcpy((void *)find(&w, "bn1.bias")->data, brain, sizeof brain);
    retype(&w, "bn1.running_mean", CR_DTYPE_F64);
    ((double *)find(&w, "bn1.running_mean")->data)[0] = 0.1;
    assert_int_equal(load(&w), CR_OK);
    const float *state_of = w.state;
    int t = cr_net_find_tensor(w.net, "image.bn1.weight");
    assert_memory_equal(state_of + w.net->tensors[t].offset, of_half, sizeof of_half);
    t = cr_net_find_tensor(w.net, "image.bn1.bias");
    assert_memory_equal(state_of + w.net->tensors[t].offset, of_brain, sizeof of_brain);
    t = cr_net_find_tensor(w.net, "image.bn1.running_mean");
    assert_true(state_of[w.net->tensors[t].offset] == 0.1F);
    end(&w);
}

static void expect_refusal(weights *w, cr_status status, const char *text)
{
    assert_int_equal(load(w), status);
    if (!strstr(cr_error_message(), text) || !strstr(cr_error_message(), "model.weights"))
        fail_msg("'%s' is not in: %s", text, cr_error_message());
    end(w);
}

static void test_refusals(void **state)
{
    (void)state;
    weights w;
    start(&w, "");
    snprintf(find(&w, "layer3.1.bn2.bias")->name, CR_TENSOR_NAME_MAX, "layer3.1.bn2.offset");
    expect_refusal(&w, CR_BAD_DATA, "1 missing (layer3.1.bn2.bias)");
    start(&w, "");
    cr_tensor_view *view = find(&w, "layer2.0.downsample.0.weight");
    view->shape[0] = 64;
    view->shape[1] = 128;
    expect_refusal(&w, CR_BAD_DATA, "layer2.0.downsample.0.weight: [64, 128, 1, 1] instead of [128, 64, 1, 1]");
    start(&w, "");
    retype(&w, "conv1.weight", CR_DTYPE_I32);
    expect_refusal(&w, CR_BAD_DATA, "1 not of floating-point numbers (conv1.weight)");
    start(&w, "");
    ((float *)find(&w, "layer4.0.conv2.weight")->data)[17] = NAN;
    expect_refusal(&w, CR_NON_FINITE, "layer4.0.conv2.weight");
    start(&w, "module.");
    expect_refusal(&w, CR_BAD_DATA, "100 missing (conv1.weight, ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_torchvision_names), cmocka_unit_test(test_exported_names),
                                       cmocka_unit_test(test_other_precisions), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("pretrained weights", tests, make_folder, remove_folder);
}
