/* Kernels over values and weights against plain loops: means, layouts of weights, dense products. Shapes take every way
 * through them: padded channels, kernels of usual sizes, others, and those too large for a tile. */
#include "cuda_stem.h"
#include "cuda_values.h"
#include "kernels.h"
#include "parity.h"

static void test_average(void **state)
{
    (void)state;
    enum {
        SAMPLES = 3,
        AREA = 37,
        CHANNELS = 21,
        PADDED = 24
    };
    float got[SAMPLES * CHANNELS] = {0};
    for (int bf16 = 0; bf16 < 2; bf16++) {
        void *x = make_values(SAMPLES * AREA * PADDED, bf16, false, 4);
        cr_average_job job = {.x = to_device(x, bytes_of(SAMPLES * AREA * PADDED, bf16)),
                              .out = to_device(got, sizeof got),
                              .n = SAMPLES,
                              .area = AREA,
                              .channels = PADDED,
                              .n_channels = CHANNELS,
                              .bf16 = bf16};
        cr_kernel_average_pool_forward(&job, cuda_case_stream());
        from_device(job.out, got, sizeof got);
        cudaFree((void *)job.x);
        for (int i = 0; i < SAMPLES * CHANNELS; i++) {
            double sum = 0;
            for (int p = 0; p < AREA; p++)
                sum += (double)cr_one_load(x, (i / CHANNELS * AREA + p) * PADDED + i % CHANNELS, bf16);
            assert_true(got[i] == (float)(sum / AREA));
        }
        free(x);
    }
}

/* ---- weights ---- */

typedef struct weights_case {
    int64_t out, in, area;
} weights_case;

static cr_weights_job weights_of(weights_case c, bool bf16)
{
    return (cr_weights_job){.out = c.out,
                            .in = c.in,
                            .out_padded = (c.out + 7) / 8 * 8,
                            .in_padded = (c.in + 7) / 8 * 8,
                            .area = c.area,
                            .bf16 = bf16};
}

/* The convolutions' numbers are as the state's, padding is 0; back again, the state's are those rounded. */
static void compare_weights(const cr_weights_job *job, const float *state)
{
    const int64_t n = job->out_padded * job->area * job->in_padded, n_state = job->out * job->in * job->area;
    void *packed = make_values(n, job->bf16, false, 1);
    float *back = random_floats(n_state, 2);
    cr_weights_job unpack = *job;
    unpack.state = to_device(back, (size_t)n_state * sizeof *back);
    cr_kernel_weights_unpack(&unpack, cuda_case_stream());
    from_device(job->packed, packed, bytes_of(n, job->bf16));
    from_device(unpack.state, back, (size_t)n_state * sizeof *back);
    for (int64_t i = 0; i < n; i++) {
        int64_t in = i % job->in_padded, s = i / job->in_padded % job->area, out = i / job->in_padded / job->area;
        bool real = in < job->in && out < job->out;
        int64_t from = (out * job->in + in) * job->area + s;
        float want = real ? state[from] : 0, got = cr_one_load(packed, i, job->bf16);
        cr_one_store(&want, 0, want, job->bf16);
        want = cr_one_load(&want, 0, job->bf16);
        if (got != want || (real && back[from] != want))
            fail_msg("weight %lld of [%lld, %lld, %lld] is %g", (long long)i, (long long)job->out, (long long)job->in,
                     (long long)job->area, (double)got);
    }
    free(packed);
    free(back);
}

/* More layers than a launch takes, of every kind. */
static void test_weights(void **state)
{
    (void)state;
    const weights_case cases[] = {{64, 3, 49}, {64, 64, 9},  {40, 24, 9}, {128, 64, 1}, {5, 8, 1},
                                  {17, 19, 9}, {9, 16, 256}, {3, 5, 289}, {6, 7, 25},   {2, 256, 9}};
    enum {
        LAYERS = 70
    };
    cr_weights_job jobs[LAYERS];
    float *states[LAYERS];
    for (int l = 0; l < LAYERS; l++) {
        jobs[l] = weights_of(cases[l % 10], l / 10 % 2);
        int64_t n = jobs[l].out * jobs[l].in * jobs[l].area;
        int64_t n_packed = jobs[l].out_padded * jobs[l].area * jobs[l].in_padded;
        states[l] = random_floats(n, (uint64_t)l);
        void *packed = make_values(n_packed, jobs[l].bf16, false, 7);
        jobs[l].state = to_device(states[l], (size_t)n * sizeof **states);
        jobs[l].packed = to_device(packed, bytes_of(n_packed, jobs[l].bf16));
        free(packed);
    }
    cr_kernel_weights_pack(jobs, LAYERS, cuda_case_stream());
    for (int l = 0; l < LAYERS; l++) {
        compare_weights(&jobs[l], states[l]);
        cudaFree(jobs[l].state);
        free(states[l]);
    }
}

