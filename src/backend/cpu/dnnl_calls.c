#include "dnnl_recipes.h"

#include "weights.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARRAY_SRC,
    ARRAY_WEIGHTS,
    ARRAY_BIAS,
    ARRAY_DST,
    ARRAY_SCRATCH,
    N_ARRAYS
};

struct cr_operation {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_memory_t memories[N_ARRAYS]; /* null where the operation has no such array */
    dnnl_exec_arg_t args[N_ARRAYS];
    int n_args;
    cr_shape_desc weights; /* convolutions: what it reads or writes */
    bool has_weights, weights_are_native;
    dnnl_dims_t weight_dims;
    size_t scratch_bytes;
    char name[64];
};

/* What a new operation's arrays are called by oneDNN, and how they lie. */
typedef struct cr_binding {
    int array, arg;
    cr_shape_view view;
} cr_binding;

cr_status cr_engine_create(cr_engine **engine)
{
    *engine = calloc(1, sizeof **engine);
    if (!*engine)
        return cr_fail_memory("the oneDNN engine", sizeof **engine);
    cr_status status = cr_dnnl_check(dnnl_engine_create(&(*engine)->handle, dnnl_cpu, 0), "creating the engine");
    if (status != CR_OK)
        cr_engine_destroy(engine);
    return status;
}

void cr_engine_destroy(cr_engine **engine)
{
    if (!engine || !*engine)
        return;
    if ((*engine)->handle)
        dnnl_engine_destroy((*engine)->handle);
    free(*engine);
    *engine = NULL;
}

cr_isa cr_engine_isa(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    if ((isa & (unsigned)dnnl_cpu_isa_avx512_core_amx) == (unsigned)dnnl_cpu_isa_avx512_core_amx)
        return CR_ISA_AMX;
    if ((isa & (unsigned)dnnl_cpu_isa_avx512_core_bf16) == (unsigned)dnnl_cpu_isa_avx512_core_bf16)
        return CR_ISA_AVX512_BF16;
    if ((isa & (unsigned)dnnl_cpu_isa_avx512_core) == (unsigned)dnnl_cpu_isa_avx512_core)
        return CR_ISA_AVX512;
    if ((isa & (unsigned)dnnl_cpu_isa_avx2) == (unsigned)dnnl_cpu_isa_avx2 && __builtin_cpu_supports("fma"))
        return CR_ISA_AVX2;
    return CR_ISA_BASIC;
}

void cr_engine_describe(char *text, size_t text_bytes)
{
    static const char *const names[] = {"below AVX2", "AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "AVX512_CORE_AMX"};
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, text_bytes, "oneDNN %d.%d.%d, %s", version->major, version->minor, version->patch,
             names[cr_engine_isa()]);
}

void cr_engine_set_threads(int n_threads)
{
    omp_set_num_threads(n_threads);
}

static cr_status describe_place(cr_shape_desc *desc, const cr_place *place)
{
    static const dnnl_format_tag_t tags[] = {dnnl_nchw, dnnl_nChw16c, dnnl_nhwc};
    dnnl_dims_t dims = {place->n, place->shape.channels, place->shape.height, place->shape.width};
    return cr_shape_describe(desc, 4, dims, place->bf16 ? dnnl_bf16 : dnnl_f32, tags[place->format]);
}

static cr_status describe_native(cr_shape_desc *desc, const dnnl_dims_t dims)
{
    return cr_shape_describe(desc, 4, dims, dnnl_f32,
                             cr_weights_blocked(dims[0], dims[1]) ? dnnl_OIhw16i16o : dnnl_oihw);
}

static cr_shape_view view_of(const_dnnl_primitive_desc_t recipe, dnnl_query_t query)
{
    return dnnl_primitive_desc_query_md(recipe, query, 0);
}

