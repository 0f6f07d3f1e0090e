/* cuDNN's descriptors, made in one call each. All are destroyed by cr_cudnn_drop(). */
#ifndef CRISOL_CUDNN_DESCRIPTORS_H
#define CRISOL_CUDNN_DESCRIPTORS_H

#include "cudnn_plan.h"

/* An attribute on its way to a descriptor. */
typedef struct cr_cudnn_attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
} cr_cudnn_attribute;

/* A finished descriptor with these attributes; `what` names it in errors. */
CR_NODISCARD cr_status cr_cudnn_make(const cr_cudnn_calls *calls, cudnnBackendDescriptorType_t type, const char *what,
                                     const cr_cudnn_attribute *attributes, int n, cudnnBackendDescriptor_t *made);
void cr_cudnn_drop(const cr_cudnn_calls *calls, cudnnBackendDescriptor_t *descriptor);

/* The graph of one convolution pass. It holds what it needs of its parts. */
CR_NODISCARD cr_status cr_cudnn_graph_make(const cr_cudnn_target *target, const cr_conv_shape *shape, cr_conv_pass pass,
                                           cudnnBackendDescriptor_t *graph);

#endif
