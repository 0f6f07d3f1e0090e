/* How kernels are written: in the common part of C and CUDA, each with one argument, a structure `a`.
 *
 *     CR_GRID_KERNEL(scale, scale_args)      threads do not wait for each other
 *     {
 *         int64_t i = CR_THREAD_OF_GRID;
 *         if (i < a.n)
 *             a.y[i] = a.x[i] * a.factor;
 *     }
 *     …
 *     CR_LAUNCH(scale, blocks, 1, threads, stream, &args);
 *
 * CR_KERNEL_PART is a function that becomes a part of each kernel that calls it: where it is called with constants,
 * their branches are gone, and the loads behind them can be under way together.
 *
 * CR_BLOCK_KERNEL is one whose threads meet at CR_BARRIER() and share CR_SHARED variables. Compiled as C, a kernel is
 * the function of one thread, and cr_kernel_emulate() calls it for all: tests run every kernel that way, on a machine
 * without a GPU, with the threads of a block and the blocks in an order of its own choice.
 *
 * Grids and chunks follow from shapes alone, sums have a fixed order, and no kernel adds atomically, so that results
 * depend neither on the GPU's size nor on timing. */
#ifndef CRISOL_BACKEND_CUDA_KERNEL_H
#define CRISOL_BACKEND_CUDA_KERNEL_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__CUDACC__)

#define CR_GRID_KERNEL(name, type) static __global__ void name(const type a)
#define CR_BLOCK_KERNEL(name, type) static __global__ void name(const type a)
#define CR_KERNEL_PART static __device__ __forceinline__
#define CR_SHARED __shared__
#define CR_BARRIER() __syncthreads()
#define CR_THREAD ((int)threadIdx.x)
#define CR_BLOCK ((int64_t)blockIdx.x)
#define CR_BLOCK_ROW ((int64_t)blockIdx.y)
#define CR_THREADS ((int64_t)blockDim.x)
#define CR_LAUNCH(name, blocks, rows, threads, stream, args)                                                           \
    name<<<dim3((unsigned)(blocks), (unsigned)(rows)), (unsigned)(threads), 0, (stream)>>>(*(args))

#else

typedef struct cr_kernel_place {
    int thread, n_threads;
    int64_t block, row;
} cr_kernel_place;
extern _Thread_local cr_kernel_place cr_kernel_here;

/* Lets the block's other threads come to their barrier. */
void cr_kernel_barrier(void);
/* Queues one call for each thread of each block; `args` is copied. */
void cr_kernel_emulate(cudaStream_t stream, void (*thread)(const void *args), bool meets, int64_t blocks, int64_t rows,
                       int n_threads, const void *args, size_t args_bytes);

#define CR_KERNEL_OF(name, type, meets)                                                                                \
    static void name(const type a);                                                                                    \
    static const bool name##_meets = (meets);                                                                          \
    static void name##_thread(const void *args)                                                                        \
    {                                                                                                                  \
        name(*(const type *)args);                                                                                     \
    }                                                                                                                  \
    static void name(const type a)
#define CR_KERNEL_PART static inline
#define CR_GRID_KERNEL(name, type) CR_KERNEL_OF(name, type, false)
#define CR_BLOCK_KERNEL(name, type) CR_KERNEL_OF(name, type, true)
#define CR_SHARED static _Thread_local
#define CR_BARRIER() cr_kernel_barrier()
#define CR_THREAD (cr_kernel_here.thread)
#define CR_BLOCK (cr_kernel_here.block)
#define CR_BLOCK_ROW (cr_kernel_here.row)
#define CR_THREADS ((int64_t)cr_kernel_here.n_threads)
#define CR_LAUNCH(name, blocks, rows, threads, stream, args)                                                           \
    cr_kernel_emulate((stream), name##_thread, name##_meets, (blocks), (rows), (threads), (args), sizeof *(args))

#endif

#define CR_THREAD_OF_GRID (CR_BLOCK * CR_THREADS + CR_THREAD)

enum {
    CR_KERNEL_THREADS = 256 /* of a block, unless a kernel says otherwise */
};

/* Blocks of CR_KERNEL_THREADS for n threads. */
static inline int64_t cr_kernel_blocks(int64_t n)
{
    return (n + CR_KERNEL_THREADS - 1) / CR_KERNEL_THREADS;
}

#endif
