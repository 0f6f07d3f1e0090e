#include "dnnl_calls.h"

#include "weights.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory descriptors are plain structs in 2.x and handles in 3.x; `shape` hides which. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t shape_desc;
typedef const_dnnl_memory_desc_t shape_view;
#define VIEW(desc) (desc)
#define BYTES(view) dnnl_memory_desc_get_size(view)
#define EQUAL(a, b) (dnnl_memory_desc_equal(a, b) != 0)
#else
typedef dnnl_memory_desc_t shape_desc;
typedef const dnnl_memory_desc_t *shape_view;
#define VIEW(desc) (&(desc))
#define BYTES(view) dnnl_memory_desc_get_size(view)
#define EQUAL(a, b) (dnnl_memory_desc_equal(a, b) != 0)
#endif

enum {
    ARRAY_SRC,
    ARRAY_WEIGHTS,
    ARRAY_BIAS,
    ARRAY_DST,
    ARRAY_SCRATCH,
    N_ARRAYS
};

struct cr_engine {
    dnnl_engine_t handle;
};

struct cr_operation {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_memory_t memories[N_ARRAYS]; /* null where the operation has no such array */
    dnnl_exec_arg_t args[N_ARRAYS];
    int n_args;
    shape_desc weights; /* convolutions: what it reads or writes */
    bool has_weights, weights_are_native;
    dnnl_dims_t weight_dims;
    size_t scratch_bytes;
    char name[64];
};

/* What a new operation's arrays are called by oneDNN, and how they lie. */
typedef struct cr_binding {
    int array, arg;
    shape_view view;
} cr_binding;

static cr_status check(dnnl_status_t result, const char *what)
{
    if (result == dnnl_success)
        return CR_OK;
    return cr_fail(CR_INTERNAL, "oneDNN: %s failed with status %d%s", what, (int)result,
                   result == dnnl_out_of_memory ? " (out of memory): use a smaller micro-batch" : "");
}

cr_status cr_engine_create(cr_engine **engine)
{
    *engine = calloc(1, sizeof **engine);
    if (!*engine)
        return cr_fail_memory("the oneDNN engine", sizeof **engine);
    cr_status status = check(dnnl_engine_create(&(*engine)->handle, dnnl_cpu, 0), "creating the engine");
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
    return CR_ISA_BASIC;
}

void cr_engine_describe(char *text, size_t text_bytes)
{
    static const char *const names[] = {"below AVX512_CORE", "AVX512_CORE", "AVX512_CORE_BF16", "AVX512_CORE_AMX"};
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, text_bytes, "oneDNN %d.%d.%d, %s", version->major, version->minor, version->patch,
             names[cr_engine_isa()]);
}

void cr_engine_set_threads(int n_threads)
{
    omp_set_num_threads(n_threads);
}

static cr_status describe(shape_desc *desc, int n_dims, const dnnl_dims_t dims, dnnl_data_type_t type,
                          dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR >= 3
    return check(dnnl_memory_desc_create_with_tag(desc, n_dims, dims, type, tag), "describing an array");
#else
    return check(dnnl_memory_desc_init_by_tag(desc, n_dims, dims, type, tag), "describing an array");
#endif
}

static void forget(shape_desc *desc)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
#endif
    memset(desc, 0, sizeof *desc);
}

static cr_status describe_place(shape_desc *desc, const cr_place *place)
{
    static const dnnl_format_tag_t tags[] = {dnnl_nchw, dnnl_nChw16c, dnnl_nhwc};
    dnnl_dims_t dims = {place->n, place->shape.channels, place->shape.height, place->shape.width};
    return describe(desc, 4, dims, place->bf16 ? dnnl_bf16 : dnnl_f32, tags[place->format]);
}

static cr_status describe_native(shape_desc *desc, const dnnl_dims_t dims)
{
    return describe(desc, 4, dims, dnnl_f32, cr_weights_blocked(dims[0], dims[1]) ? dnnl_OIhw16i16o : dnnl_oihw);
}

