/* Where large arrays of floats live: weights, moments, gradients. The host's memory is the default; a backend with a
 * device has its own. Whoever holds such an array may offset its pointer, but only the memory's operations and the
 * backend's programs may look behind it.
 *
 * Order: the operations of one memory and the programs of its backend happen as if one after the other, in the order in
 * which they were called. Any thread may call, one at a time; the host's have no such limit. Local, all of them. */
#ifndef CRISOL_MEMORY_H
#define CRISOL_MEMORY_H

#include "crisol/status.h"
#include "crisol/workers.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct cr_memory cr_memory;

/* buffers[left] becomes buffers[left] + buffers[right], element by element, in float32. */
typedef struct cr_addition {
    int left, right;
} cr_addition;

/* What a memory implements; the functions below say what each slot does. */
typedef struct cr_memory_ops {
    const char *name; /* "host", "cuda" */
    cr_status (*allocate)(const cr_memory *memory, int64_t n, const char *what, float **floats);
    void (*release)(const cr_memory *memory, float *floats);
    cr_status (*read)(const cr_memory *memory, const float *from, int64_t n, float *host);
    cr_status (*write)(const cr_memory *memory, const float *host, int64_t n, float *to);
    cr_status (*copy)(const cr_memory *memory, const float *from, int64_t n, float *to);
    cr_status (*clear)(const cr_memory *memory, int64_t n, float *floats);
    cr_status (*add)(const cr_memory *memory, cr_workers *workers, const cr_addition *adds, int n_adds,
                     float *const *buffers, float *out, int64_t n);
    /* Optional. */
    cr_status (*poll)(const cr_memory *memory, bool *done); /* null: operations are done when they return */
    cr_status (*allocate_pinned)(const cr_memory *memory, int64_t n, const char *what, float **floats);
    void (*release_pinned)(const cr_memory *memory, float *floats);
    cr_status (*room)(const cr_memory *memory, int64_t *bytes); /* null: nobody counts */
    const cr_memory *(*lane)(const cr_memory *memory);          /* null: there is none; otherwise all three */
    cr_status (*follow)(const cr_memory *lane, int mark);
    cr_status (*join)(const cr_memory *memory);
} cr_memory_ops;

struct cr_memory {
    const cr_memory_ops *ops;
    void *context; /* the implementation's own */
    void *queue;   /* of a device, in whose order all happens (a cudaStream_t); null for the host */
};

/* The memory that the processor's own instructions reach. Static. */
const cr_memory *cr_memory_host(void);
bool cr_memory_is_host(const cr_memory *memory);

/* An array of n floats, 64-byte aligned at least, not written to (on the host its pages belong to the thread that first
 * does). `what` names it when there is no room. */
CR_NODISCARD cr_status cr_memory_allocate(const cr_memory *memory, int64_t n, const char *what, float **floats);
/* Accepts a pointer to null. */
void cr_memory_release(const cr_memory *memory, float **floats);

/* Between an array of this memory and one of the host, n floats; the host's may be used again when the call returns. */
CR_NODISCARD cr_status cr_memory_read(const cr_memory *memory, const float *from, int64_t n, float *host);
CR_NODISCARD cr_status cr_memory_write(const cr_memory *memory, const float *host, int64_t n, float *to);
/* Within this memory; the two do not overlap. */
CR_NODISCARD cr_status cr_memory_copy(const cr_memory *memory, const float *from, int64_t n, float *to);
CR_NODISCARD cr_status cr_memory_clear(const cr_memory *memory, int64_t n, float *floats);

/* Runs `adds` in order over n floats of the buffers, each array aligned to 64 bytes; the last sum goes to `out` when it
 * is not null (it may be one of the buffers). Elementwise, so no cut of the work changes a bit. The host's cuts it
 * among `workers` (null: the calling thread alone); a device's does not need them. */
CR_NODISCARD cr_status cr_memory_add(const cr_memory *memory, cr_workers *workers, const cr_addition *adds, int n_adds,
                                     float *const *buffers, float *out, int64_t n);

/* *done: all that was called before has happened. Errors: those of what was called before. */
CR_NODISCARD cr_status cr_memory_poll(const cr_memory *memory, bool *done);

/* Arrays of the host that travel to and from this memory fast. */
CR_NODISCARD cr_status cr_memory_allocate_pinned(const cr_memory *memory, int64_t n, const char *what, float **floats);
void cr_memory_release_pinned(const cr_memory *memory, float **floats);

/* Bytes of a device's memory that are free now, for all processes on it together; 0 where nobody counts (the host's).
 */
CR_NODISCARD cr_status cr_memory_room(const cr_memory *memory, int64_t *bytes);

/* What may happen beside the memory's order goes into its *lane*: a memory over the same arrays, whose operations come
 * one after the other and after what they follow, and otherwise whenever the device has time. Without one, the memory
 * is its own lane, follows itself and needs no joining. */
bool cr_memory_has_lane(const cr_memory *memory);
const cr_memory *cr_memory_lane(const cr_memory *memory);
/* The lane's next operations come after mark `mark` of the latest cr_program_train(): params.buckets in backend.h. */
CR_NODISCARD cr_status cr_memory_follow(const cr_memory *lane, int mark);
/* The memory's next operations come after all that the lane was given. */
CR_NODISCARD cr_status cr_memory_join(const cr_memory *memory);

#endif
