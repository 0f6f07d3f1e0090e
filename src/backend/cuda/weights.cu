/* Weights between the state's layout, [out][in][area], and the convolutions', [out][area][in]. A block turns a tile of
 * them over in shared memory, so that both sides are read and written by neighbours: a thread has eight of the state's
 * numbers, apart from each other, and eight neighbours of the convolutions'. */
#include "kernel.h"
#include "kernels.h"
#include "value_element.h"

enum {
    TILE = CR_KERNEL_THREADS * CR_EIGHT, /* numbers at most */
    MAX_AREA = TILE / CR_EIGHT,          /* of which eight inputs fit; a larger kernel is read and written singly */
    GAP = 4,                             /* of a tile's rows, against bank conflicts */
    AT_ONCE = 64                         /* layers of one launch, whose arguments a GPU takes: 4,096 bytes */
};

typedef struct weights_args {
    float *state;
    void *packed;
    int64_t pairs; /* of an output and an input, as padded: what is tiled */
    int out, in, in_padded, area;
    int tile_pairs;
    bool bf16;
    int64_t end; /* of its blocks in the launch */
} weights_args;

typedef struct pack_args {
    int n;
    weights_args layers[AT_ONCE];
} pack_args;

static weights_args args_of(const cr_weights_job *job, int64_t first_block)
{
    weights_args args = {.state = job->state,
                         .packed = job->packed,
                         .pairs = job->out_padded * job->in_padded,
                         .out = (int)job->out,
                         .in = (int)job->in,
                         .in_padded = (int)job->in_padded,
                         .area = (int)job->area,
                         .tile_pairs = CR_EIGHT,
                         .bf16 = job->bf16};
    if (job->area <= MAX_AREA)
        args.tile_pairs = (int)(TILE / job->area / CR_EIGHT * CR_EIGHT);
    args.end = first_block + (args.pairs + args.tile_pairs - 1) / args.tile_pairs;
    return args;
}

/* Where pair `q`'s number `s` lies in the state; negative: it is padding. */
CR_KERNEL_PART int64_t state_place(const weights_args *a, int64_t q, int s)
{
    const uint32_t out = (uint32_t)q / (uint32_t)a->in_padded, in = (uint32_t)q % (uint32_t)a->in_padded;
    if (q >= a->pairs || (int)out >= a->out || (int)in >= a->in)
        return -1;
    return ((int64_t)out * a->in + in) * a->area + s;
}

/* The eight inputs from pair `q` on, at place s. */
CR_KERNEL_PART int64_t packed_place(const weights_args *a, int64_t q, int s)
{
    const uint32_t out = (uint32_t)q / (uint32_t)a->in_padded, in = (uint32_t)q % (uint32_t)a->in_padded;
    return (((int64_t)out * a->area + s) * a->in_padded + in) / CR_EIGHT;
}

/* As state_place(), of a tile's number `i` in the state's order; `full`: no input is padding, and they are neighbours.
 */
CR_KERNEL_PART int64_t tile_place(const weights_args *a, int64_t first, int i, int area, bool full)
{
    const int64_t at = first * area + i;
    if (full)
        return at < (int64_t)a->out * a->in * area ? at : -1;
    return state_place(a, first + i / area, i % area);
}

/* Of a tile: pairs, and a row's length in shared memory, where a row is a place of the kernel. */
typedef struct tile_shape {
    int64_t first; /* pair */
    int pairs, row;
} tile_shape;

CR_KERNEL_PART tile_shape tile_of(const weights_args *a, int64_t block)
{
    const int64_t first = block * a->tile_pairs;
    const tile_shape tile = {first, (int)(a->pairs - first < a->tile_pairs ? a->pairs - first : a->tile_pairs),
                             a->tile_pairs + GAP};
    return tile;
}

CR_KERNEL_PART void pack_tile(const weights_args *a, int64_t block, int area, bool full)
{
    CR_SHARED cr_words words[(TILE + GAP * MAX_AREA) / 4];
    float *shared = (float *)words;
    const tile_shape tile = tile_of(a, block);
    float x[CR_EIGHT];
    for (int u = 0; u < CR_EIGHT; u++) {
        const int i = u * CR_KERNEL_THREADS + CR_THREAD;
        const int64_t from = i < tile.pairs * area ? tile_place(a, tile.first, i, area, full) : -1;
        x[u] = from < 0 ? 0.0F : a->state[from];
    }
    for (int u = 0; u < CR_EIGHT; u++) {
        const int i = u * CR_KERNEL_THREADS + CR_THREAD;
        if (i < tile.pairs * area)
            shared[i % area * tile.row + i / area] = x[u];
    }
    CR_BARRIER();
    const int eights = tile.pairs / CR_EIGHT, s = CR_THREAD / eights, eight = CR_THREAD % eights;
    if (s >= area)
        return;
    const cr_eight out = cr_eight_load(shared + s * tile.row, eight, false);
    cr_eight_store(a->packed, packed_place(a, tile.first + eight * CR_EIGHT, s), &out, a->bf16);
}

