#include "dnnl_recipes.h"

#include <string.h>

cr_status cr_dnnl_check(dnnl_status_t result, const char *what)
{
    if (result == dnnl_success)
        return CR_OK;
    return cr_fail(CR_INTERNAL, "oneDNN: %s failed with status %d%s", what, (int)result,
                   result == dnnl_out_of_memory ? " (out of memory): use a smaller micro-batch" : "");
}

cr_status cr_shape_describe(cr_shape_desc *desc, int n_dims, const dnnl_dims_t dims, dnnl_data_type_t type,
                            dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR >= 3
    return cr_dnnl_check(dnnl_memory_desc_create_with_tag(desc, n_dims, dims, type, tag), "describing an array");
#else
    return cr_dnnl_check(dnnl_memory_desc_init_by_tag(desc, n_dims, dims, type, tag), "describing an array");
#endif
}

cr_status cr_shape_copy(cr_shape_desc *desc, cr_shape_view from)
{
#if DNNL_VERSION_MAJOR >= 3
    return cr_dnnl_check(dnnl_memory_desc_clone(desc, from), "copying a description");
#else
    *desc = *from;
    return CR_OK;
#endif
}

void cr_shape_forget(cr_shape_desc *desc)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
#endif
    memset(desc, 0, sizeof *desc);
}

/* Strides, sizes and coordinates of blocks, as each version keeps them. */
static bool read_blocking(cr_shape_view view, const dnnl_dim_t **strides, const dnnl_dim_t **dims,
                          const dnnl_dim_t **padded, int *n_blocks, const dnnl_dim_t **blocks,
                          const dnnl_dim_t **indices, dnnl_data_type_t *type)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_format_kind_t kind;
    return dnnl_memory_desc_query(view, dnnl_query_format_kind, &kind) == dnnl_success && kind == dnnl_blocked &&
           dnnl_memory_desc_query(view, dnnl_query_strides, strides) == dnnl_success &&
           dnnl_memory_desc_query(view, dnnl_query_dims, dims) == dnnl_success &&
           dnnl_memory_desc_query(view, dnnl_query_padded_dims, padded) == dnnl_success &&
           dnnl_memory_desc_query(view, dnnl_query_inner_nblks_s32, n_blocks) == dnnl_success &&
           dnnl_memory_desc_query(view, dnnl_query_inner_blks, blocks) == dnnl_success &&
           dnnl_memory_desc_query(view, dnnl_query_inner_idxs, indices) == dnnl_success &&
           dnnl_memory_desc_query(view, dnnl_query_data_type, type) == dnnl_success;
#else
    const dnnl_blocking_desc_t *blocking = &view->format_desc.blocking;
    *strides = blocking->strides;
    *dims = view->dims;
    *padded = view->padded_dims;
    *n_blocks = blocking->inner_nblks;
    *blocks = blocking->inner_blks;
    *indices = blocking->inner_idxs;
    *type = view->data_type;
    return view->format_kind == dnnl_blocked && view->extra.flags == 0;
#endif
}

bool cr_shape_layout(cr_shape_view view, cr_weight_layout *layout)
{
    const dnnl_dim_t *strides, *dims, *padded, *blocks, *indices;
    dnnl_data_type_t type;
    int n_blocks;
    if (!read_blocking(view, &strides, &dims, &padded, &n_blocks, &blocks, &indices, &type) ||
        n_blocks > CR_LAYOUT_BLOCKS || (type != dnnl_bf16 && type != dnnl_f32))
        return false;
    layout->bf16 = type == dnnl_bf16;
    layout->n_blocks = n_blocks;
    for (int d = 0; d < 4; d++) {
        layout->strides[d] = strides[d];
        if (dims[d] != padded[d])
            return false;
    }
    for (int b = 0; b < n_blocks; b++) {
        layout->blocks[b] = blocks[b];
        layout->dims[b] = (int)indices[b];
    }
    return true;
}

cr_status cr_attributes_create(bool sum, bool relu, dnnl_primitive_attr_t *attributes)
{
    cr_status status = CR_OK;
    dnnl_post_ops_t post = NULL;
    CR_TRY(cr_dnnl_check(dnnl_primitive_attr_create(attributes), "creating attributes"));
    CR_TRY(cr_dnnl_check(dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user),
                         "asking for scratch"));
    if (!sum && !relu)
        goto done;
    CR_TRY(cr_dnnl_check(dnnl_post_ops_create(&post), "creating fused operations"));
