/* Streams, events and graphs of the CUDA runtime on the host, lazily: nothing that is queued happens before someone
 * waits for it, and then no more than what must have happened. What was forgotten to be waited for is therefore seen:
 * as numbers that are not there yet, or as memory that was used again too early. Kernels run thread by thread, blocks
 * and threads in an order that changes from launch to launch. */
#undef _FORTIFY_SOURCE /* it forbids jumps between stacks */
#include "emulator.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

_Thread_local cr_kernel_place cr_kernel_here;

enum {
    MAX_THREADS = 1024,
    STACK_BYTES = 64 * 1024
};

typedef enum op_kind {
    OP_KERNEL,
    OP_COPY,
    OP_SET,
    OP_WAIT
} op_kind;

struct emulated_op {
    op_kind kind;
    void (*thread)(const void *args);
    bool meets;
    int64_t blocks, rows;
    int n_threads;
    void *args; /* KERNEL: owned */
    void *to;   /* COPY, SET */
    const void *from;
    size_t bytes;
    int value;
    cudaStream_t stream; /* WAIT: until `at` of its operations have happened */
    int64_t at;
};

static uint64_t turn; /* of launches: chooses an order */

static void die(const char *why)
{
    fprintf(stderr, "emulated kernel: %s\n", why);
    abort();
}

/* ---- threads of a block that wait for each other ---- */

typedef struct fiber {
    ucontext_t context;
    jmp_buf at;
    bool is_started, is_finished;
} fiber;

static fiber scheduler, fibers[MAX_THREADS];
static const emulated_op *fiber_op;
static int fiber_thread;

/* swapcontext() makes two system calls, for signal masks that are all the same; a sanitizer knows no other way. */
static __attribute__((noinline)) void change(fiber *from, fiber *to)
{
#if CRISOL_SANITIZED
    swapcontext(&from->context, &to->context);
#else
    if (_setjmp(from->at) != 0)
        return;
    if (to->is_started)
        _longjmp(to->at, 1);
    to->is_started = true;
    setcontext(&to->context);
#endif
}

void cr_kernel_barrier(void)
{
    if (!fiber_op)
        die("a barrier in a kernel whose threads do not meet");
    change(&fibers[fiber_thread], &scheduler);
}

/* One launch after the other. */
static void fiber_main(void)
{
    fiber *own = &fibers[fiber_thread];
    for (;;) {
        fiber_op->thread(fiber_op->args);
        own->is_finished = true;
        change(own, &scheduler);
    }
}

static int shuffled(int i, int n)
{
    return (int)(((uint64_t)i * (2 * (turn % 37) + 1) + turn) % (uint64_t)n); /* n is a power of two */
}

static void make_fibers(void)
{
    char *stacks = malloc((size_t)MAX_THREADS * STACK_BYTES);
    if (!stacks)
        die("no room for threads");
    for (int t = 0; t < MAX_THREADS; t++) {
        getcontext(&fibers[t].context);
        fibers[t].context.uc_stack.ss_sp = stacks + (size_t)t * STACK_BYTES;
        fibers[t].context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&fibers[t].context, fiber_main, 0);
    }
    scheduler.is_started = true;
}

/* Rounds from barrier to barrier; in each, all threads come or all end. */
static void run_block_meeting(const emulated_op *op, int64_t block, int64_t row)
{
    int n = op->n_threads, n_finished = 0;
    if (!scheduler.is_started)
        make_fibers();
    for (int t = 0; t < n; t++)
        fibers[t].is_finished = false;
    fiber_op = op;
    for (turn++; n_finished < n; turn++) {
        int before = n_finished;
        for (int i = 0; i < n; i++) {
            fiber_thread = shuffled(i, n);
            cr_kernel_here = (cr_kernel_place){fiber_thread, n, block, row};
            change(&scheduler, &fibers[fiber_thread]);
            n_finished += fibers[shuffled(i, n)].is_finished;
        }
        if (n_finished != before && n_finished != n)
            die("some threads of a block ended while others wait at a barrier");
    }
    fiber_op = NULL;
}

static void run_kernel(const emulated_op *op)
{
    int64_t count = op->blocks * op->rows;
    bool backwards = turn++ % 2;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = backwards ? count - 1 - i : i, block = at % op->blocks, row = at / op->blocks;
        if (op->meets) {
            run_block_meeting(op, block, row);
            continue;
        }
        for (int t = 0; t < op->n_threads; t++) {
            cr_kernel_here = (cr_kernel_place){shuffled(t, op->n_threads), op->n_threads, block, row};
            op->thread(op->args);
        }
    }
}