static shape_view view_of(const_dnnl_primitive_desc_t recipe, dnnl_query_t query)
{
    return dnnl_primitive_desc_query_md(recipe, query, 0);
}

/* Compiles `recipe` (borrowed) and makes the memory objects that its arrays will be hung on. */
static cr_status finish(cr_engine *engine, const_dnnl_primitive_desc_t recipe, const cr_binding *bindings,
                        int n_bindings, cr_operation *operation)
{
    cr_status status = CR_OK;
    const char *name = NULL;
    CR_TRY(check(dnnl_primitive_create(&operation->primitive, recipe), "compiling a kernel"));
    CR_TRY(
        check(dnnl_stream_create(&operation->stream, engine->handle, dnnl_stream_default_flags), "creating a stream"));
    if (dnnl_primitive_desc_query(recipe, dnnl_query_impl_info_str, 0, (void *)&name) == dnnl_success && name)
        snprintf(operation->name, sizeof operation->name, "%s", name);
    for (int b = 0; b < n_bindings; b++) {
        dnnl_memory_t *memory = &operation->memories[bindings[b].array];
        CR_TRY(check(dnnl_memory_create(memory, bindings[b].view, engine->handle, DNNL_MEMORY_NONE),
                     "describing an argument"));
        operation->args[operation->n_args].arg = bindings[b].arg;
        operation->args[operation->n_args++].memory = *memory;
        if (bindings[b].array == ARRAY_SCRATCH)
            operation->scratch_bytes = BYTES(bindings[b].view);
    }
done:
    return status;
}

static cr_status allocate(cr_operation **operation)
{
    *operation = calloc(1, sizeof **operation);
    return *operation ? CR_OK : cr_fail_memory("an operation", sizeof **operation);
}

/* Scratch memory is the caller's, so that one arena serves all operations. */
static cr_status create_attributes(bool sum, bool relu, dnnl_primitive_attr_t *attributes)
{
    cr_status status = CR_OK;
    dnnl_post_ops_t post = NULL;
    CR_TRY(check(dnnl_primitive_attr_create(attributes), "creating attributes"));
    CR_TRY(
        check(dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user), "asking for scratch"));
    if (!sum && !relu)
        goto done;
    CR_TRY(check(dnnl_post_ops_create(&post), "creating fused operations"));
#if DNNL_VERSION_MAJOR >= 3
    if (sum)
        CR_TRY(check(dnnl_post_ops_append_sum(post, 1.0f, 0, dnnl_data_type_undef), "fusing a sum"));
    if (relu)
        CR_TRY(check(dnnl_post_ops_append_eltwise(post, dnnl_eltwise_relu, 0.0f, 0.0f), "fusing ReLU"));
#else
    if (sum)
        CR_TRY(check(dnnl_post_ops_append_sum(post, 1.0f), "fusing a sum"));
    if (relu)
        CR_TRY(check(dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f), "fusing ReLU"));
#endif
    CR_TRY(check(dnnl_primitive_attr_set_post_ops(*attributes, post), "fusing operations"));
done:
    if (post)
        dnnl_post_ops_destroy(post);
    return status;
}

/* The descriptors that a convolution is asked for with; weights in any layout. */
typedef struct convolution_shapes {
    shape_desc src, weights, weight_gradient, bias, dst;
    dnnl_dims_t strides, dilates, padding, weight_dims;
} convolution_shapes;

static cr_status describe_convolution(const cr_convolution_spec *spec, convolution_shapes *shapes)
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
    CR_TRY(
        describe(&shapes->weights, 4, shapes->weight_dims, spec->src.bf16 ? dnnl_bf16 : dnnl_f32, dnnl_format_tag_any));
    CR_TRY(describe(&shapes->weight_gradient, 4, shapes->weight_dims, dnnl_f32, dnnl_format_tag_any));
    CR_TRY(describe(&shapes->bias, 1, bias, dnnl_f32, dnnl_x));
done:
    return status;
}

static void forget_convolution(convolution_shapes *shapes)
{
    forget(&shapes->src);
    forget(&shapes->weights);
    forget(&shapes->weight_gradient);
    forget(&shapes->bias);
    forget(&shapes->dst);
}

