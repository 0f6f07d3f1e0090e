#include "winograd.h"

#include "winograd_inner.h"

#include <string.h>

/* Blocks of one pass. A *panel* holds, for 64 channels, the transformed tiles of one block: [point][tile][64]. */
typedef struct blocking {
    const cr_wino_kernels *kernels;
    int64_t value_bytes;
    cr_wino_plane in, out;         /* the source's and the result's */
    int64_t n_tiles;               /* of the whole micro-batch */
    int64_t block;                 /* tiles of one block */
    int64_t point_stride;          /* floats between the points of a panel */
    int64_t panel;                 /* floats of a panel */
    int64_t in_blocks, out_blocks; /* of 64 channels */
    int64_t in_channels, out_channels;
} blocking;

enum {
    MATRICES = CR_WINO_POINTS * CR_WINO_MATRIX /* floats of one block of transformed weights */
};

bool cr_winograd_supports(const cr_convolution_spec *spec)
{
    return spec->kernel == 3 && spec->stride == 1 && spec->padding == 1 && spec->src.format != CR_FORMAT_PLAIN &&
           spec->src.shape.channels % CR_WINO_CHANNELS == 0 && spec->dst.shape.channels % CR_WINO_CHANNELS == 0 &&
           cr_engine_isa() >= CR_ISA_AVX2;
}

static int64_t wider_channels(const cr_convolution_spec *spec)
{
    int64_t in = spec->src.shape.channels, out = spec->dst.shape.channels;
    return in > out ? in : out;
}

static int64_t tiles_across(int64_t pixels)
{
    return (pixels + CR_WINO_TILE - 1) / CR_WINO_TILE;
}

static int64_t tiles_of(const cr_place *place)
{
    return place->n * tiles_across(place->shape.height) * tiles_across(place->shape.width);
}

/* Of bf16's direct kernels on Zen 4, whose multiplications are twice as fast as float32's, Winograd takes this part of
 * the time, at 8 images (4, 16 and 1 give the rest of the rule):
 *
 *     channels, side       64, 56   128, 28   256, 14   512, 7
 *     forward               0.72     0.73      0.99      1.21
 *     gradient of source    0.69     0.72      0.89      0.86
 *     of weights            0.75     0.71      0.93      0.82
 *
 * Many channels come with few tiles to share the transformed weights: beyond 128 channels, 16 tiles gain nothing on the
 * whole, and with 32 backward gains. AMX multiplies several times as fast again. */
bool cr_winograd_pays(const cr_convolution_spec *spec, cr_isa isa)
{
    if (!spec->src.bf16)
        return true;
    bool backward = spec->pass == CR_PASS_DATA || spec->pass == CR_PASS_WEIGHTS;
    return isa < CR_ISA_AMX && (wider_channels(spec) <= 128 || (backward && tiles_of(&spec->src) >= 32));
}

static const cr_wino_kernels *kernels_here(void)
{
    return cr_engine_isa() >= CR_ISA_AVX512 ? &cr_wino_kernels_avx512 : &cr_wino_kernels_avx2;
}

const char *cr_winograd_name(void)
{
    return kernels_here()->name;
}

/* Tiles of a block, as measured: few where one block of channels is
 * all there is, so that everything stays in the cache; more where weights are transformed again for every block. */
static int64_t tiles_of_block(const cr_convolution_spec *spec, int64_t n_tiles)
{
    int64_t wider = wider_channels(spec);
    int64_t most = wider <= CR_WINO_CHANNELS ? 28 : 64;
    if (spec->pass == CR_PASS_WEIGHTS && wider > 2 * CR_WINO_CHANNELS)
        most = 128;
    int64_t n_blocks = (n_tiles + most - 1) / most;
    return (n_tiles + n_blocks - 1) / n_blocks;
}

static cr_wino_plane plane_of(const cr_place *place)
{
    return (cr_wino_plane){.height = place->shape.height,
                           .width = place->shape.width,
                           .tiles_y = tiles_across(place->shape.height),
                           .tiles_x = tiles_across(place->shape.width),
                           .pixel_stride = place->format == CR_FORMAT_BLOCKED ? CR_LANES : place->shape.channels,
                           .bf16 = place->bf16};
}

