/* The network as data: a short list of coarse layers in the order in which they run, the shapes of the values between
 * them, and one table of tensors. A backend compiles it; nothing here computes.
 *
 * State layout. All parameters, then all batch-norm statistics, lie in one flat float32 array, the *state*. A gradient
 * has the same layout: parameter gradients first, then each batch norm's (mean, unbiased variance) of the micro-batch,
 * so that statistics ride through the gradient tree with the gradients. Each tensor starts at a multiple of 16 floats;
 * padding is 0. Inside a convolution weight a backend may permute elements (its native layout); everything elementwise
 * is indifferent to that.
 */
#ifndef CRISOL_NET_H
#define CRISOL_NET_H

#include "crisol/buckets.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CR_NET_NAME_MAX = 96,
    CR_NET_MAX_HIDDEN = 8
};

typedef enum cr_layer_kind {
    CR_LAYER_CONV,                /* convolution (+ bias | batch norm) (+ residual add) (+ ReLU) */
    CR_LAYER_MAX_POOL,            /* square window, padding counts as -inf, first maximum takes the gradient */
    CR_LAYER_GLOBAL_AVERAGE_POOL, /* [C,H,W] → [C,1,1] */
    CR_LAYER_DENSE,               /* y = x Wᵀ + b (+ ReLU); x is flattened as C,H,W */
    CR_LAYER_DROPOUT,             /* training: x · mask / (1 - p); evaluation: identity */
    CR_LAYER_CONCAT               /* src's channels, then src2's; 1 × 1 values */
} cr_layer_kind;

typedef enum cr_tensor_role {
    CR_TENSOR_CONV_WEIGHT,  /* [out, in, kh, kw] */
    CR_TENSOR_DENSE_WEIGHT, /* [out, in] */
    CR_TENSOR_BIAS,         /* [out] */
    CR_TENSOR_BN_WEIGHT,    /* [channels] */
    CR_TENSOR_BN_BIAS,      /* [channels] */
    CR_TENSOR_BN_MEAN,      /* [channels], statistic */
    CR_TENSOR_BN_VAR        /* [channels], statistic */
} cr_tensor_role;

typedef struct cr_shape { /* of one sample */
    int64_t channels, height, width;
} cr_shape;

typedef struct cr_tensor {
    char name[CR_NET_NAME_MAX]; /* torchvision's: "image.layer1.0.conv1.weight", "image.bn1.running_mean" */
    cr_tensor_role role;
    int rank;
    int64_t shape[4];
    int64_t count;    /* elements */
    int64_t offset;   /* first element in the state, a multiple of 16 */
    bool is_backbone; /* part of the image branch (pretrained, learning-rate factor) */
} cr_tensor;

typedef struct cr_layer {
    cr_layer_kind kind;
    char name[CR_NET_NAME_MAX];      /* "image.layer1.0.conv1" */
    int src;                         /* index of the value it reads */
    int src2;                        /* CONV: value added before the activation; CONCAT: second half; otherwise -1 */
    int dst;                         /* index of the value it writes; each value is written once */
    int64_t kernel, stride, padding; /* CONV, MAX_POOL: square */
    bool relu;                       /* CONV, DENSE */
    double dropout;                  /* DROPOUT: probability of zero */
    int weight, bias;                /* tensor indices, -1 where absent */
    int bn_weight, bn_bias, bn_mean, bn_var; /* CONV with batch norm (eps 1e-5), otherwise -1 */
} cr_layer;

typedef struct cr_net {
    cr_layer *layers;
    int n_layers;
    cr_shape *values; /* 0 = image [3, size, size], 1 = metadata [n_features, 1, 1]; then one a layer */
    int n_values;
    int logits;         /* index of the value with the logits [n_classes, 1, 1] */
    cr_tensor *tensors; /* parameters in forward order, then statistics in forward order */
    int n_tensors, n_param_tensors;
    int64_t n_params; /* floats of the parameter part of the state, padding included, a multiple of 16 */
    int64_t n_stats;  /* floats of the statistics part, which follows directly */
    int64_t image_size, n_features, n_classes;
    bool uses_image, uses_metadata;
} cr_net;

enum {
    CR_VALUE_IMAGE = 0,
    CR_VALUE_METADATA = 1
};

typedef enum cr_inputs {
    CR_INPUTS_BOTH,
    CR_INPUTS_IMAGE,
    CR_INPUTS_METADATA
} cr_inputs;

typedef struct cr_fusion_params {
    const char *backbone; /* a cr_net_backbone_name() */
    cr_inputs inputs;
    int64_t image_size;                         /* 224 */
    int64_t n_features;                         /* encoded metadata width; 0 with CR_INPUTS_IMAGE */
    int64_t n_classes;                          /* ≥ 2 */
    int64_t metadata_hidden[CR_NET_MAX_HIDDEN]; /* widths, each Linear + ReLU (+ dropout between when > 0) */
    int n_metadata_hidden;
    double metadata_dropout; /* after each hidden layer but the last */
    int64_t head_hidden[CR_NET_MAX_HIDDEN];
    int n_head_hidden;
    double head_dropout; /* after each hidden layer of the head */
} cr_fusion_params;

