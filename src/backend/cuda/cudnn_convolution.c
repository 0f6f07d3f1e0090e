/* convolution_run.h by cuDNN. */
#include "cudnn_descriptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_BYTES = 512
};

struct cr_conv_plan {
    cr_cudnn_target target;
    cr_cudnn_plan chosen;
    char name[NAME_BYTES];
};

/* "cudnn:62:tensor:3": engine, tensor cores, place in the list; of a listed or stored one the knobs, too, which alone
 * make it. */
static void write_name(cr_conv_plan *plan)
{
    const cr_cudnn_plan *chosen = &plan->chosen;
    int used =
        snprintf(plan->name, NAME_BYTES, "cudnn:%lld%s:%d%s", (long long)chosen->engine,
                 chosen->has_tensor_cores ? ":tensor" : "", chosen->place, chosen->is_fallback ? ":fallback" : "");
    for (int k = 0; k < chosen->n_knobs && used < NAME_BYTES; k++)
        used += snprintf(plan->name + used, (size_t)(NAME_BYTES - used), "%s%lld=%lld",
                         k ? "," : ":knobs:", (long long)chosen->knobs[k].type, (long long)chosen->knobs[k].value);
}

static cr_status create(cr_cuda *cuda, cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    *plan = calloc(1, sizeof **plan);
    if (!*plan)
        return cr_fail_memory("a convolution's plan", sizeof **plan);
    CR_TRY(cr_cudnn_open(&(*plan)->target.calls));
    (*plan)->target.handle = cuda->cudnn;
done:
    return status;
}

cr_status cr_conv_plan_create(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer,
                              cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    cr_conv_plan *created = NULL;
    CR_TRY(create(cuda, &created));
    CR_TRY(cr_cudnn_plan_choose(&created->target, shape, pass, layer, &created->chosen));
    write_name(created);
    *plan = created;
    return CR_OK;
done:
    cr_conv_plan_destroy(&created);
    return status;
}

cr_status cr_conv_plan_restore(cr_cuda *cuda, const cr_plan *stored, const char *layer, cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    cr_conv_plan *created = NULL;
    CR_TRY(create(cuda, &created));
    CR_TRY(cr_cudnn_plan_restore(&created->target, stored, layer, &created->chosen));
    write_name(created);
    *plan = created;
    return CR_OK;
done:
    cr_conv_plan_destroy(&created);
    return status;
}

cr_status cr_conv_plan_list(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer, bool all,
                            cr_conv_plan **plans, int *n)
{
    cr_status status = CR_OK;
    cr_cudnn_target target = {.handle = cuda->cudnn};
    cr_cudnn_plan found[CR_PLANS_MAX_CANDIDATES];
    int n_found = 0;
    *n = 0;
    CR_TRY(cr_cudnn_open(&target.calls));
    CR_TRY(cr_cudnn_plan_list(&target, shape, pass, layer, all ? CR_CUDNN_ALL_LISTS : CR_CUDNN_FIRST_LIST,
                              CR_PLANS_MAX_CANDIDATES, found, &n_found));
    for (; *n < n_found; ++*n) {
        CR_TRY(create(cuda, &plans[*n]));
        plans[*n]->chosen = found[*n];
        write_name(plans[*n]);
    }
done:
    for (int i = *n; i < n_found; i++)
        cr_cudnn_plan_clear(&target, &found[i]);
    return status;
}

void cr_conv_plan_store(const cr_conv_plan *plan, cr_plan *stored)
{
    const cr_cudnn_plan *chosen = &plan->chosen;
    stored->engine = chosen->engine;
    memcpy(stored->knobs, chosen->knobs, sizeof stored->knobs);
    stored->n_knobs = chosen->n_knobs;
    stored->place = chosen->place;
    stored->is_fallback = chosen->is_fallback;
}

void cr_conv_plan_destroy(cr_conv_plan **plan)
{
    if (!plan || !*plan)
        return;
    if ((*plan)->target.calls)
        cr_cudnn_plan_clear(&(*plan)->target, &(*plan)->chosen);
    free(*plan);
    *plan = NULL;
}

size_t cr_conv_plan_workspace_bytes(const cr_conv_plan *plan)
{
    return plan->chosen.workspace_bytes > 0 ? (size_t)plan->chosen.workspace_bytes : 0;
}

bool cr_conv_plan_transforms(const cr_conv_plan *plan)
{
    return plan->chosen.transforms;
}

const char *cr_conv_plan_name(const cr_conv_plan *plan)
{
    return plan->name;
}

cr_status cr_conv_plan_run(const cr_conv_plan *plan, void *x, void *w, void *y, void *workspace, cudaStream_t stream)
{
    cr_status status = CR_OK;
    const cr_cudnn_calls *calls = plan->target.calls;
    const int64_t uids[] = {CR_CUDNN_UID_X, CR_CUDNN_UID_W, CR_CUDNN_UID_Y};
    void *const pointers[] = {x, w, y};
    const cr_cudnn_attribute attributes[] = {{CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, uids},
                                             {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers},
                                             {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace}};
    cudnnBackendDescriptor_t pack = NULL;
    CR_TRY(cr_cudnn_make(calls, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "a convolution's arrays", attributes, 3, &pack));
    CR_TRY(cr_cudnn_check(calls, calls->SetStream(plan->target.handle, stream), "a convolution's stream"));
    CR_TRY(cr_cudnn_check(calls, calls->BackendExecute(plan->target.handle, plan->chosen.plan, pack), plan->name));
done:
    cr_cudnn_drop(calls, &pack);
    return status;
}