CR_KERNEL_PART void pack_singly(const weights_args *a, int64_t block)
{
    for (int i = CR_THREAD; i < a->area * CR_EIGHT; i += CR_KERNEL_THREADS) {
        const int64_t q = block * CR_EIGHT + i % CR_EIGHT, from = state_place(a, q, i / CR_EIGHT);
        const int64_t to = packed_place(a, block * CR_EIGHT, i / CR_EIGHT) * CR_EIGHT + i % CR_EIGHT;
        cr_one_store(a->packed, to, from < 0 ? 0.0F : a->state[from], a->bf16);
    }
}

CR_BLOCK_KERNEL(weights_pack, pack_args)
{
    int layer = 0, high = a.n - 1; /* the first whose blocks end behind this one */
    while (layer < high) {
        const int middle = (layer + high) / 2;
        if (a.layers[middle].end <= CR_BLOCK)
            layer = middle + 1;
        else
            high = middle;
    }
    const weights_args *own = &a.layers[layer];
    const int64_t block = CR_BLOCK - (layer > 0 ? a.layers[layer - 1].end : 0);
    const bool full = own->in == own->in_padded;
    if (full && own->area == 9)
        pack_tile(own, block, 9, true);
    else if (full && own->area == 1)
        pack_tile(own, block, 1, true);
    else if (own->area <= MAX_AREA)
        pack_tile(own, block, own->area, false);
    else
        pack_singly(own, block);
}

void cr_kernel_weights_pack(const cr_weights_job *jobs, int n, cudaStream_t stream)
{
    for (int first = 0; first < n; first += AT_ONCE) {
        pack_args args = {.n = n - first < AT_ONCE ? n - first : AT_ONCE};
        for (int l = 0; l < args.n; l++)
            args.layers[l] = args_of(&jobs[first + l], l > 0 ? args.layers[l - 1].end : 0);
        CR_LAUNCH(weights_pack, args.layers[args.n - 1].end, 1, CR_KERNEL_THREADS, stream, &args);
    }
}

CR_KERNEL_PART void unpack_tile(const weights_args *a, int area, bool full)
{
    CR_SHARED cr_words words[(TILE + GAP * MAX_AREA) / 4];
    float *shared = (float *)words;
    const tile_shape tile = tile_of(a, CR_BLOCK);
    const int eights = tile.pairs / CR_EIGHT, s = CR_THREAD / eights, eight = CR_THREAD % eights;
    if (s < area) {
        const cr_eight x = cr_eight_load(a->packed, packed_place(a, tile.first + eight * CR_EIGHT, s), a->bf16);
        cr_eight_store(shared + s * tile.row, eight, &x, false);
    }
    CR_BARRIER();
    for (int u = 0; u < CR_EIGHT; u++) {
        const int i = u * CR_KERNEL_THREADS + CR_THREAD;
        const int64_t to = i < tile.pairs * area ? tile_place(a, tile.first, i, area, full) : -1;
        if (to >= 0)
            a->state[to] = shared[i % area * tile.row + i / area];
    }
}

CR_KERNEL_PART void unpack_singly(const weights_args *a)
{
    for (int i = CR_THREAD; i < a->area * CR_EIGHT; i += CR_KERNEL_THREADS) {
        const int64_t to = state_place(a, CR_BLOCK * CR_EIGHT + i / a->area, i % a->area);
        const int64_t from = packed_place(a, CR_BLOCK * CR_EIGHT, i % a->area) * CR_EIGHT + i / a->area;
        if (to >= 0)
            a->state[to] = cr_one_load(a->packed, from, a->bf16);
    }
}

CR_BLOCK_KERNEL(weights_unpack, weights_args)
{
    const bool full = a.in == a.in_padded;
    if (full && a.area == 9)
        unpack_tile(&a, 9, true);
    else if (full && a.area == 1)
        unpack_tile(&a, 1, true);
    else if (a.area <= MAX_AREA)
        unpack_tile(&a, a.area, false);
    else
        unpack_singly(&a);
}

void cr_kernel_weights_unpack(const cr_weights_job *job, cudaStream_t stream)
{
    const weights_args args = args_of(job, 0);
    CR_LAUNCH(weights_unpack, args.end, 1, CR_KERNEL_THREADS, stream, &args);
}