/* Compiles `recipe` (borrowed) and makes the memory objects that its arrays will be hung on. */
static cr_status finish(cr_engine *engine, const_dnnl_primitive_desc_t recipe, const cr_binding *bindings,
                        int n_bindings, cr_operation *operation)
{
    cr_status status = CR_OK;
    const char *name = NULL;
    CR_TRY(cr_dnnl_check(dnnl_primitive_create(&operation->primitive, recipe), "compiling a kernel"));
    CR_TRY(cr_dnnl_check(dnnl_stream_create(&operation->stream, engine->handle, dnnl_stream_default_flags),
                         "creating a stream"));
    if (dnnl_primitive_desc_query(recipe, dnnl_query_impl_info_str, 0, (void *)&name) == dnnl_success && name)
        snprintf(operation->name, sizeof operation->name, "%s", name);
    for (int b = 0; b < n_bindings; b++) {
        dnnl_memory_t *memory = &operation->memories[bindings[b].array];
        CR_TRY(cr_dnnl_check(dnnl_memory_create(memory, bindings[b].view, engine->handle, DNNL_MEMORY_NONE),
                             "describing an argument"));
        operation->args[operation->n_args].arg = bindings[b].arg;
        operation->args[operation->n_args++].memory = *memory;
        if (bindings[b].array == ARRAY_SCRATCH)
            operation->scratch_bytes = dnnl_memory_desc_get_size(bindings[b].view);
    }
done:
    return status;
}

static cr_status allocate(cr_operation **operation)
{
    *operation = calloc(1, sizeof **operation);
    return *operation ? CR_OK : cr_fail_memory("an operation", sizeof **operation);
}

static cr_status describe_convolution(const cr_convolution_spec *spec, cr_convolution_shapes *shapes)
{
    cr_status status = CR_OK;
    dnnl_dims_t bias = {spec->dst.shape.channels};
    for (int d = 0; d < 2; d++) {
        shapes->strides[d] = spec->stride;
        shapes->padding[d] = spec->padding;
        shapes->weight_dims[2 + d] = spec->kernel;
    }
    shapes->weight_dims[0] = spec->dst.shape.channels;
    shapes->weight_dims[1] = spec->src.shape.channels;
    CR_TRY(describe_place(&shapes->src, &spec->src));
    CR_TRY(describe_place(&shapes->dst, &spec->dst));
    CR_TRY(cr_shape_describe(&shapes->weights, 4, shapes->weight_dims, spec->src.bf16 ? dnnl_bf16 : dnnl_f32,
                             dnnl_format_tag_any));
    CR_TRY(cr_shape_describe(&shapes->weight_gradient, 4, shapes->weight_dims, dnnl_f32, dnnl_format_tag_any));
    CR_TRY(cr_shape_describe(&shapes->bias, 1, bias, dnnl_f32, dnnl_x));
done:
    return status;
}

static void forget_convolution(cr_convolution_shapes *shapes)
{
    cr_shape_forget(&shapes->src);
    cr_shape_forget(&shapes->weights);
    cr_shape_forget(&shapes->weight_gradient);
    cr_shape_forget(&shapes->bias);
    cr_shape_forget(&shapes->dst);
}

static cr_status remember_weights(cr_operation *operation, const cr_convolution_shapes *shapes, cr_shape_view weights)
{
    cr_status status = CR_OK;
    cr_shape_desc native;
    memset(&native, 0, sizeof native);
    memcpy(operation->weight_dims, shapes->weight_dims, sizeof operation->weight_dims);
    CR_TRY(describe_native(&native, shapes->weight_dims));
    operation->weights_are_native = dnnl_memory_desc_equal(weights, CR_SHAPE_VIEW(native)) != 0;
    CR_TRY(cr_shape_copy(&operation->weights, weights));
    operation->has_weights = true;
done:
    cr_shape_forget(&native);
    return status;
}