/* ---- queues ---- */

static void append(struct CUstream_st *stream, emulated_op op)
{
    if (stream->n_ops == stream->room) {
        stream->room = stream->room > 0 ? 2 * stream->room : 64;
        stream->ops = realloc(stream->ops, (size_t)stream->room * sizeof *stream->ops);
        if (!stream->ops)
            die("no memory");
    }
    stream->ops[stream->n_ops++] = op;
}

void cr_kernel_emulate(cudaStream_t stream, void (*thread)(const void *args), bool meets, int64_t blocks, int64_t rows,
                       int n_threads, const void *args, size_t args_bytes)
{
    if (blocks < 1 || rows < 1 || rows > 65535 || n_threads < 1 || n_threads > MAX_THREADS ||
        (n_threads & (n_threads - 1)) != 0)
        die("a grid that a GPU refuses, or threads that are no power of two");
    void *copy = malloc(args_bytes);
    if (!copy || args_bytes > 4096)
        die("arguments that a GPU refuses");
    memcpy(copy, args, args_bytes);
    append(stream, (emulated_op){.kind = OP_KERNEL,
                                 .thread = thread,
                                 .meets = meets,
                                 .blocks = blocks,
                                 .rows = rows,
                                 .n_threads = n_threads,
                                 .args = copy,
                                 .bytes = args_bytes});
}

void emulated_copy(cudaStream_t stream, void *to, const void *from, size_t bytes)
{
    append(stream, (emulated_op){.kind = OP_COPY, .to = to, .from = from, .bytes = bytes});
}

void emulated_set(cudaStream_t stream, void *to, int value, size_t bytes)
{
    append(stream, (emulated_op){.kind = OP_SET, .to = to, .value = value, .bytes = bytes});
}

void emulated_wait(cudaStream_t stream, cudaStream_t other, int64_t at)
{
    append(stream, (emulated_op){.kind = OP_WAIT, .stream = other, .at = at});
}

static void run_op(emulated_op *op)
{
    switch (op->kind) {
    case OP_KERNEL:
        run_kernel(op);
        free(op->args);
        break;
    case OP_COPY:
        memcpy(op->to, op->from, op->bytes);
        break;
    case OP_SET:
        memset(op->to, op->value, op->bytes);
        break;
    case OP_WAIT:
        emulated_run(op->stream, op->at);
        break;
    }
}

void emulated_run(cudaStream_t stream, int64_t until)
{
    while (stream->base + stream->done < until) {
        emulated_op op = stream->ops[stream->done++];
        run_op(&op);
    }
    if (stream->done == stream->n_ops) { /* nothing is left: numbers go on, the list starts anew */
        stream->base += stream->n_ops;
        stream->n_ops = stream->done = 0;
    }
}

int64_t emulated_queued(cudaStream_t stream)
{
    return stream->base + stream->n_ops;
}

/* ---- graphs ---- */

emulated_op *emulated_take(cudaStream_t stream, int64_t from, int64_t *n)
{
    int64_t first = from - stream->base;
    *n = stream->n_ops - first;
    emulated_op *taken = malloc((size_t)(*n + 1) * sizeof *taken);
    if (!taken)
        die("no memory");
    memcpy(taken, stream->ops + first, (size_t)*n * sizeof *taken);
    stream->n_ops = first;
    return taken;
}

bool emulated_is_joined(cudaStream_t stream, cudaStream_t other)
{
    for (int64_t i = stream->done; i < stream->n_ops; i++)
        if (stream->ops[i].kind == OP_WAIT && stream->ops[i].stream == other &&
            stream->ops[i].at == emulated_queued(other))
            return true;
    return false;
}

void emulated_replay(cudaStream_t stream, const emulated_op *ops, int64_t n, const emulated_move *moves, int n_moves)
{
    for (int64_t i = 0; i < n; i++) {
        emulated_op op = ops[i];
        for (int m = 0; op.kind == OP_WAIT && m < n_moves; m++)
            if (moves[m].from == ops[i].stream && ops[i].at >= moves[m].from_at) {
                op.stream = moves[m].to;
                op.at = ops[i].at - moves[m].from_at + moves[m].to_at;
            }
        if (op.kind == OP_KERNEL) {
            op.args = malloc(op.bytes);
            if (!op.args)
                die("no memory");
            memcpy(op.args, ops[i].args, op.bytes);
        }
        append(stream, op);
    }
}

void emulated_free(emulated_op *ops, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        free(ops[i].args);
    free(ops);
}