/* A filter position's number of a stem, and where it lies over blocks by the definition in cuda_stem.h. */
static int64_t stem_place(const cr_stem_job *job, int64_t out, int64_t c, int64_t ky, int64_t kx)
{
    double before = ceil((double)job->padding / 2); /* the first output's first block */
    int64_t at[2] = {ky - job->padding, kx - job->padding}, block[2], of_two[2];
    for (int i = 0; i < 2; i++) {
        block[i] = (int64_t)(floor((double)at[i] / 2) + before);
        of_two[i] = (at[i] + 2 * job->padding) % 2;
    }
    return (((out * job->wide + block[0]) * job->wide + block[1]) * 4 + of_two[0] * 2 + of_two[1]) * CR_BLOCK_PIXEL + c;
}

static void judge_stem(int64_t kernel, int64_t padding, bool bf16)
{
    enum {
        OUT = 5,
        PADDED = 8,
        IN = 3
    };
    const int64_t wide = (padding + 1) / 2 + (kernel - 1 - padding) / 2 + 1;
    cr_stem_job job = {
        .out = OUT, .in = IN, .out_padded = PADDED, .kernel = kernel, .padding = padding, .wide = wide, .bf16 = bf16};
    int64_t n = OUT * IN * kernel * kernel, n_packed = PADDED * job.wide * job.wide * CR_BLOCK_CHANNELS, n_found = 0;
    float *state = random_floats(n, 1), *back = random_floats(n, 2);
    void *packed = make_values(n_packed, bf16, false, 3);
    job.state = to_device(state, (size_t)n * 4);
    job.packed = to_device(packed, bytes_of(n_packed, bf16));
    cr_kernel_stem_pack(&job, cuda_case_stream());
    from_device(job.packed, packed, bytes_of(n_packed, bf16));
    job.packed = to_device(packed, bytes_of(n_packed, bf16));
    cudaFree(job.state);
    job.state = to_device(back, (size_t)n * 4);
    cr_kernel_stem_unpack(&job, cuda_case_stream());
    from_device(job.state, back, (size_t)n * 4);
    cudaFree(job.packed);
    for (int64_t i = 0; i < n; i++) {
        float want = state[i];
        cr_one_store(&want, 0, want, bf16);
        want = cr_one_load(&want, 0, bf16);
        int64_t at =
            stem_place(&job, i / kernel / kernel / IN, i / kernel / kernel % IN, i / kernel % kernel, i % kernel);
        assert_true(at < n_packed && cr_one_load(packed, at, bf16) == want && back[i] == want);
    }
    for (int64_t i = 0; i < n_packed; i++)
        n_found += cr_one_load(packed, i, bf16) != 0;
    assert_int_equal(n_found, n); /* all else is padding */
    free(state);
    free(back);
    free(packed);
}

/* ResNet's is 4 x 4 over blocks, with two of zeros before and one behind. */
static void test_stem_found(void **state)
{
    (void)state;
    cr_fusion_params params = {.backbone = "resnet18", .inputs = CR_INPUTS_IMAGE, .image_size = 224, .n_classes = 2};
    cr_conv_shape shape = {.height = 224, .width = 224};
    cr_stem stem;
    for (int size = 224; size > 222; size--) { /* an odd one has none */
        cr_net *net = NULL;
        params.image_size = size;
        assert_int_equal(cr_net_create_fusion(&params, &net), CR_OK);
        assert_int_equal(cr_stem_find(net, &stem), size == 224);
        if (size == 224)
            cr_stem_shape(&stem, &shape);
        cr_net_destroy(&net);
    }
    assert_true(shape.in == 16 && shape.height == 115 && shape.width == 115 && shape.kernel == 4 && shape.stride == 1);
}

