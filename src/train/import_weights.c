/* Looking at a file of pretrained weights before training with it. */
#include "crisol/train.h"
#include "pretrained.h"

#include <stdio.h>

static const char *const words[] = {[CR_FIT_MATCHED] = "matched",
                                    [CR_FIT_SHAPE] = "SHAPE",
                                    [CR_FIT_TYPE] = "TYPE",
                                    [CR_FIT_IGNORED] = "ignored",
                                    [CR_FIT_UNEXPECTED] = "unexpected"};

static void print_line(const char *word, const char *name, const char *dtype, int rank, const int64_t *shape)
{
    char text[128];
    printf("  %-10s  %-44s %-4s %s", word, name, dtype, cr_pretrained_shape_text(rank, shape, text, sizeof text));
}

static void print_tensors(const cr_pretrained *match)
{
    const cr_net *net = match->net;
    for (int64_t i = 0; i < cr_safetensors_count(match->file); i++) {
        const cr_tensor_view *view = cr_safetensors_at(match->file, i);
        print_line(words[match->fits[i]], view->name, cr_dtype_name(view->dtype), view->rank, view->shape);
        char text[128];
        if (match->fits[i] == CR_FIT_SHAPE) {
            const cr_tensor *tensor = &net->tensors[match->targets[i]];
            printf("  should be %s", cr_pretrained_shape_text(tensor->rank, tensor->shape, text, sizeof text));
        }
        putchar('\n');
    }
    for (int t = 0; t < net->n_tensors; t++) {
        const cr_tensor *tensor = &net->tensors[t];
        if (!tensor->is_backbone || match->found[t])
            continue;
        print_line("MISSING", cr_pretrained_plain_name(tensor->name), "", tensor->rank, tensor->shape);
        putchar('\n');
    }
}

static void print_summary(const cr_pretrained *match, const char *path, const char *backbone)
{
    printf("%s: %lld tensors\n", path, (long long)cr_safetensors_count(match->file));
    printf("%s: %lld of %lld tensors matched, %lld missing, %lld of another shape, %lld of another type; in the file: "
           "%lld ignored, %lld unexpected\n",
           backbone, (long long)match->n_of[CR_FIT_MATCHED], (long long)match->n_backbone, (long long)match->n_missing,
           (long long)match->n_of[CR_FIT_SHAPE], (long long)match->n_of[CR_FIT_TYPE],
           (long long)match->n_of[CR_FIT_IGNORED], (long long)match->n_of[CR_FIT_UNEXPECTED]);
}

cr_status cr_import(const char *path, const char *backbone, bool list)
{
    cr_fusion_params params = {
        .backbone = backbone, .inputs = CR_INPUTS_IMAGE, .image_size = CR_PACK_IMAGE_SIZE, .n_classes = 2};
    cr_net *net = NULL;
    cr_safetensors *file = NULL;
    cr_pretrained match = {0};
    cr_status status = CR_OK;
    CR_TRY(cr_net_create_fusion(&params, &net));
    CR_TRY(cr_safetensors_open(path, &file));
    CR_TRY(cr_pretrained_match(net, file, &match));
    if (list)
        print_tensors(&match);
    print_summary(&match, path, backbone);
    fflush(stdout);
    status = cr_pretrained_check(&match);
    if (status != CR_OK)
        cr_fail_context(status, "%s", path);
done:
    cr_pretrained_destroy(&match);
    cr_safetensors_close(&file);
    cr_net_destroy(&net);
    return status;
}
