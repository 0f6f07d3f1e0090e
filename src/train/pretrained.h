/* Weights from elsewhere: how the tensors of a safetensors file fit the image branch of a net, and copying them. */
#ifndef CRISOL_PRETRAINED_H
#define CRISOL_PRETRAINED_H

#include "crisol/net.h"
#include "crisol/run.h"

typedef enum cr_fit {
    CR_FIT_MATCHED,
    CR_FIT_SHAPE,     /* the backbone's name, another shape */
    CR_FIT_TYPE,      /* the backbone's name, integers or the like */
    CR_FIT_IGNORED,   /* known and not wanted: fc.*, num_batches_tracked, the head of an exported model */
    CR_FIT_UNEXPECTED /* no name of the backbone */
} cr_fit;

typedef struct cr_pretrained {
    const cr_net *net;          /* borrowed */
    const cr_safetensors *file; /* borrowed */
    cr_fit *fits;               /* [tensors of the file] */
    int *targets;               /* [tensors of the file] index in the net, or -1 */
    bool *found;                /* [tensors of the net] the file has a tensor of this name */
    int64_t n_backbone;         /* tensors of the net's image branch */
    int64_t n_of[CR_FIT_UNEXPECTED + 1];
    int64_t n_missing;
} cr_pretrained;

/* Names are torchvision's ("conv1.weight") or an exported model's ("image.conv1.weight"); where a file has both, the
 * first counts. */
CR_NODISCARD cr_status cr_pretrained_match(const cr_net *net, const cr_safetensors *file, cr_pretrained *match);
void cr_pretrained_destroy(cr_pretrained *match);

/* CR_OK when every tensor of the image branch is there with its shape; otherwise CR_BAD_DATA naming those that are not.
 */
CR_NODISCARD cr_status cr_pretrained_check(const cr_pretrained *match);

/* A net's name for a tensor without "image.", as torchvision has it. */
const char *cr_pretrained_plain_name(const char *name);
/* "[64, 3, 7, 7]" */
const char *cr_pretrained_shape_text(int rank, const int64_t *shape, char *text, size_t bytes);

/* Copies the image branch from a file into a canonical state, half and double precision converted to float32, and logs
 * what matched. Errors: of cr_safetensors_open() and cr_pretrained_check(); CR_NON_FINITE naming the tensor. */
CR_NODISCARD cr_status cr_pretrained_load(const cr_net *net, const char *path, float *canonical);

#endif