static blocking blocking_of(const cr_convolution_spec *spec)
{
    blocking b = {.kernels = kernels_here(), .in_channels = spec->src.shape.channels};
    b.value_bytes = spec->src.bf16 ? sizeof(uint16_t) : sizeof(float);
    b.out_channels = spec->dst.shape.channels;
    b.in = plane_of(&spec->src);
    b.out = plane_of(&spec->dst);
    b.n_tiles = tiles_of(&spec->src);
    b.block = tiles_of_block(spec, b.n_tiles);
    b.point_stride = b.block * CR_WINO_CHANNELS + CR_LANES;
    b.panel = CR_WINO_POINTS * b.point_stride;
    b.in_blocks = b.in_channels / CR_WINO_CHANNELS;
    b.out_blocks = b.out_channels / CR_WINO_CHANNELS;
    return b;
}

size_t cr_winograd_scratch_bytes(const cr_convolution_spec *spec)
{
    blocking b = blocking_of(spec);
    int64_t panels, matrices = 1;
    if (spec->pass == CR_PASS_WEIGHTS) { /* both sources, and sums that outlive a block of tiles */
        panels = b.in_blocks + b.out_blocks;
        matrices = b.block < b.n_tiles ? b.in_blocks * b.out_blocks : 1;
    } else { /* the source, and the sums of 64 channels */
        panels = (spec->pass == CR_PASS_DATA ? b.out_blocks : b.in_blocks) + 1;
    }
    return (size_t)(panels * b.panel + matrices * MATRICES) * sizeof(float);
}

/* Where tile `t` of the micro-batch lies. */
typedef struct tile_place {
    int64_t image, y, x;
} tile_place;

static tile_place place_of(const blocking *b, int64_t t)
{
    int64_t per_image = b->in.tiles_y * b->in.tiles_x, rest = t % per_image;
    return (tile_place){t / per_image, rest / b->in.tiles_x, rest % b->in.tiles_x};
}

/* The first pixel of 16 channels of one image. */
static int64_t plane_offset(const cr_wino_plane *plane, int64_t image, int64_t channels, int64_t channel)
{
    int64_t pixels = plane->height * plane->width;
    bool blocked = plane->pixel_stride == CR_LANES; /* then these channels are a plane of their own */
    return blocked ? (image * channels + channel) * pixels : image * channels * pixels + channel;
}

typedef void tile_transform(const cr_wino_plane *plane, int64_t ty, int64_t tx, const void *x, float *v,
                            int64_t point_stride);

/* Panels of all channels of `x` for n tiles from `first` on. */
static void transform_tiles(const blocking *b, int64_t first, int64_t n, tile_transform *transform,
                            const cr_wino_plane *plane, const char *x, int64_t channels, float *panels)
{
#pragma omp parallel for
    for (int64_t t = 0; t < n; t++) {
        tile_place at = place_of(b, first + t);
        for (int64_t channel = 0; channel < channels; channel += CR_LANES)
            transform(plane, at.y, at.x, x + plane_offset(plane, at.image, channels, channel) * b->value_bytes,
                      panels + channel / CR_WINO_CHANNELS * b->panel + t * CR_WINO_CHANNELS +
                          channel % CR_WINO_CHANNELS,
                      b->point_stride);
    }
}

/* Floats of a 16×16 block of native weights, and from one such row of output channels to the next. */
enum {
    WEIGHT_BLOCK = 9 * CR_LANES * CR_LANES,
    PARTS = CR_WINO_CHANNELS / CR_LANES
};

static int64_t weights_stride(const blocking *b)
{
    return b->in_channels / CR_LANES * WEIGHT_BLOCK;
}

/* Native weights from input block i and output block o on. */
static float *weights_block(const blocking *b, float *weights, int64_t i, int64_t o)
{
    return weights + o * PARTS * weights_stride(b) + i * PARTS * WEIGHT_BLOCK;
}

static void transform_weights(const blocking *b, bool data, float *weights, int64_t source, int64_t target, float *u)
{
    if (data)
        b->kernels->weights_data(weights_block(b, weights, target, source), weights_stride(b), u);
    else
        b->kernels->weights_forward(weights_block(b, weights, source, target), weights_stride(b), u);
}

