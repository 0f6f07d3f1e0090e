#include "tree_plan.h"

#include <stdlib.h>
#include <string.h>

struct cr_tree_stack {
    const cr_memory *memory;
    int64_t n, n_leaves;
    int64_t begin, end, next; /* leaves; `next` is pushed next */
    int n_buffers;
    int leaf;                              /* buffer of the next leaf, -1: not chosen yet */
    int n_marks;                           /* of the nodes held */
    cr_tree_mark marks[CR_TREE_MAX_NODES]; /* slot = buffer */
    cr_tree_node nodes[CR_TREE_MAX_NODES]; /* the same for callers */
    float *buffers[CR_TREE_MAX_NODES];     /* [n_buffers][n] */
    bool used[CR_TREE_MAX_NODES];          /* [n_buffers] */
    bool defers;
    cr_addition deferred[CR_TREE_MAX_NODES]; /* those of the last leaf */
    int n_deferred;
};

/* Most buffers in use at once, the leaf being written included. */
static int count_buffers(int64_t n_leaves, int64_t begin, int64_t end)
{
    cr_tree_mark marks[CR_TREE_MAX_NODES];
    cr_addition adds[CR_TREE_MAX_NODES];
    int n_marks = 0, most = 0;
    for (int64_t leaf = begin; leaf < end; leaf++) {
        if (n_marks + 1 > most)
            most = n_marks + 1;
        cr_tree_append(n_leaves, (cr_tree_mark){0, leaf, 0}, marks, &n_marks, adds);
    }
    return most;
}

cr_status cr_tree_stack_create(const cr_memory *memory, int64_t n, int64_t n_leaves, int64_t begin, int64_t end,
                               cr_tree_stack **stack)
{
    *stack = NULL;
    if (n < 1 || n > CR_TREE_MAX_FLOATS || n_leaves < 1 || n_leaves > CR_TREE_MAX_LEAVES || begin < 0 || begin >= end ||
        end > n_leaves)
        return cr_fail(CR_INTERNAL, "no tree over %lld floats with leaves %lld to %lld of %lld", (long long)n,
                       (long long)begin, (long long)end, (long long)n_leaves);
    cr_status status = CR_OK;
    cr_tree_stack *s = calloc(1, sizeof *s);
    if (!s)
        return cr_fail_memory("a gradient stack", sizeof *s);
    s->memory = memory;
    s->n = n;
    s->n_leaves = n_leaves;
    s->begin = begin;
    s->end = end;
    int n_buffers = count_buffers(n_leaves, begin, end);
    for (; s->n_buffers < n_buffers; s->n_buffers++)
        CR_TRY(cr_memory_allocate(memory, n, "a gradient", &s->buffers[s->n_buffers]));
    cr_tree_stack_reset(s);
done:
    if (status != CR_OK)
        cr_tree_stack_destroy(&s);
    *stack = s;
    return status;
}

void cr_tree_stack_destroy(cr_tree_stack **stack)
{
    if (!stack || !*stack)
        return;
    for (int b = 0; b < (*stack)->n_buffers; b++)
        cr_memory_release((*stack)->memory, &(*stack)->buffers[b]);
    free(*stack);
    *stack = NULL;
}

void cr_tree_stack_reset(cr_tree_stack *stack)
{
    stack->next = stack->begin;
    stack->leaf = -1;
    stack->n_marks = 0;
    stack->n_deferred = 0;
    for (int b = 0; b < stack->n_buffers; b++)
        stack->used[b] = false;
}

float *cr_tree_stack_leaf(cr_tree_stack *stack)
{
    if (stack->leaf < 0 && stack->next < stack->end) {
        int b = 0;
        while (stack->used[b]) /* creation made one for every moment */
            b++;
        stack->used[b] = true;
        stack->leaf = b;
    }
    return stack->leaf < 0 ? NULL : stack->buffers[stack->leaf];
}

cr_status cr_tree_stack_push(cr_tree_stack *stack)
{
    if (stack->leaf < 0)
        return CR_OK;
    cr_addition adds[CR_TREE_MAX_NODES];
    cr_tree_mark leaf = {0, stack->next++, stack->leaf};
    stack->leaf = -1;
    int n_adds = cr_tree_append(stack->n_leaves, leaf, stack->marks, &stack->n_marks, adds);
    cr_status status = CR_OK;
    if (stack->defers && cr_tree_stack_is_full(stack)) {
        memcpy(stack->deferred, adds, (size_t)n_adds * sizeof *adds);
        stack->n_deferred = n_adds;
    } else {
        status = cr_memory_add(stack->memory, NULL, adds, n_adds, stack->buffers, NULL, stack->n);
    }
    for (int i = 0; i < n_adds; i++)
        stack->used[adds[i].right] = false;
    for (int i = 0; i < stack->n_marks; i++) {
        const cr_tree_mark *mark = &stack->marks[i];
        stack->nodes[i] = (cr_tree_node){mark->level, mark->index, stack->buffers[mark->slot]};
    }
    return status;
}

void cr_tree_stack_defer(cr_tree_stack *stack)
{
    stack->defers = true;
}

cr_status cr_tree_stack_merge(cr_tree_stack *stack, const cr_memory *memory, cr_workers *workers, int64_t begin,
                              int64_t n)
{
    float *parts[CR_TREE_MAX_NODES];
    for (int b = 0; b < stack->n_buffers; b++)
        parts[b] = stack->buffers[b] + begin;
    return cr_memory_add(memory, workers, stack->deferred, stack->n_deferred, parts, NULL, n);
}

int cr_tree_stack_nodes(const cr_tree_stack *stack, const cr_tree_node **nodes)
{
    *nodes = stack->nodes;
    return stack->n_marks;
}

bool cr_tree_stack_is_full(const cr_tree_stack *stack)
{
    return stack->next == stack->end;
}