/* `recipe` becomes an operation with the arrays that its pass has. */
static cr_status finish_convolution(cr_engine *engine, const cr_convolution_spec *spec,
                                    const cr_convolution_shapes *shapes, const_dnnl_primitive_desc_t recipe,
                                    cr_operation *operation)
{
    cr_status status = CR_OK;
    bool data = spec->pass == CR_PASS_DATA, gradient = spec->pass == CR_PASS_WEIGHTS;
    cr_shape_view weights = view_of(recipe, gradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
    cr_binding bindings[N_ARRAYS];
    int n = 0;
    bindings[n++] = (cr_binding){ARRAY_SRC, data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
                                 view_of(recipe, data ? dnnl_query_diff_src_md : dnnl_query_src_md)};
    bindings[n++] = (cr_binding){ARRAY_WEIGHTS, gradient ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, weights};
    bindings[n++] = (cr_binding){ARRAY_DST, data || gradient ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST,
                                 view_of(recipe, data || gradient ? dnnl_query_diff_dst_md : dnnl_query_dst_md)};
    if (spec->bias && !data && !gradient)
        bindings[n++] = (cr_binding){ARRAY_BIAS, DNNL_ARG_BIAS, CR_SHAPE_VIEW(shapes->bias)};
    cr_shape_view scratch = view_of(recipe, dnnl_query_scratchpad_md);
    if (dnnl_memory_desc_get_size(scratch) > 0)
        bindings[n++] = (cr_binding){ARRAY_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch};
    CR_TRY(finish(engine, recipe, bindings, n, operation));
    CR_TRY(remember_weights(operation, shapes, weights));
done:
    return status;
}

cr_status cr_convolution_create(cr_engine *engine, const cr_convolution_spec *spec, cr_operation **operation)
{
    cr_status status = CR_OK;
    cr_convolution_shapes shapes;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    memset(&shapes, 0, sizeof shapes);
    *operation = NULL;
    CR_TRY(describe_convolution(spec, &shapes));
    CR_TRY(cr_attributes_create(spec->sum, spec->relu, &attributes));
    dnnl_status_t result = cr_recipe_forward(engine, spec, &shapes, attributes, &forward);
    if (result == dnnl_success && (spec->pass == CR_PASS_DATA || spec->pass == CR_PASS_WEIGHTS))
        result = cr_recipe_backward(engine, spec, &shapes, attributes, forward, &backward);
    if (result == dnnl_unimplemented)
        goto done;
    CR_TRY(cr_dnnl_check(result, "choosing a convolution"));
    CR_TRY(allocate(operation));
    CR_TRY(finish_convolution(engine, spec, &shapes, backward ? backward : forward, *operation));
done:
    if (backward)
        dnnl_primitive_desc_destroy(backward);
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    forget_convolution(&shapes);
    if (status != CR_OK)
        cr_operation_destroy(operation);
    return status;
}

cr_status cr_product_create(cr_engine *engine, const cr_product_spec *spec, cr_operation **operation)
{
    cr_status status = CR_OK;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t recipe = NULL;
    cr_shape_desc a, b, bias, c;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    memset(&bias, 0, sizeof bias);
    memset(&c, 0, sizeof c);
    *operation = NULL;
    dnnl_dims_t a_dims = {spec->m, spec->k}, b_dims = {spec->k, spec->n}, bias_dims = {1, spec->n};
    dnnl_dims_t c_dims = {spec->m, spec->n};
    CR_TRY(cr_shape_describe(&a, 2, a_dims, dnnl_f32, spec->a_transposed ? dnnl_ba : dnnl_ab));
    CR_TRY(cr_shape_describe(&b, 2, b_dims, dnnl_f32, spec->b_transposed ? dnnl_ba : dnnl_ab));
    CR_TRY(cr_shape_describe(&bias, 2, bias_dims, dnnl_f32, dnnl_ab));
    CR_TRY(cr_shape_describe(&c, 2, c_dims, dnnl_f32, dnnl_ab));
    CR_TRY(cr_attributes_create(false, spec->relu, &attributes));
    CR_TRY(cr_dnnl_check(cr_recipe_product(engine, &a, &b, spec->bias ? &bias : NULL, &c, attributes, &recipe),
                         "choosing a matrix product"));
    CR_TRY(allocate(operation));
    cr_binding bindings[N_ARRAYS] = {{ARRAY_SRC, DNNL_ARG_SRC, CR_SHAPE_VIEW(a)},
                                     {ARRAY_WEIGHTS, DNNL_ARG_WEIGHTS, CR_SHAPE_VIEW(b)},
                                     {ARRAY_DST, DNNL_ARG_DST, CR_SHAPE_VIEW(c)}};
    int n = 3;
    if (spec->bias)
        bindings[n++] = (cr_binding){ARRAY_BIAS, DNNL_ARG_BIAS, CR_SHAPE_VIEW(bias)};
    cr_shape_view scratch = view_of(recipe, dnnl_query_scratchpad_md);
    if (dnnl_memory_desc_get_size(scratch) > 0)
        bindings[n++] = (cr_binding){ARRAY_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch};
    CR_TRY(finish(engine, recipe, bindings, n, *operation));
done:
    if (recipe)
        dnnl_primitive_desc_destroy(recipe);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    cr_shape_forget(&a);
    cr_shape_forget(&b);
    cr_shape_forget(&bias);
    cr_shape_forget(&c);
    if (status != CR_OK)
        cr_operation_destroy(operation);
    return status;
}

static cr_status create_reorder(cr_engine *engine, const cr_operation *user, bool pack, bool plain,
                                cr_operation **operation)
{
    cr_status status = CR_OK;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t recipe = NULL;
    cr_shape_desc native;
    memset(&native, 0, sizeof native);
    *operation = NULL;
    CR_TRY(plain ? cr_shape_describe(&native, 4, user->weight_dims, dnnl_f32, dnnl_oihw)
                 : describe_native(&native, user->weight_dims));
    CR_TRY(cr_attributes_create(false, false, &attributes));
    cr_shape_view from = pack ? CR_SHAPE_VIEW(native) : CR_SHAPE_VIEW(user->weights),
                  to = pack ? CR_SHAPE_VIEW(user->weights) : CR_SHAPE_VIEW(native);
    dnnl_status_t result =
        dnnl_reorder_primitive_desc_create(&recipe, from, engine->handle, to, engine->handle, attributes);
    if (result == dnnl_unimplemented)
        goto done;
    CR_TRY(cr_dnnl_check(result, "choosing a reorder of weights"));
    CR_TRY(allocate(operation));
    cr_binding bindings[N_ARRAYS] = {{ARRAY_SRC, DNNL_ARG_FROM, from}, {ARRAY_DST, DNNL_ARG_TO, to}};
    int n = 2;
    cr_shape_view scratch = view_of(recipe, dnnl_query_scratchpad_md);
    if (dnnl_memory_desc_get_size(scratch) > 0)
        bindings[n++] = (cr_binding){ARRAY_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch};
    CR_TRY(finish(engine, recipe, bindings, n, *operation));
done:
    if (recipe)
        dnnl_primitive_desc_destroy(recipe);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    cr_shape_forget(&native);
    if (status != CR_OK)
        cr_operation_destroy(operation);
    return status;
}

cr_status cr_weights_pack_create(cr_engine *engine, const cr_operation *user, bool plain, cr_operation **operation)
{
    return create_reorder(engine, user, true, plain, operation);
}

cr_status cr_weights_unpack_create(cr_engine *engine, const cr_operation *user, cr_operation **operation)
{
    return create_reorder(engine, user, false, false, operation);
}

void cr_operation_destroy(cr_operation **operation)
{
    if (!operation || !*operation)
        return;
    cr_operation *old = *operation;
    for (int m = 0; m < N_ARRAYS; m++)
        if (old->memories[m])
            dnnl_memory_destroy(old->memories[m]);
    if (old->primitive)
        dnnl_primitive_destroy(old->primitive);
    if (old->stream)
        dnnl_stream_destroy(old->stream);
    cr_shape_forget(&old->weights);
    free(old);
    *operation = NULL;
}

const char *cr_operation_name(const cr_operation *operation)
{
    return operation->name;
}

size_t cr_operation_scratch_bytes(const cr_operation *operation)
{
    return operation->scratch_bytes;
}

size_t cr_operation_weight_bytes(const cr_operation *operation)
{
    return operation->has_weights ? dnnl_memory_desc_get_size(CR_SHAPE_VIEW(operation->weights)) : 0;
}

bool cr_operation_weight_layout(const cr_operation *operation, cr_weight_layout *layout)
{
    return operation->has_weights && cr_shape_layout(CR_SHAPE_VIEW(operation->weights), layout);
}

bool cr_operation_weights_are_native(const cr_operation *operation)
{
    return operation->weights_are_native;
}

cr_status cr_operation_run(cr_operation *operation, const cr_arrays *arrays)
{
    const void *pointers[N_ARRAYS] = {arrays->src, arrays->weights, arrays->bias, arrays->dst, arrays->scratch};
    cr_status status = CR_OK;
    for (int m = 0; m < N_ARRAYS; m++)
        if (operation->memories[m]) /* oneDNN takes read-only arrays by plain pointers, too */
            CR_TRY(cr_dnnl_check(dnnl_memory_set_data_handle(operation->memories[m], (void *)pointers[m]),
                                 "passing an array"));
    CR_TRY(cr_dnnl_check(
        dnnl_primitive_execute(operation->primitive, operation->stream, operation->n_args, operation->args),
        "running a kernel"));
    CR_TRY(cr_dnnl_check(dnnl_stream_wait(operation->stream), "waiting for a kernel"));
done:
    return status;
}
