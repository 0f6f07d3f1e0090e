/* Where the pixels of one augmented sample come from: crop, flips and affine map as one map per axis, for every
 * backend: the same text compiles as C and as CUDA. Positions are whole numbers in fixed point, which add without
 * rounding, so they are the same on every machine. */
#ifndef CRISOL_BACKEND_AUGMENT_FRAME_H
#define CRISOL_BACKEND_AUGMENT_FRAME_H

#include "crisol/augment.h"
#include "crisol/host_device.h"

#include <math.h>

enum {
    CR_FRAME_MOST_BITS = 22
};

/* The map of one axis: source position = column · (x + .5 - W/2) + row · (y + .5 - W/2) + constant. */
typedef struct cr_axis {
    double column, row, constant;
} cr_axis;

typedef struct cr_frame {
    int64_t size;
    cr_axis u, v;            /* source column and source row, 0 at the first pixel's centre */
    int bits;                /* fraction bits of positions */
    int32_t first_u, last_u; /* outermost pixel centres of the part of the image that is seen */
    int32_t first_v, last_v;
    bool fades;             /* outside the frame is 0; otherwise its border goes on for ever */
    float scale_u, scale_v; /* frame pixels a source pixel */
} cr_frame;

CR_HD static inline cr_axis cr_axis_make(const double inverse[3], bool flip, double begin, double length, double size)
{
    double turn = flip ? -1 : 1, zoom = length / size;
    cr_axis axis;
    axis.column = zoom * turn * inverse[0];
    axis.row = zoom * turn * inverse[1];
    axis.constant = begin + zoom * (turn * inverse[2] + size / 2) - 0.5;
    return axis;
}

/* The largest magnitude that a position or one of its two parts takes. */
CR_HD static inline double cr_axis_reach(const cr_axis *a, double size)
{
    return (fabs(a->column) + fabs(a->row)) * size / 2 + fabs(a->constant);
}

CR_HD static inline int32_t cr_frame_fixed(double position, int bits)
{
    double limit = 1 << 29; /* two of them add without overflow; only absurd maps come near */
    double value = rint(ldexp(position, bits));
    return (int32_t)fmin(fmax(value, -limit), limit);
}

/* Output (x, y) lies at source position cr_frame_column(x) + cr_frame_row(y) of each axis. */
CR_HD static inline int32_t cr_frame_column(const cr_frame *frame, const cr_axis *axis, int64_t x)
{
    return cr_frame_fixed(axis->column * ((double)x + 0.5 - (double)frame->size / 2), frame->bits);
}

CR_HD static inline int32_t cr_frame_row(const cr_frame *frame, const cr_axis *axis, int64_t y)
{
    double first = axis->constant + axis->row * (0.5 - (double)frame->size / 2);
    return cr_frame_fixed(first + axis->row * (double)y, frame->bits);
}

CR_HD static inline double cr_frame_larger(double a, double b)
{
    return a > b ? a : b;
}

/* `augment` warps or crops. */
CR_HD static inline cr_frame cr_frame_make(const cr_augment *augment, int64_t size)
{
    const double identity[2][3] = {{1, 0, 0}, {0, 1, 0}};
    const double *inverse_u = augment->warps ? augment->inverse[0] : identity[0];
    const double *inverse_v = augment->warps ? augment->inverse[1] : identity[1];
    cr_box box = augment->crop;
    if (box.height <= 0 || box.width <= 0) {
        box.top = box.left = 0;
        box.height = box.width = (int32_t)size;
    }
    cr_frame frame;
    frame.size = size;
    frame.u = cr_axis_make(inverse_u, augment->hflip, box.left, box.width, (double)size);
    frame.v = cr_axis_make(inverse_v, augment->vflip, box.top, box.height, (double)size);
    double most = cr_frame_larger(cr_axis_reach(&frame.u, (double)size), cr_axis_reach(&frame.v, (double)size));
    most = cr_frame_larger(most, (double)size);
    frame.bits = CR_FRAME_MOST_BITS;
    while (frame.bits > 0 && ldexp(most, frame.bits) >= 1 << 29)
        frame.bits--;
    frame.first_u = (int32_t)((uint32_t)box.left << frame.bits);
    frame.first_v = (int32_t)((uint32_t)box.top << frame.bits);
    frame.last_u = (int32_t)((uint32_t)(box.left + box.width - 1) << frame.bits);
    frame.last_v = (int32_t)((uint32_t)(box.top + box.height - 1) << frame.bits);
    frame.fades = augment->warps;
    frame.scale_u = (float)((double)size / box.width);
    frame.scale_v = (float)((double)size / box.height);
    return frame;
}

#endif
