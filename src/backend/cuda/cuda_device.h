/* The device as a backend holds it: one stream in whose order everything happens, one for copies of inputs, one beside
 * it that weights' gradients take, and the lane of its memory, for what ranks exchange meanwhile. */
#ifndef CRISOL_BACKEND_CUDA_DEVICE_H
#define CRISOL_BACKEND_CUDA_DEVICE_H

#include "crisol/backend.h"

#include <cuda_runtime_api.h>
#include <pthread.h>

struct cudnnContext; /* cudnn.h's cudnnHandle_t points to it */

typedef struct cr_cuda {
    int device;
    cudaStream_t stream;   /* all computing, and the memory's operations */
    cudaStream_t copies;   /* images on their way to the device */
    cudaStream_t side;     /* weights' gradients, while `stream` goes on to the layer below */
    cudaStream_t exchange; /* the lane's */
    cudaStream_t capture;
    cudaEvent_t forked, joined;        /* between stream and side */
    cudaEvent_t marks[CR_MAX_BUCKETS]; /* of the latest training run */
    cudaEvent_t exchanged;             /* what the lane was given when it was joined */
    struct cudnnContext *cudnn;
    pthread_mutex_t lock; /* programs and memory operations come one after the other */
    cr_memory memory, lane;
    double *sum;      /* pinned, of sum_of_squares */
    double *sum_work; /* the device's: cr_squares_work_bytes() and the sum */
    size_t sum_bytes;
    void *spans; /* the device's table of cr_update_span */
    int n_spans; /* that it has room for */
    char library[160];
    cr_plan_target target;            /* of the table: device and cuDNN's version */
    cr_plans *plans;                  /* borrowed; null: the fixed rule alone */
    bool measures;                    /* what the table lacks */
    struct cr_conv_verdict *verdicts; /* on plans that were tried (cuda_trial.c) */
} cr_cuda;

/* CR_OK, or CR_INTERNAL with a line of what failed and why. */
CR_NODISCARD cr_status cr_cuda_check(cudaError_t error, const char *what);

/* Streams and events, of the thread's device. Closing accepts what failed to open. */
CR_NODISCARD cr_status cr_cuda_streams_open(cr_cuda *cuda);
void cr_cuda_streams_close(cr_cuda *cuda);

/* Makes the device the calling thread's, and waits until no other thread uses the backend. */
CR_NODISCARD cr_status cr_cuda_enter(cr_cuda *cuda);
void cr_cuda_leave(cr_cuda *cuda);

/* cuda_libraries.c: for cr_backend_cuda_libraries() */
void cr_cuda_note_library(const char *library);

/* cuda_memory.c */
extern const cr_memory_ops cr_cuda_memory_ops;
CR_NODISCARD cr_status cr_cuda_allocate(size_t bytes, const char *what, void **data); /* of the device, 256-aligned */

/* cuda_update.c: slots of the backend */
CR_NODISCARD cr_status cr_cuda_update(cr_backend *backend, const cr_update *update);
CR_NODISCARD cr_status cr_cuda_sum_of_squares(cr_backend *backend, const float *values, int64_t n, double *sum);

#endif
