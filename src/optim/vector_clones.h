/* Compiles a loop for several instruction sets and picks one at load time. The arithmetic is the same in all of them
 * (no fused multiply-add, a fixed number of accumulators), so the choice changes no bit of a result. */
#ifndef CRISOL_OPTIM_VECTOR_CLONES_H
#define CRISOL_OPTIM_VECTOR_CLONES_H

/* Clones are chosen when the program is loaded, before a sanitizer's own start: there, one is enough. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !CRISOL_SANITIZED
#define CR_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CR_VECTOR_CLONES
#endif

#endif
