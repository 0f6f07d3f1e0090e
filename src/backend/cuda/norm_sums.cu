/* Batch norm's sums over all pixels of a channel, first stage: a block sums a chunk of pixels for 64 channels. Threads
 * add at most 32 float32 numbers; all else is double. */
#include "kernels.h"
#include "norm_chunks.h"
#include "norm_element.h"

enum {
    SEGMENTS = CR_KERNEL_THREADS / CR_NORM_WIDTH, /* of a chunk's lanes: a thread adds those of one for a channel */
    ROW = CR_KERNEL_THREADS + 4                   /* four more, so that a warp's channels lie in banks of their own */
};

size_t cr_norm_partials_bytes(int64_t pixels, int64_t channels)
{
    return (size_t)(cr_norm_n_chunks(pixels, channels) * channels) * 2 * sizeof(double);
}

/* A block's pixels, and a thread's share of them: eight channels of each CR_NORM_LANES'th. */
typedef struct share {
    int64_t begin, end;
    int64_t eight, eights; /* the thread's, in all */
    int lane;
} share;

CR_KERNEL_PART share share_of(const cr_norm_job *a)
{
    const int64_t chunk = cr_norm_chunk(a->pixels, a->channels), begin = CR_BLOCK * chunk;
    share s;
    s.begin = begin;
    s.end = begin + chunk < a->pixels ? begin + chunk : a->pixels;
    s.eight = CR_BLOCK_ROW * CR_NORM_GROUPS + CR_THREAD % CR_NORM_GROUPS;
    s.eights = a->channels / CR_EIGHT;
    s.lane = CR_THREAD / CR_NORM_GROUPS;
    return s;
}

/* All threads' sums of two kinds, channel by channel: true for a thread that has a channel's totals. */
CR_KERNEL_PART bool add_lanes(const cr_norm_job *a, const cr_eight *first, const cr_eight *second, int64_t *channel,
                              double totals[2])
{
    CR_SHARED float sums[2][CR_EIGHT][ROW];
    CR_SHARED double parts[2][SEGMENTS][CR_NORM_WIDTH];
    for (int k = 0; k < CR_EIGHT; k++) {
        sums[0][k][CR_THREAD] = first->v[k];
        sums[1][k][CR_THREAD] = second->v[k];
    }
    CR_BARRIER();
    const int column = CR_THREAD % CR_NORM_WIDTH, segment = CR_THREAD / CR_NORM_WIDTH;
    for (int kind = 0; kind < 2; kind++) {
        const float *from = sums[kind][column % CR_EIGHT] + column / CR_EIGHT;
        double sum = 0;
        for (int l = segment * (CR_NORM_LANES / SEGMENTS); l < (segment + 1) * (CR_NORM_LANES / SEGMENTS); l++)
            sum += (double)from[l * CR_NORM_GROUPS];
        parts[kind][segment][column] = sum;
    }
    CR_BARRIER();
    *channel = CR_BLOCK_ROW * CR_NORM_WIDTH + column;
    if (segment > 0 || *channel >= a->channels)
        return false;
    for (int kind = 0; kind < 2; kind++) {
        totals[kind] = 0;
        for (int s = 0; s < SEGMENTS; s++)
            totals[kind] += parts[kind][s][column];
    }
    return true;
}

/* Sums of d = x - origin, the chunk's first pixel, and of d². */
CR_KERNEL_PART void add_values(const cr_norm_job *a, const share *s, bool bf16, cr_eight *sum, cr_eight *square)
{
    enum {
        AHEAD = 4 /* pixels whose loads are under way together */
    };
    const cr_eight origin = cr_eight_load(a->x, s->begin * s->eights + s->eight, bf16);
    for (int64_t p = s->begin + s->lane; p < s->end; p += AHEAD * CR_NORM_LANES) {
        cr_packed x[AHEAD];
        for (int u = 0; u < AHEAD; u++) {
            const int64_t at = p + u * CR_NORM_LANES;
            x[u] = cr_packed_load(a->x, (at < s->end ? at : s->begin) * s->eights + s->eight, bf16); /* or d = 0 */
        }
        for (int u = 0; u < AHEAD; u++) {
            const cr_eight value = cr_packed_numbers(&x[u], bf16);
            for (int k = 0; k < CR_EIGHT; k++) {
                const float d = value.v[k] - origin.v[k];
                sum->v[k] += d;
                square->v[k] += d * d;
            }
        }
    }
}

CR_KERNEL_PART void statistics(const cr_norm_job *a, bool bf16)
{
    const share s = share_of(a);
    cr_eight sum = {{0}}, square = {{0}};
    if (s.eight < s.eights)
        add_values(a, &s, bf16, &sum, &square);
    int64_t channel;
    double totals[2];
    if (!add_lanes(a, &sum, &square, &channel, totals))
        return;
    const double origin = (double)cr_one_load(a->x, s.begin * a->channels + channel, bf16);
    const cr_moments m = cr_moments_of((double)(s.end - s.begin), origin, totals[0], totals[1]);
    double *out = a->partials + (CR_BLOCK * a->channels + channel) * 2;
    out[0] = m.sum;
    out[1] = m.square;
}

CR_BLOCK_KERNEL(statistics_bf16, cr_norm_job)
{
    statistics(&a, true);
}