/* "resnet18", "resnet34", "resnet50" (torchvision's, fc left out; 512, 512, 2048 features), null behind the last. */
const char *cr_net_backbone_name(int backbone);

/* The fused classifier: backbone (fc = identity) → features ‖ metadata MLP → concat → head MLP → logits. Tensor names
 * follow PyTorch's nn.Sequential with Linear, ReLU, Dropout as members: image.*, metadata.0, metadata.3, head.0,
 * head.3 (a Dropout module is a member whenever the model has the option, i.e. always in the head, and in the metadata
 * branch between hidden layers). With one input, the concat and the other branch are absent. Errors: CR_BAD_CONFIG for
 * unknown backbone or impossible sizes. Local. */
CR_NODISCARD cr_status cr_net_create_fusion(const cr_fusion_params *params, cr_net **net);

/* One part of that model as a net of its own, with the same tensor names, for whoever wants its features: IMAGE ends in
 * the pooled features; METADATA in the last hidden layer, CR_BAD_CONFIG without one; HEAD reads params->n_features
 * numbers as metadata, which here are the other parts' features, image first. Local. */
typedef enum cr_fusion_part {
    CR_FUSION_IMAGE,
    CR_FUSION_METADATA,
    CR_FUSION_HEAD
} cr_fusion_part;
CR_NODISCARD cr_status cr_net_create_fusion_part(const cr_fusion_params *params, cr_fusion_part part, cr_net **net);
void cr_net_destroy(cr_net **net);

/* Building blocks, for backbones and for tests with tiny nets. Each cr_net_add_* appends a layer and returns by *dst
 * the index of its value. */
CR_NODISCARD cr_status cr_net_create_empty(int64_t image_size, int64_t n_features, cr_net **net);
typedef struct cr_conv_params {
    int64_t out_channels, kernel, stride, padding;
    bool bias, batch_norm, relu;
    int add;             /* value added before the activation, or -1 */
    const char *name;    /* "image.layer1.0.conv1" */
    const char *bn_name; /* "image.layer1.0.bn1", null without batch norm */
} cr_conv_params;
CR_NODISCARD cr_status cr_net_add_conv(cr_net *net, int src, const cr_conv_params *params, int *dst);
CR_NODISCARD cr_status cr_net_add_max_pool(cr_net *net, int src, int64_t kernel, int64_t stride, int64_t padding,
                                           int *dst);
CR_NODISCARD cr_status cr_net_add_global_average_pool(cr_net *net, int src, int *dst);
CR_NODISCARD cr_status cr_net_add_dense(cr_net *net, int src, int64_t out_features, bool relu, const char *name,
                                        int *dst);
CR_NODISCARD cr_status cr_net_add_dropout(cr_net *net, int src, double probability, const char *name, int *dst);
CR_NODISCARD cr_status cr_net_add_concat(cr_net *net, int src, int src2, int *dst);
/* Marks the last value as logits and lays out the state. No layer may be added afterwards. */
CR_NODISCARD cr_status cr_net_finish(cr_net *net);

/* Initial state in canonical layout (OIHW, row-major), n_params + n_stats floats. Convolutions: kaiming normal, fan_out
 * (torchvision resnet.py); batch norm 1 and 0; Linear: uniform ± 1/sqrt(fan_in) for weight and bias (torch.nn.Linear).
 * Statistics: mean 0, variance 1. Numbers from Philox (seed, CR_RNG_INIT, 0, tensor index). */
void cr_net_init_state(const cr_net *net, uint64_t seed, float *state);

/* Layers of the net up to the end of a stage of the image network, "stem" (convolution and pooling) or "layer1" …
 * "layer4"; -1 when the net has no such stage. Layers and tensors lie in the same order. */
int cr_net_count_layers(const cr_net *net, const char *stage);
/* Floats of the parameters, and of the statistics, of the net's first `n_layers` layers: both are the first of their
 * part of the state. */
void cr_net_count_state(const cr_net *net, int n_layers, int64_t *n_params, int64_t *n_stats);

/* The state cut between tensors into buckets of an eighth at least; what is left of the first layers is one more. */
void cr_net_buckets(const cr_net *net, cr_buckets *buckets);

/* Index of the tensor of this name, or -1. */
int cr_net_find_tensor(const cr_net *net, const char *name);

/* Multiply-adds of one sample's forward pass (convolution and dense). */
int64_t cr_net_forward_macs(const cr_net *net);

#endif
