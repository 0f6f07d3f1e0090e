/* Functions that a processor and a GPU kernel share: the same text compiles as C and as CUDA. Nothing in them may
 * depend on who calls: no fused multiply-add (both compilers are told so), no library function that rounds differently
 * where bits matter. */
#ifndef CRISOL_HOST_DEVICE_H
#define CRISOL_HOST_DEVICE_H

#if defined(__CUDACC__)
#define CR_HD __host__ __device__
#else
#define CR_HD
#endif

#endif
