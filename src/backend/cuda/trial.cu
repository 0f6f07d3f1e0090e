/* Convolutions on trial (cuda_trial.h): numbers to try them on, and plain sums, in double, at some places of their
 * result. Written as a definition reads: nothing here shares a thought with the engines that it judges. */
#include "kernel.h"
#include "kernels.h"
#include "value_element.h"

#include "crisol/philox.h"

enum {
    THREADS = 128 /* of a place */
};

/* A thread four numbers, from -1 to 1: of 24 bits in float32, so that an engine shows that rounds them to fewer. */
CR_GRID_KERNEL(trial_fill, cr_trial_fill_job)
{
    const int64_t i = CR_THREAD_OF_GRID;
    const uint32_t key[2] = {a.key, 0}, counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), 0, 0};
    uint32_t words[4];
    cr_philox_block(key, counter, words);
    for (int k = 0; k < 4; k++)
        if (4 * i + k < a.n)
            cr_one_store(a.to, 4 * i + k, 2 * cr_philox_uniform(words[k]) - 1, a.bf16);
}

void cr_kernel_trial_fill(const cr_trial_fill_job *job, cudaStream_t stream)
{
    CR_LAUNCH(trial_fill, cr_kernel_blocks((job->n + 3) / 4), 1, CR_KERNEL_THREADS, stream, job);
}

/* One number of the result: of a value [n, y, x, c], or of the weights [o, y, x, c]. */
typedef struct place {
    int64_t n, o, y, x, c;
} place;

/* Half of all coordinates lie at an edge or beside it: there, padding and the tails of tiles make the difference. */
CR_KERNEL_PART int64_t draw_coordinate(uint32_t word, int64_t extent)
{
    const int64_t beside = extent > 1 ? 1 : 0;
    switch (word & 7U) {
    case 0:
        return 0;
    case 1:
        return beside;
    case 2:
        return extent - 1 - beside;
    case 3:
        return extent - 1;
    default:
        return (int64_t)(word >> 3) % extent;
    }
}

CR_KERNEL_PART place draw_place(const cr_trial_job *a, int64_t i)
{
    const uint32_t key[2] = {CR_TRIAL_PLACES, 1};
    const uint32_t counters[2][4] = {{(uint32_t)i, 0, 0, 0}, {(uint32_t)i, 1, 0, 0}};
    const cr_conv_shape *s = &a->shape;
    const bool weights = a->pass == CR_CONV_WEIGHTS, data = a->pass == CR_CONV_DATA;
    uint32_t words[4], more[4];
    cr_philox_block(key, counters[0], words);
    cr_philox_block(key, counters[1], more);
    place at;
    at.n = draw_coordinate(words[0], s->n);
    at.o = draw_coordinate(words[1], s->out);
    at.y = draw_coordinate(words[2], weights ? s->kernel : data ? s->height : s->out_height);
    at.x = draw_coordinate(words[3], weights ? s->kernel : data ? s->width : s->out_width);
    at.c = draw_coordinate(more[0], a->pass == CR_CONV_FORWARD ? s->out : s->in);
    return at;
}

CR_KERNEL_PART float number_of_x(const cr_trial_job *a, int64_t n, int64_t y, int64_t x, int64_t c)
{
    const cr_conv_shape *s = &a->shape;
    if (y < 0 || y >= s->height || x < 0 || x >= s->width)
        return 0;
    return cr_one_load(a->x, ((n * s->height + y) * s->width + x) * s->in + c, s->bf16);
}

CR_KERNEL_PART float number_of_w(const cr_trial_job *a, int64_t o, int64_t y, int64_t x, int64_t c)
{
    const cr_conv_shape *s = &a->shape;
    return cr_one_load(a->w, ((o * s->kernel + y) * s->kernel + x) * s->in + c, s->bf16);
}

