/* How one value of a micro-batch lies in memory, and how kernels walk over it channel group by channel group. */
#ifndef CRISOL_BACKEND_CPU_PLACE_H
#define CRISOL_BACKEND_CPU_PLACE_H

#include "crisol/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cr_format {
    CR_FORMAT_PLAIN,   /* [n, channels, height, width] */
    CR_FORMAT_BLOCKED, /* [n, ⌈channels/16⌉, height, width, 16]: oneDNN's nChw16c; lanes beyond `channels` hold 0 */
    CR_FORMAT_NHWC     /* [n, height, width, channels] */
} cr_format;

enum {
    CR_LANES = 16,    /* floats of one vector, channels of one block */
    CR_GROUP_MAX = 64 /* channels of the widest group */
};

typedef struct cr_place {
    int64_t n; /* samples */
    cr_shape shape;
    cr_format format;
    bool bf16; /* otherwise float32 */
} cr_place;

/* A group: up to 64 neighbouring channels that one kernel call handles. Element (o, p, lane) of it lies at
 * base + o·outer_stride + p·pixel_stride + lane, for o < n_outer, p < n_pixels, lane < width (elements, not bytes). */
typedef struct cr_group {
    int64_t channel; /* first one */
    int width;       /* 64, 16, or (NHWC's last, narrower one) 1 … 15 */
    int64_t base, n_outer, outer_stride, n_pixels, pixel_stride;
} cr_group;

static inline cr_place cr_place_make(int64_t n, cr_shape shape, cr_format format, bool bf16)
{
    cr_place place = {.n = n, .shape = shape, .format = format, .bf16 = bf16};
    return place;
}

static inline int64_t cr_format_lanes(cr_format format) /* its channels are padded to a multiple of it */
{
    return format == CR_FORMAT_BLOCKED ? CR_LANES : 1;
}

bool cr_place_equal(const cr_place *a, const cr_place *b);
int64_t cr_place_elements(const cr_place *place); /* blocked: with the lanes beyond `channels` */
size_t cr_place_bytes(const cr_place *place);
int64_t cr_place_pixels(const cr_place *place); /* n · height · width: values a channel */
int64_t cr_place_offset(const cr_place *place, int64_t n, int64_t channel, int64_t y, int64_t x);

/* Groups of a BLOCKED or NHWC place. */
int64_t cr_place_n_groups(const cr_place *place);
cr_group cr_place_group(const cr_place *place, int64_t index);

/* The same numbers in another format or type (same n and shape); lanes beyond `channels` are set to 0. */
void cr_place_convert(const cr_place *from, const void *src, const cr_place *to, void *dst);

#endif