static dnnl_status_t forward_recipe(cr_engine *engine, const cr_convolution_spec *spec, convolution_shapes *shapes,
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

/* `hint` is the forward recipe of the same convolution and algorithm. */
static dnnl_status_t backward_recipe(cr_engine *engine, const cr_convolution_spec *spec, convolution_shapes *shapes,
                                     const_dnnl_primitive_attr_t attributes, const_dnnl_primitive_desc_t hint,
                                     dnnl_primitive_desc_t *recipe)
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

static cr_status remember_weights(cr_operation *operation, const convolution_shapes *shapes, shape_view weights)
{
    cr_status status = CR_OK;
    shape_desc native;
    memset(&native, 0, sizeof native);
    memcpy(operation->weight_dims, shapes->weight_dims, sizeof operation->weight_dims);
    CR_TRY(describe_native(&native, shapes->weight_dims));
    operation->weights_are_native = EQUAL(weights, VIEW(native));
#if DNNL_VERSION_MAJOR >= 3
    CR_TRY(check(dnnl_memory_desc_clone(&operation->weights, weights), "copying a descriptor"));
#else
    operation->weights = *weights;
#endif
    operation->has_weights = true;
done:
    forget(&native);
    return status;
}

/* `recipe` becomes an operation with the arrays that its pass has. */
static cr_status finish_convolution(cr_engine *engine, const cr_convolution_spec *spec,
                                    const convolution_shapes *shapes, const_dnnl_primitive_desc_t recipe,
                                    cr_operation *operation)
{
    cr_status status = CR_OK;
    bool data = spec->pass == CR_PASS_DATA, gradient = spec->pass == CR_PASS_WEIGHTS;
    shape_view weights = view_of(recipe, gradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
    cr_binding bindings[N_ARRAYS];
    int n = 0;
    bindings[n++] = (cr_binding){ARRAY_SRC, data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
                                 view_of(recipe, data ? dnnl_query_diff_src_md : dnnl_query_src_md)};
    bindings[n++] = (cr_binding){ARRAY_WEIGHTS, gradient ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, weights};
    bindings[n++] = (cr_binding){ARRAY_DST, data || gradient ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST,
                                 view_of(recipe, data || gradient ? dnnl_query_diff_dst_md : dnnl_query_dst_md)};
    if (spec->bias && !data && !gradient)
        bindings[n++] = (cr_binding){ARRAY_BIAS, DNNL_ARG_BIAS, VIEW(shapes->bias)};
    shape_view scratch = view_of(recipe, dnnl_query_scratchpad_md);
    if (BYTES(scratch) > 0)
        bindings[n++] = (cr_binding){ARRAY_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch};
    CR_TRY(finish(engine, recipe, bindings, n, operation));
    CR_TRY(remember_weights(operation, shapes, weights));
done:
    return status;
}

cr_status cr_convolution_create(cr_engine *engine, const cr_convolution_spec *spec, cr_operation **operation)
{
    cr_status status = CR_OK;
    convolution_shapes shapes;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    memset(&shapes, 0, sizeof shapes);
    *operation = NULL;
    CR_TRY(describe_convolution(spec, &shapes));
    CR_TRY(create_attributes(spec->sum, spec->relu, &attributes));
    dnnl_status_t result = forward_recipe(engine, spec, &shapes, attributes, &forward);
    if (result == dnnl_success && (spec->pass == CR_PASS_DATA || spec->pass == CR_PASS_WEIGHTS))
        result = backward_recipe(engine, spec, &shapes, attributes, forward, &backward);
    if (result == dnnl_unimplemented)
        goto done;
    CR_TRY(check(result, "choosing a convolution"));
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

static dnnl_status_t product_recipe(cr_engine *engine, shape_desc *a, shape_desc *b, shape_desc *bias, shape_desc *c,
                                    const_dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *recipe)
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

cr_status cr_product_create(cr_engine *engine, const cr_product_spec *spec, cr_operation **operation)
{
    cr_status status = CR_OK;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t recipe = NULL;
    shape_desc a, b, bias, c;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    memset(&bias, 0, sizeof bias);
    memset(&c, 0, sizeof c);
    *operation = NULL;
    dnnl_dims_t a_dims = {spec->m, spec->k}, b_dims = {spec->k, spec->n}, bias_dims = {1, spec->n};
    dnnl_dims_t c_dims = {spec->m, spec->n};
    CR_TRY(describe(&a, 2, a_dims, dnnl_f32, spec->a_transposed ? dnnl_ba : dnnl_ab));
    CR_TRY(describe(&b, 2, b_dims, dnnl_f32, spec->b_transposed ? dnnl_ba : dnnl_ab));
    CR_TRY(describe(&bias, 2, bias_dims, dnnl_f32, dnnl_ab));
    CR_TRY(describe(&c, 2, c_dims, dnnl_f32, dnnl_ab));
    CR_TRY(create_attributes(false, spec->relu, &attributes));
    CR_TRY(check(product_recipe(engine, &a, &b, spec->bias ? &bias : NULL, &c, attributes, &recipe),
                 "choosing a matrix product"));
    CR_TRY(allocate(operation));
    cr_binding bindings[N_ARRAYS] = {{ARRAY_SRC, DNNL_ARG_SRC, VIEW(a)},
                                     {ARRAY_WEIGHTS, DNNL_ARG_WEIGHTS, VIEW(b)},
                                     {ARRAY_DST, DNNL_ARG_DST, VIEW(c)}};
    int n = 3;
    if (spec->bias)
        bindings[n++] = (cr_binding){ARRAY_BIAS, DNNL_ARG_BIAS, VIEW(bias)};
    shape_view scratch = view_of(recipe, dnnl_query_scratchpad_md);
    if (BYTES(scratch) > 0)
        bindings[n++] = (cr_binding){ARRAY_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch};
    CR_TRY(finish(engine, recipe, bindings, n, *operation));
done:
    if (recipe)
        dnnl_primitive_desc_destroy(recipe);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    forget(&a);
    forget(&b);
    forget(&bias);
    forget(&c);
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
    shape_desc native;
    memset(&native, 0, sizeof native);
    *operation = NULL;
    CR_TRY(plain ? describe(&native, 4, user->weight_dims, dnnl_f32, dnnl_oihw)
                 : describe_native(&native, user->weight_dims));
    CR_TRY(create_attributes(false, false, &attributes));
    shape_view from = pack ? VIEW(native) : VIEW(user->weights), to = pack ? VIEW(user->weights) : VIEW(native);
    dnnl_status_t result =
        dnnl_reorder_primitive_desc_create(&recipe, from, engine->handle, to, engine->handle, attributes);
    if (result == dnnl_unimplemented)
        goto done;
    CR_TRY(check(result, "choosing a reorder of weights"));
    CR_TRY(allocate(operation));
    cr_binding bindings[N_ARRAYS] = {{ARRAY_SRC, DNNL_ARG_FROM, from}, {ARRAY_DST, DNNL_ARG_TO, to}};
    int n = 2;
    shape_view scratch = view_of(recipe, dnnl_query_scratchpad_md);
    if (BYTES(scratch) > 0)
        bindings[n++] = (cr_binding){ARRAY_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch};
    CR_TRY(finish(engine, recipe, bindings, n, *operation));
done:
    if (recipe)
        dnnl_primitive_desc_destroy(recipe);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    forget(&native);
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
    forget(&old->weights);
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
    return operation->has_weights ? BYTES(VIEW(operation->weights)) : 0;
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
            CR_TRY(check(dnnl_memory_set_data_handle(operation->memories[m], (void *)pointers[m]), "passing an array"));
    CR_TRY(check(dnnl_primitive_execute(operation->primitive, operation->stream, operation->n_args, operation->args),
                 "running a kernel"));
    CR_TRY(check(dnnl_stream_wait(operation->stream), "waiting for a kernel"));
done:
    return status;
}
