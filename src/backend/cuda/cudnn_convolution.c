/* convolution_run.h by cuDNN. */
#include "cudnn_descriptors.h"

#include <stdio.h>
#include <stdlib.h>

struct cr_conv_plan {
    cr_cudnn_target target;
    cr_cudnn_plan chosen;
    char name[64];
};

cr_status cr_conv_plan_create(cr_cuda *cuda, const cr_conv_shape *shape, cr_conv_pass pass, const char *layer,
                              cr_conv_plan **plan)
{
    cr_status status = CR_OK;
    cr_conv_plan *created = calloc(1, sizeof *created);
    if (!created)
        return cr_fail_memory("a convolution's plan", sizeof *created);
    CR_TRY(cr_cudnn_open(&created->target.calls));
    created->target.handle = cuda->cudnn;
    CR_TRY(cr_cudnn_plan_choose(&created->target, shape, pass, layer, &created->chosen));
    snprintf(created->name, sizeof created->name, "cudnn:%lld%s:%d%s", (long long)created->chosen.engine,
             created->chosen.has_tensor_cores ? ":tensor" : "", created->chosen.place,
             created->chosen.is_fallback ? ":fallback" : "");
    *plan = created;
    return CR_OK;
done:
    cr_conv_plan_destroy(&created);
    return status;
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
