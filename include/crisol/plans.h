/* Plans of convolutions: which engine of a library, with which settings, computes one pass. By measurement it is chosen
 * once for a GPU, a library's version, a shape and a pass, kept, and taken again from then on: a table of such choices
 * gives the same engines, hence the same bits, on every rank, after a stop and in a repetition. A backend fills and
 * reads a table; whoever owns it keeps it in a file and hands it to the other ranks. */
#ifndef CRISOL_PLANS_H
#define CRISOL_PLANS_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum cr_conv_pass {
    CR_CONV_FORWARD, /* x, w → y */
    CR_CONV_DATA,    /* w, dy → dx */
    CR_CONV_WEIGHTS, /* x, dy → dw */
    CR_CONV_N_PASSES
} cr_conv_pass;

typedef struct cr_conv_shape {
    int64_t n, in, height, width;       /* of x */
    int64_t out, out_height, out_width; /* of y */
    int64_t kernel, stride, padding;
    bool bf16;     /* otherwise float32, computed in float32 proper (no TF32) */
    bool winograd; /* float32: transforms that round more coarsely are allowed */
} cr_conv_shape;

/* "forward of n 32, 64 x 56 x 56 to 128 x 28 x 28, kernel 3, stride 2, bf16", for messages. */
void cr_conv_text(const cr_conv_shape *shape, cr_conv_pass pass, char *text, size_t bytes);

/* Whether one's engines are the other's; bf16 never transforms, so `winograd` is nothing to it. */
bool cr_conv_shape_is_same(const cr_conv_shape *a, const cr_conv_shape *b);

/* What engines and their times belong to. */
typedef struct cr_plan_target {
    char device[128]; /* "NVIDIA H200" */
    char library[32]; /* "cuDNN 9.19.0" */
} cr_plan_target;

enum {
    CR_PLAN_MAX_KNOBS = 32,
    CR_PLAN_WHERE_BYTES = 256,
    CR_PLANS_MAX = 4096,         /* entries of a table */
    CR_PLANS_MAX_CANDIDATES = 10 /* that are measured for a pass */
};

typedef struct cr_plan_knob { /* a setting of an engine: the library's numbers */
    int64_t type, value;
} cr_plan_knob;

typedef struct cr_plan { /* no pointers: it travels between ranks as it is */
    cr_plan_target target;
    cr_conv_shape shape;
    cr_conv_pass pass;
    int64_t engine;
    cr_plan_knob knobs[CR_PLAN_MAX_KNOBS];
    int n_knobs;
    int place;                       /* in the library's own list when it was measured, from 0 */
    bool is_fallback;                /* that was the list of fallbacks */
    double microseconds, by_rule_us; /* its time, and that of the engine that the fixed rule takes */
    bool is_used;                    /* by a program of this run, or of one that it goes on from */
    char where[CR_PLAN_WHERE_BYTES]; /* "RUN/plans.json, plan 3" for messages; "" when it was measured here */
} cr_plan;

typedef struct cr_plans { /* starts as zeros */
    cr_plan *items;       /* [n], owned */
    int64_t n, room;
} cr_plans;

void cr_plans_clear(cr_plans *plans);
/* Null: there is none. Valid until the next cr_plans_add(). */
cr_plan *cr_plans_find(const cr_plans *plans, const cr_plan_target *target, const cr_conv_shape *shape,
                       cr_conv_pass pass);
/* A copy joins the table, behind the others. Errors: CR_BAD_DATA when it is full. */
CR_NODISCARD cr_status cr_plans_add(cr_plans *plans, const cr_plan *plan);

/* Which of n ≥ 1 candidates with these times is taken: the first whose time is at most 3 % above the shortest, so that
 * noise rarely changes the choice. A candidate that could not be measured has INFINITY. */
int cr_plans_pick(const double *times, int n);

#endif
