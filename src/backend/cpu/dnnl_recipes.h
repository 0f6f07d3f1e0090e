/* The few calls of oneDNN that differ between 2.6 (operation descriptors, memory descriptors as plain structs) and 3.x
 * (neither). Everything else is in dnnl_calls.c; no other file includes oneDNN's header. */
#ifndef CRISOL_BACKEND_CPU_DNNL_RECIPES_H
#define CRISOL_BACKEND_CPU_DNNL_RECIPES_H

#include "dnnl_calls.h"

#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t cr_shape_desc;
typedef const_dnnl_memory_desc_t cr_shape_view;
#define CR_SHAPE_VIEW(desc) (desc)
#else
typedef dnnl_memory_desc_t cr_shape_desc;
typedef const dnnl_memory_desc_t *cr_shape_view;
#define CR_SHAPE_VIEW(desc) (&(desc))
#endif

struct cr_engine {
    dnnl_engine_t handle;
};

/* CR_OK, or CR_INTERNAL naming what failed. */
CR_NODISCARD cr_status cr_dnnl_check(dnnl_status_t result, const char *what);

/* A descriptor starts zeroed and is forgotten once; forgetting a zeroed one is allowed. */
CR_NODISCARD cr_status cr_shape_describe(cr_shape_desc *desc, int n_dims, const dnnl_dims_t dims, dnnl_data_type_t type,
                                         dnnl_format_tag_t tag);
CR_NODISCARD cr_status cr_shape_copy(cr_shape_desc *desc, cr_shape_view from);
void cr_shape_forget(cr_shape_desc *desc);
/* See cr_operation_weight_layout(); of four-dimensional descriptors. */
bool cr_shape_layout(cr_shape_view view, cr_weight_layout *layout);

/* Scratch memory is the caller's, so that one arena serves all operations. */
CR_NODISCARD cr_status cr_attributes_create(bool sum, bool relu, dnnl_primitive_attr_t *attributes);

/* The descriptors that a convolution is asked for with; weights in any layout. */
typedef struct cr_convolution_shapes {
    cr_shape_desc src, weights, weight_gradient, bias, dst;
    dnnl_dims_t strides, dilates, padding, weight_dims;
} cr_convolution_shapes;

/* Recipes: oneDNN's choice of a kernel. dnnl_unimplemented where it has none. */
dnnl_status_t cr_recipe_forward(const cr_engine *engine, const cr_convolution_spec *spec, cr_convolution_shapes *shapes,
                                const_dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *recipe);
/* `hint` is the forward recipe of the same convolution and algorithm. */
dnnl_status_t cr_recipe_backward(const cr_engine *engine, const cr_convolution_spec *spec,
                                 cr_convolution_shapes *shapes, const_dnnl_primitive_attr_t attributes,
                                 const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *recipe);
/* `bias` may be null. */
dnnl_status_t cr_recipe_product(const cr_engine *engine, cr_shape_desc *a, cr_shape_desc *b, cr_shape_desc *bias,
                                cr_shape_desc *c, const_dnnl_primitive_attr_t attributes,
                                dnnl_primitive_desc_t *recipe);

#endif
