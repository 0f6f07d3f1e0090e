/* uint8 images → the network's input in one pass: geometry, colours, normalisation, erasing, mixing, the layout that
 * the first convolution wants. What a sample's pixels share is computed before, by a block a sample. */
#include "augment_sample.h"
#include "kernel.h"
#include "kernels.h"
#include "mix_element.h"
#include "value_element.h"

CR_HD static inline const uint8_t *image_of(const cr_augment_job *job, int64_t n)
{
    return job->images + (job->places ? job->places[n] : n) * job->size * job->size * 3;
}

/* A function, as the job's arrays lie in the kernel's constant memory. */
CR_HD static inline cr_sample sample_of(const cr_augment_job *job, int64_t n, const cr_augment *augment)
{
    cr_sample sample;
    memset(&sample, 0, sizeof sample);
    sample.image = image_of(job, n);
    sample.augment = augment;
    sample.resamples = augment->warps || augment->crop.height > 0;
    sample.mean_grey = 0.0F;
    for (int c = 0; c < 3; c++) {
        sample.mean[c] = job->mean[c];
        sample.deviation[c] = job->deviation[c];
    }
    return sample;
}

/* The sample's frame and, when its contrast changes, the mean grey that it has before that: each thread a share of the
 * pixels, then a tree over the threads. */
CR_BLOCK_KERNEL(plan_sample, cr_augment_job)
{
    CR_SHARED double greys[CR_KERNEL_THREADS];
    CR_SHARED cr_frame frame;
    const cr_augment *augment = &a.augments[CR_BLOCK];
    cr_sample sample = sample_of(&a, CR_BLOCK, augment);
    if (CR_THREAD == 0 && sample.resamples)
        frame = cr_frame_make(augment, a.size);
    CR_BARRIER();
    if (sample.resamples)
        sample.frame = frame;
    int contrast = cr_sample_contrast(augment);
    double grey = 0;
    if (contrast < augment->n_jitters)
        for (int64_t i = CR_THREAD; i < a.size * a.size; i += CR_KERNEL_THREADS) {
            cr_pixel p = cr_sample_colour(&sample, a.size, i / a.size, i % a.size);
            grey += (double)cr_pixel_grey(cr_sample_jitter(&sample, 0, contrast, p));
        }
    greys[CR_THREAD] = grey;
    CR_BARRIER();
    for (int width = CR_KERNEL_THREADS / 2; width > 0; width /= 2) {
        if (CR_THREAD < width)
            greys[CR_THREAD] += greys[CR_THREAD + width];
        CR_BARRIER();
    }
    if (CR_THREAD == 0) {
        cr_sample_plan *plan = &a.plans[CR_BLOCK];
        if (sample.resamples)
            plan->frame = frame;
        plan->resamples = sample.resamples;
        plan->mean_grey = (float)(greys[0] / ((double)a.size * (double)a.size));
    }
}

CR_HD static inline void pixel_of(const cr_augment_job *job, int64_t n, int64_t y, int64_t x, float out[3])
{
    if (job->augments) {
        cr_sample sample = sample_of(job, n, &job->augments[n]);
        if (sample.resamples)
            sample.frame = job->plans[n].frame;
        sample.mean_grey = job->plans[n].mean_grey;
        cr_sample_pixel(&sample, job->size, y, x, out);
        return;
    }
    const uint8_t *from = image_of(job, n) + (y * job->size + x) * 3;
    for (int c = 0; c < 3; c++)
        out[c] = ((float)from[c] / 255.0F - job->mean[c]) / job->deviation[c];
}

CR_HD static inline void mixed_pixel_of(const cr_augment_job *job, int64_t n, int64_t y, int64_t x, float out[3])
{
    pixel_of(job, n, y, x, out);
    if (!job->mixes)
        return;
    const cr_mix *mix = &job->mixes[n];
    float partner[3];
    pixel_of(job, mix->partner, y, x, partner);
    for (int c = 0; c < 3; c++)
        out[c] = cr_mix_pixel(mix, y, x, out[c], partner[c]);
}

CR_HD static inline int64_t side_of(const cr_augment_job *job)
{
    return job->before + job->size / 2 + job->behind;
}

/* A thread makes eight numbers: a pixel, or two neighbours of a block. */
CR_HD static inline int64_t eights_of(const cr_augment_job *job)
{
    return job->blocks ? side_of(job) * side_of(job) * 2 : job->size * job->size;
}

CR_GRID_KERNEL(make_pixels, cr_augment_job)
{
    const int64_t i = CR_BLOCK_ROW * CR_THREADS + CR_THREAD, n = CR_BLOCK;
    if (i >= eights_of(&a))
        return;
    const int at = (int)i, size = (int)a.size;
    cr_eight out = {{0}};
    if (a.blocks) {
        const int side = (int)side_of(&a), before = (int)a.before;
        const int y = (at / 2 / side - before) * 2 + at % 2, x = (at / 2 % side - before) * 2;
        if (y >= 0 && y < size && x >= 0 && x < size)
            for (int p = 0; p < 2; p++)
                mixed_pixel_of(&a, n, y, x + p, out.v + p * CR_BLOCK_PIXEL);
    } else {
        mixed_pixel_of(&a, n, at / size, at % size, out.v);
    }
    cr_eight_store(a.out, n * eights_of(&a) + i, &out, a.bf16);
}

void cr_kernel_augment(const cr_augment_job *job, cudaStream_t stream)
{
    if (job->augments)
        CR_LAUNCH(plan_sample, job->n, 1, CR_KERNEL_THREADS, stream, job);
    CR_LAUNCH(make_pixels, job->n, cr_kernel_blocks(eights_of(job)), CR_KERNEL_THREADS, stream, job);
}

CR_GRID_KERNEL(mix_metadata, cr_metadata_job)
{
    int64_t i = CR_THREAD_OF_GRID;
    if (i >= a.n * a.width)
        return;
    int64_t n = i / a.width, k = i % a.width;
    a.out[i] = a.mixes ? cr_mix_number(a.mixes[n].share, a.metadata[i], a.metadata[a.mixes[n].partner * a.width + k])
                       : a.metadata[i];
}

void cr_kernel_metadata(const cr_metadata_job *job, cudaStream_t stream)
{
    CR_LAUNCH(mix_metadata, cr_kernel_blocks(job->n * job->width), 1, CR_KERNEL_THREADS, stream, job);
}
