/* The way of a batch to the device and of its results back: a few slots in turn, so that the host fills one while the
 * device works on another. */
#ifndef CRISOL_BACKEND_CUDA_INPUTS_H
#define CRISOL_BACKEND_CUDA_INPUTS_H

#include "cuda_device.h"
#include "kernels.h"

enum {
    CR_CUDA_N_SLOTS = 3
};

typedef struct cr_cuda_slot {
    char *block;            /* pinned: all of a batch but its images, as `at` says */
    uint8_t *images;        /* pinned; null until the first batch that brings its pixels in other memory */
    uint8_t *device_images; /* null until the first that brings any */
    float *logits;          /* pinned results */
    double *losses;         /* pinned; null for an evaluation */
    cudaEvent_t copied;     /* the images are on the device */
    cudaEvent_t done;       /* the results are here */
    bool busy;              /* since cr_cuda_inputs_send(), until its results are delivered to … */
    cr_batch_result result;
} cr_cuda_slot;

typedef struct cr_cuda_offsets { /* bytes from the start of a block */
    size_t head, metadata, labels, samples, places, augments, mixes, class_weights, targets, total;
} cr_cuda_offsets;

typedef struct cr_cuda_inputs {
    int64_t n, n_classes, n_features; /* samples */
    size_t image_bytes;               /* of all images; 0: the net uses none */
    cr_cuda_offsets at;
    char *block; /* the device's: the batch that is worked on */
    cr_cuda_slot slots[CR_CUDA_N_SLOTS];
    int next;
} cr_cuda_inputs;

CR_NODISCARD cr_status cr_cuda_inputs_create(const cr_net *net, const cr_program_params *params,
                                             cr_cuda_inputs *inputs);
void cr_cuda_inputs_destroy(cr_cuda_inputs *inputs);

/* Copies the batch, but for pinned images, into the next slot, waiting for and delivering what that slot was used for
 * before, and queues its way to the device: the stream finds the block, and *images, there. Images that the device
 * keeps do not travel. */
CR_NODISCARD cr_status cr_cuda_inputs_send(cr_cuda *cuda, cr_cuda_inputs *inputs, const cr_batch *batch,
                                           const uint8_t **images);
/* Queues the way back of that batch's results. */
CR_NODISCARD cr_status cr_cuda_inputs_receive(cr_cuda *cuda, cr_cuda_inputs *inputs, const float *logits,
                                              const double *losses, const cr_batch_result *result);
/* Waits for all results and delivers them. */
CR_NODISCARD cr_status cr_cuda_inputs_wait(cr_cuda_inputs *inputs);

#endif