CR_BLOCK_KERNEL(statistics_f32, cr_norm_job)
{
    statistics(&a, false);
}

/* Sums of dz and of dz·(x - mean). */
CR_KERNEL_PART void add_gradients(const cr_norm_job *a, const share *s, bool bf16, bool two, cr_mask_from mask,
                                  cr_eight *sum, cr_eight *dot)
{
    enum {
        AHEAD = 2
    };
    const cr_eight mean = cr_eight_load(a->arrays.mean, s->eight, false);
    cr_eight scale = {{0}}, shift = {{0}};
    if (mask == CR_MASK_FROM_X) {
        scale = cr_eight_load(a->arrays.scale, s->eight, false);
        shift = cr_eight_load(a->arrays.shift, s->eight, false);
    }
    for (int64_t p = s->begin + s->lane; p < s->end; p += AHEAD * CR_NORM_LANES) {
        cr_packed x[AHEAD], y[AHEAD], g0[AHEAD], g1[AHEAD];
        for (int u = 0; u < AHEAD; u++) {
            const int64_t pixel = p + u * CR_NORM_LANES, at = (pixel < s->end ? pixel : p) * s->eights + s->eight;
            x[u] = cr_packed_load(a->x, at, bf16);
            g0[u] = cr_packed_load(a->g0, at, bf16);
            if (two)
                g1[u] = cr_packed_load(a->g1, at, bf16);
            if (mask == CR_MASK_FROM_Y)
                y[u] = cr_packed_load(a->y, at, bf16);
        }
        for (int u = 0; u < AHEAD; u++) {
            const int64_t pixel = p + u * CR_NORM_LANES;
            if (pixel >= s->end)
                continue;
            const cr_eight value = cr_packed_numbers(&x[u], bf16);
            cr_eight dz = cr_packed_numbers(&g0[u], bf16), more = {{0}}, open = value;
            if (two)
                more = cr_packed_numbers(&g1[u], bf16);
            if (mask == CR_MASK_FROM_Y)
                open = cr_packed_numbers(&y[u], bf16);
            for (int k = 0; k < CR_EIGHT; k++) {
                const float sign =
                    mask == CR_MASK_FROM_X ? cr_norm_z(value.v[k], mean.v[k], scale.v[k], shift.v[k]) : open.v[k];
                if (two)
                    dz.v[k] += more.v[k];
                if (mask != CR_MASK_FROM_NOTHING && !(sign > 0.0F))
                    dz.v[k] = 0.0F;
                sum->v[k] += dz.v[k];
                dot->v[k] += dz.v[k] * (value.v[k] - mean.v[k]);
            }
            if (a->out)
                cr_eight_store(a->out, pixel * s->eights + s->eight, &dz, bf16);
        }
    }
}

CR_KERNEL_PART void add_masked(const cr_norm_job *a, const share *s, bool bf16, bool two, cr_eight *sum, cr_eight *dot)
{
    if (a->mask == CR_MASK_FROM_X)
        add_gradients(a, s, bf16, two, CR_MASK_FROM_X, sum, dot);
    else if (a->mask == CR_MASK_FROM_Y)
        add_gradients(a, s, bf16, two, CR_MASK_FROM_Y, sum, dot);
    else
        add_gradients(a, s, bf16, two, CR_MASK_FROM_NOTHING, sum, dot);
}

CR_KERNEL_PART void backward_sums(const cr_norm_job *a, bool bf16)
{
    const share s = share_of(a);
    cr_eight sum = {{0}}, dot = {{0}};
    if (s.eight < s.eights && a->g1)
        add_masked(a, &s, bf16, true, &sum, &dot);
    else if (s.eight < s.eights)
        add_masked(a, &s, bf16, false, &sum, &dot);
    int64_t channel;
    double totals[2];
    if (!add_lanes(a, &sum, &dot, &channel, totals))
        return;
    double *out = a->partials + (CR_BLOCK * a->channels + channel) * 2;
    out[0] = totals[0];
    out[1] = totals[1];
}

CR_BLOCK_KERNEL(backward_sums_bf16, cr_norm_job)
{
    backward_sums(&a, true);
}

CR_BLOCK_KERNEL(backward_sums_f32, cr_norm_job)
{
    backward_sums(&a, false);
}

void cr_kernel_norm_statistics(const cr_norm_job *job, cudaStream_t stream)
{
    const int64_t n_chunks = cr_norm_n_chunks(job->pixels, job->channels), rows = cr_norm_rows(job->channels);
    if (job->bf16)
        CR_LAUNCH(statistics_bf16, n_chunks, rows, CR_KERNEL_THREADS, stream, job);
    else
        CR_LAUNCH(statistics_f32, n_chunks, rows, CR_KERNEL_THREADS, stream, job);
}

void cr_kernel_norm_backward_sums(const cr_norm_job *job, cudaStream_t stream)
{
    const int64_t n_chunks = cr_norm_n_chunks(job->pixels, job->channels), rows = cr_norm_rows(job->channels);
    if (job->bf16)
        CR_LAUNCH(backward_sums_bf16, n_chunks, rows, CR_KERNEL_THREADS, stream, job);
    else
        CR_LAUNCH(backward_sums_f32, n_chunks, rows, CR_KERNEL_THREADS, stream, job);
}
