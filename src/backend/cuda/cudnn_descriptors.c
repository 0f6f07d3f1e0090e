#include "cudnn_descriptors.h"

enum {
    BYTE_ALIGNMENT = 16
};

void cr_cudnn_drop(const cr_cudnn_calls *calls, cudnnBackendDescriptor_t *descriptor)
{
    if (*descriptor)
        calls->BackendDestroyDescriptor(*descriptor);
    *descriptor = NULL;
}

cr_status cr_cudnn_make(const cr_cudnn_calls *calls, cudnnBackendDescriptorType_t type, const char *what,
                        const cr_cudnn_attribute *attributes, int n, cudnnBackendDescriptor_t *made)
{
    cr_status status = CR_OK;
    cudnnBackendDescriptor_t descriptor = NULL;
    CR_TRY(cr_cudnn_check(calls, calls->BackendCreateDescriptor(type, &descriptor), what));
    for (int i = 0; i < n; i++) {
        const cr_cudnn_attribute *a = &attributes[i];
        CR_TRY(
            cr_cudnn_check(calls, calls->BackendSetAttribute(descriptor, a->name, a->type, a->count, a->values), what));
    }
    CR_TRY(cr_cudnn_check(calls, calls->BackendFinalize(descriptor), what));
    *made = descriptor;
    descriptor = NULL;
done:
    cr_cudnn_drop(calls, &descriptor);
    return status;
}

/* Dimensions in cuDNN's order n, c, h, w with strides of channels-last memory. */
static cr_status make_tensor(const cr_cudnn_calls *calls, int64_t uid, bool bf16, const int64_t dims[4],
                             cudnnBackendDescriptor_t *tensor)
{
    const cudnnDataType_t type = bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const int64_t strides[4] = {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]};
    const int64_t alignment = BYTE_ALIGNMENT;
    const cr_cudnn_attribute attributes[] = {{CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type},
                                             {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims},
                                             {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides},
                                             {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid},
                                             {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment}};
    return cr_cudnn_make(calls, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor", attributes, 5, tensor);
}

static cr_status make_convolution(const cr_cudnn_calls *calls, const cr_conv_shape *shape,
                                  cudnnBackendDescriptor_t *convolution)
{
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t spatial = 2, dilations[2] = {1, 1};
    const int64_t strides[2] = {shape->stride, shape->stride}, padding[2] = {shape->padding, shape->padding};
    const cr_cudnn_attribute attributes[] = {{CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial},
                                             {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute},
                                             {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode},
                                             {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, padding},
                                             {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, padding},
                                             {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations},
                                             {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides}};
    return cr_cudnn_make(calls, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "a convolution", attributes, 7, convolution);
}

/* The names of one pass's attributes; x, w and y are those of the forward pass or their gradients. */
typedef struct pass_names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
} pass_names;

static const pass_names names[CR_CONV_N_PASSES] = {
    [CR_CONV_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [CR_CONV_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [CR_CONV_WEIGHTS] = {
        CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

cr_status cr_cudnn_graph_make(const cr_cudnn_target *target, const cr_conv_shape *shape, cr_conv_pass pass,
                              cudnnBackendDescriptor_t *graph)
{
    cr_status status = CR_OK;
    const cr_cudnn_calls *calls = target->calls;
    const pass_names *name = &names[pass];
    const float one = 1, zero = 0;
    const int64_t x_dims[4] = {shape->n, shape->in, shape->height, shape->width};
    const int64_t w_dims[4] = {shape->out, shape->in, shape->kernel, shape->kernel};
    const int64_t y_dims[4] = {shape->n, shape->out, shape->out_height, shape->out_width};
    cudnnBackendDescriptor_t x = NULL, w = NULL, y = NULL, convolution = NULL, operation = NULL;
    CR_TRY(make_tensor(calls, CR_CUDNN_UID_X, shape->bf16, x_dims, &x));
    CR_TRY(make_tensor(calls, CR_CUDNN_UID_W, shape->bf16, w_dims, &w));
    CR_TRY(make_tensor(calls, CR_CUDNN_UID_Y, shape->bf16, y_dims, &y));
    CR_TRY(make_convolution(calls, shape, &convolution));
    const cr_cudnn_attribute of_operation[] = {{name->convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &convolution},
                                               {name->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x},
                                               {name->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w},
                                               {name->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y},
                                               {name->alpha, CUDNN_TYPE_FLOAT, 1, &one},
                                               {name->beta, CUDNN_TYPE_FLOAT, 1, &zero}};
    CR_TRY(cr_cudnn_make(calls, name->operation, "an operation", of_operation, 6, &operation));
    const cr_cudnn_attribute of_graph[] = {
        {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation},
        {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target->handle}};
    CR_TRY(cr_cudnn_make(calls, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "a graph", of_graph, target->handle ? 2 : 1,
                         graph));
done:
    cr_cudnn_drop(calls, &operation);
    cr_cudnn_drop(calls, &convolution);
    cr_cudnn_drop(calls, &y);
    cr_cudnn_drop(calls, &w);
    cr_cudnn_drop(calls, &x);
    return status;
}