/* The sums of 64 target channels for n tiles, back to pixels. */
static void finish_tiles(const blocking *b, int64_t first, int64_t n, const float *sums, int64_t target,
                         const cr_winograd_arrays *arrays, bool forward, bool relu)
{
    const cr_wino_plane *plane = forward ? &b->out : &b->in;
    int64_t channels = forward ? b->out_channels : b->in_channels;
#pragma omp parallel for
    for (int64_t t = 0; t < n; t++) {
        tile_place at = place_of(b, first + t);
        for (int64_t part = 0; part < CR_WINO_CHANNELS; part += CR_LANES) {
            int64_t channel = target * CR_WINO_CHANNELS + part;
            int64_t offset = plane_offset(plane, at.image, channels, channel) * b->value_bytes;
            cr_wino_after after = {.relu = forward && relu};
            if (forward && arrays->bias)
                after.bias = arrays->bias + channel;
            if (forward && arrays->residual)
                after.residual = (const char *)arrays->residual + offset;
            b->kernels->output(plane, at.y, at.x, sums + t * CR_WINO_CHANNELS + part, b->point_stride, &after,
                               (char *)(forward ? arrays->dst : arrays->src) + offset);
        }
    }
}

/* Forward, and backward to the source, which is forward with weights turned by 180° and channels exchanged. */
static void run_tiles(const cr_convolution_spec *spec, const cr_winograd_arrays *arrays)
{
    blocking b = blocking_of(spec);
    bool data = spec->pass == CR_PASS_DATA;
    int64_t sources = data ? b.out_blocks : b.in_blocks, targets = data ? b.in_blocks : b.out_blocks;
    float *panels = arrays->scratch, *sums = panels + sources * b.panel, *u = sums + b.panel;
    for (int64_t first = 0; first < b.n_tiles; first += b.block) {
        int64_t n = b.n_tiles - first < b.block ? b.n_tiles - first : b.block;
        transform_tiles(&b, first, n, b.kernels->input, data ? &b.out : &b.in, data ? arrays->dst : arrays->src,
                        sources * CR_WINO_CHANNELS, panels);
        for (int64_t target = 0; target < targets; target++) {
            for (int64_t source = 0; source < sources; source++) {
                if (first == 0 || sources * targets > 1) /* otherwise they are still there */
                    transform_weights(&b, data, arrays->weights, source, target, u);
#pragma omp parallel for
                for (int64_t point = 0; point < CR_WINO_POINTS; point++)
                    b.kernels->product(n, CR_WINO_CHANNELS, panels + source * b.panel + point * b.point_stride, false,
                                       u + point * CR_WINO_MATRIX, sums + point * b.point_stride, source > 0);
            }
            finish_tiles(&b, first, n, sums, target, arrays, !data, spec->relu);
        }
    }
}

static void run_weights(const cr_convolution_spec *spec, const cr_winograd_arrays *arrays)
{
    blocking b = blocking_of(spec);
    float *in_panels = arrays->scratch, *out_panels = in_panels + b.in_blocks * b.panel;
    float *matrices = out_panels + b.out_blocks * b.panel;
    bool keep = b.block < b.n_tiles;
    for (int64_t first = 0; first < b.n_tiles; first += b.block) {
        int64_t n = b.n_tiles - first < b.block ? b.n_tiles - first : b.block;
        transform_tiles(&b, first, n, b.kernels->input, &b.in, arrays->src, b.in_channels, in_panels);
        transform_tiles(&b, first, n, b.kernels->gradient, &b.out, arrays->dst, b.out_channels, out_panels);
        for (int64_t pair = 0; pair < b.in_blocks * b.out_blocks; pair++) {
            int64_t i = pair % b.in_blocks, o = pair / b.in_blocks;
            float *u = matrices + (keep ? pair * MATRICES : 0);
#pragma omp parallel for
            for (int64_t point = 0; point < CR_WINO_POINTS; point++)
                b.kernels->product(CR_WINO_CHANNELS, n, in_panels + i * b.panel + point * b.point_stride, true,
                                   out_panels + o * b.panel + point * b.point_stride, u + point * CR_WINO_MATRIX,
                                   first > 0);
            if (first + n == b.n_tiles)
                b.kernels->weights_gradient(u, weights_block(&b, arrays->weights, i, o), weights_stride(&b));
        }
    }
}

void cr_winograd_run(const cr_convolution_spec *spec, const cr_winograd_arrays *arrays)
{
    if (spec->pass == CR_PASS_WEIGHTS)
        run_weights(spec, arrays);
    else
        run_tiles(spec, arrays);
}