#if DNNL_VERSION_MAJOR >= 3
    if (sum)
        CR_TRY(cr_dnnl_check(dnnl_post_ops_append_sum(post, 1.0f, 0, dnnl_data_type_undef), "fusing a sum"));
    if (relu)
        CR_TRY(cr_dnnl_check(dnnl_post_ops_append_eltwise(post, dnnl_eltwise_relu, 0.0f, 0.0f), "fusing ReLU"));
#else
    if (sum)
        CR_TRY(cr_dnnl_check(dnnl_post_ops_append_sum(post, 1.0f), "fusing a sum"));
    if (relu)
        CR_TRY(cr_dnnl_check(dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f), "fusing ReLU"));
#endif
    CR_TRY(cr_dnnl_check(dnnl_primitive_attr_set_post_ops(*attributes, post), "fusing operations"));
done:
    if (post)
        dnnl_post_ops_destroy(post);
    return status;
}

dnnl_status_t cr_recipe_forward(const cr_engine *engine, const cr_convolution_spec *spec, cr_convolution_shapes *shapes,
                                const_dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *recipe)
{
    dnnl_alg_kind_t kind = spec->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
    dnnl_prop_kind_t mode = spec->pass == CR_PASS_EVALUATION ? dnnl_forward_inference : dnnl_forward_training;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(
        recipe, engine->handle, mode, kind, shapes->src, shapes->weights, spec->bias ? shapes->bias : NULL, shapes->dst,
        shapes->strides, shapes->dilates, shapes->padding, shapes->padding, attributes);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t result = dnnl_convolution_forward_desc_init(&desc, mode, kind, &shapes->src, &shapes->weights,
                                                              spec->bias ? &shapes->bias : NULL, &shapes->dst,
                                                              shapes->strides, shapes->padding, shapes->padding);
    return result != dnnl_success ? result
                                  : dnnl_primitive_desc_create(recipe, &desc, attributes, engine->handle, NULL);
#endif
}

dnnl_status_t cr_recipe_backward(const cr_engine *engine, const cr_convolution_spec *spec,
                                 cr_convolution_shapes *shapes, const_dnnl_primitive_attr_t attributes,
                                 const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *recipe)
{
    dnnl_alg_kind_t kind = spec->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    if (spec->pass == CR_PASS_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(
            recipe, engine->handle, kind, shapes->src, shapes->weights, shapes->dst, shapes->strides, shapes->dilates,
            shapes->padding, shapes->padding, hint, attributes);
    return dnnl_convolution_backward_weights_primitive_desc_create(
        recipe, engine->handle, kind, shapes->src, shapes->weight_gradient, NULL, shapes->dst, shapes->strides,
        shapes->dilates, shapes->padding, shapes->padding, hint, attributes);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t result =
        spec->pass == CR_PASS_DATA
            ? dnnl_convolution_backward_data_desc_init(&desc, kind, &shapes->src, &shapes->weights, &shapes->dst,
                                                       shapes->strides, shapes->padding, shapes->padding)
            : dnnl_convolution_backward_weights_desc_init(&desc, kind, &shapes->src, &shapes->weight_gradient, NULL,
                                                          &shapes->dst, shapes->strides, shapes->padding,
                                                          shapes->padding);
    return result != dnnl_success ? result
                                  : dnnl_primitive_desc_create(recipe, &desc, attributes, engine->handle, hint);
#endif
}

dnnl_status_t cr_recipe_product(const cr_engine *engine, cr_shape_desc *a, cr_shape_desc *b, cr_shape_desc *bias,
                                cr_shape_desc *c, const_dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *recipe)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(recipe, engine->handle, *a, *b, bias ? *bias : NULL, *c, attributes);
#else
    dnnl_matmul_desc_t desc;
    dnnl_status_t result = dnnl_matmul_desc_init(&desc, a, b, bias, c);
    return result != dnnl_success ? result
                                  : dnnl_primitive_desc_create(recipe, &desc, attributes, engine->handle, NULL);
#endif
}