CR_KERNEL_PART float number_of_y(const cr_trial_job *a, int64_t n, int64_t y, int64_t x, int64_t o)
{
    const cr_conv_shape *s = &a->shape;
    if (y < 0 || y >= s->out_height || x < 0 || x >= s->out_width)
        return 0;
    return cr_one_load(a->y, ((n * s->out_height + y) * s->out_width + x) * s->out + o, s->bf16);
}

/* Of y at (y, x) and filter position (ky, kx): dy where that position saw the input at (at->y, at->x). */
CR_KERNEL_PART float seen_from(const cr_trial_job *a, const place *at, int64_t ky, int64_t kx, int64_t o)
{
    const int64_t top = at->y + a->shape.padding - ky, left = at->x + a->shape.padding - kx, stride = a->shape.stride;
    if (top < 0 || left < 0 || top % stride != 0 || left % stride != 0)
        return 0;
    return number_of_y(a, at->n, top / stride, left / stride, o);
}

/* Term t of the sum that a number of the result is. */
CR_KERNEL_PART double term_of(const cr_trial_job *a, const place *at, int64_t t)
{
    const cr_conv_shape *s = &a->shape;
    if (a->pass == CR_CONV_WEIGHTS) {
        const int64_t x = t % s->out_width, y = t / s->out_width % s->out_height, n = t / s->out_width / s->out_height;
        return (double)number_of_y(a, n, y, x, at->o) *
               (double)number_of_x(a, n, y * s->stride + at->y - s->padding, x * s->stride + at->x - s->padding, at->c);
    }
    const int64_t channels = a->pass == CR_CONV_FORWARD ? s->in : s->out, c = t % channels;
    const int64_t kx = t / channels % s->kernel, ky = t / channels / s->kernel;
    if (a->pass == CR_CONV_DATA)
        return (double)seen_from(a, at, ky, kx, c) * (double)number_of_w(a, c, ky, kx, at->c);
    const int64_t y = at->y * s->stride + ky - s->padding, x = at->x * s->stride + kx - s->padding;
    return (double)number_of_x(a, at->n, y, x, c) * (double)number_of_w(a, at->c, ky, kx, c);
}

CR_KERNEL_PART int64_t n_terms(const cr_trial_job *a)
{
    const cr_conv_shape *s = &a->shape;
    return a->pass == CR_CONV_WEIGHTS ? s->n * s->out_height * s->out_width
                                      : s->kernel * s->kernel * (a->pass == CR_CONV_FORWARD ? s->in : s->out);
}

CR_KERNEL_PART float result_at(const cr_trial_job *a, const place *at)
{
    return a->pass == CR_CONV_WEIGHTS ? number_of_w(a, at->o, at->y, at->x, at->c)
           : a->pass == CR_CONV_DATA  ? number_of_x(a, at->n, at->y, at->x, at->c)
                                      : number_of_y(a, at->n, at->y, at->x, at->c);
}

/* A block a place. */
CR_BLOCK_KERNEL(trial_sums, cr_trial_job)
{
    CR_SHARED double sums[THREADS], squares[THREADS];
    const place at = draw_place(&a, CR_BLOCK);
    const int64_t n = n_terms(&a);
    double sum = 0, square = 0;
    for (int64_t t = CR_THREAD; t < n; t += THREADS) {
        const double term = term_of(&a, &at, t);
        sum += term;
        square += term * term;
    }
    sums[CR_THREAD] = sum;
    squares[CR_THREAD] = square;
    CR_BARRIER();
    for (int width = THREADS / 2; width > 0; width /= 2) {
        if (CR_THREAD < width) {
            sums[CR_THREAD] += sums[CR_THREAD + width];
            squares[CR_THREAD] += squares[CR_THREAD + width];
        }
        CR_BARRIER();
    }
    const cr_trial_found found = {sums[0], squares[0], (double)result_at(&a, &at)};
    if (CR_THREAD == 0)
        a.found[CR_BLOCK] = found;
}

void cr_kernel_trial_sums(const cr_trial_job *job, cudaStream_t stream)
{
    CR_LAUNCH(trial_sums, CR_TRIAL_PLACES, 1, THREADS, stream, job);
}