static void test_stem(void **state)
{
    (void)state;
    const int64_t cases[][2] = {{7, 3}, {3, 1}, {5, 2}, {2, 1}, {4, 1}, {1, 0}, {8, 3}, {6, 2}, {3, 0}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++)
        judge_stem(cases[i / 2][0], cases[i / 2][1], i % 2);
}

/* ---- dense layers ---- */

static void judge_product(int64_t m, int64_t n, int64_t k, int kind)
{
    const bool biased = kind == 1, a_transposed = kind == 2;
    float *a = random_floats(m * k, 1), *b = random_floats(k * n, 2), *bias = random_floats(n, 3);
    float *c = random_floats(m * n, 4);
    cr_product_job job = {.a = to_device(a, (size_t)(m * k) * 4),
                          .b = to_device(b, (size_t)(k * n) * 4),
                          .bias = biased ? to_device(bias, (size_t)n * 4) : NULL,
                          .c = to_device(c, (size_t)(m * n) * 4),
                          .m = m,
                          .n = n,
                          .k = k,
                          .a_transposed = a_transposed,
                          .b_transposed = biased,
                          .relu = biased};
    cr_kernel_product(&job, cuda_case_stream());
    from_device(job.c, c, (size_t)(m * n) * 4);
    cudaFree((void *)job.a);
    cudaFree((void *)job.b);
    cudaFree((void *)job.bias);
    double worst = 0;
    for (int64_t i = 0; i < m * n; i++) {
        int64_t row = i / n, column = i % n;
        double want = biased ? (double)bias[column] : 0, size = 1;
        for (int64_t l = 0; l < k; l++) {
            double product = (double)a[a_transposed ? l * m + row : row * k + l] *
                             (double)b[biased ? column * k + l : l * n + column];
            want += product;
            size += fabs(product);
        }
        worst = fmax(worst, fabs((biased ? fmax(want, 0) : want) - (double)c[i]) / size);
    }
    free(a);
    free(b);
    free(bias);
    free(c);
    assert_true(parity_line("a product", worst, 6e-8)); /* one rounding to float32 */
}

static void test_product(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        judge_product(1, 1, 1, kind);
        judge_product(19, 10, 37, kind);
        judge_product(8, 16, 128, kind);
        judge_product(13, 9, 300, kind);
    }
}

/* Sums of columns where y is above 0, and without y; more rows than a block's lanes. */
static void test_bias(void **state)
{
    (void)state;
    enum {
        ROWS = 75,
        WIDTH = 13
    };
    float *y = random_floats(ROWS * WIDTH, 1), *dy = random_floats(ROWS * WIDTH, 2), got[ROWS * WIDTH], sums[WIDTH];
    for (int kind = 0; kind < 3; kind++) {
        cr_dense_mask_job job = {.y = kind ? to_device(y, sizeof got) : NULL,
                                 .dy = to_device(dy, sizeof got),
                                 .d_bias = kind < 2 ? to_device(y, sizeof sums) : NULL,
                                 .n = ROWS,
                                 .width = WIDTH};
        cr_kernel_dense_mask(&job, cuda_case_stream());
        from_device(job.dy, got, sizeof got);
        if (job.d_bias)
            from_device(job.d_bias, sums, sizeof sums);
        cudaFree((void *)job.y);
        for (int c = 0; c < WIDTH; c++) {
            double sum = 0;
            for (int i = c; i < ROWS * WIDTH; i += WIDTH) {
                float want = kind == 0 || y[i] > 0 ? dy[i] : 0;
                assert_true(got[i] == want);
                sum += (double)want;
            }
            assert_true(kind == 2 || fabs((double)sums[c] - sum) < 1e-5);
        }
    }
    free(y);
    free(dy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_average), cmocka_unit_test(test_weights),
                                       cmocka_unit_test(test_stem),    cmocka_unit_test(test_stem_found),
                                       cmocka_unit_test(test_product), cmocka_unit_test(test_bias)};
    int opened = cuda_case_open();
    if (opened != 0)
        return opened;
    int failed = cmocka_run_group_tests_name("values and weights", tests, NULL, NULL);
    cr_backend_close(&backend);
    return failed;
}
