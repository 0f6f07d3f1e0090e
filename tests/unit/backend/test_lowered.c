/* Which steps a net becomes, and how long the buffers of its values and gradients live. */
#include "lowered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct lowering {
    cr_net *net;
    cr_program_params params;
    cr_forms forms;
    cr_lowered lowered;
} lowering;

static lowering start(int64_t image_size, int64_t n_features)
{
    lowering l = {.params = {.micro_batch = 2, .training = true, .n_threads = 1},
                  .forms = {.sizes = {{1, 4}, {8, 2}, {1, 2}}, .image = CR_FORM_INPUT}};
    assert_int_equal(cr_net_create_empty(image_size, n_features, &l.net), CR_OK);
    return l;
}

static int conv(lowering *l, int src, int add, const char *name, const char *bn_name)
{
    int dst;
    cr_conv_params params = {.out_channels = 3,
                             .kernel = 3,
                             .stride = 1,
                             .padding = 1,
                             .batch_norm = true,
                             .relu = true,
                             .add = add,
                             .name = name,
                             .bn_name = bn_name};
    assert_int_equal(cr_net_add_conv(l->net, src, &params, &dst), CR_OK);
    return dst;
}

static int dense(lowering *l, int src, int64_t width, const char *name)
{
    int dst;
    assert_int_equal(cr_net_add_dense(l->net, src, width, true, name, &dst), CR_OK);
    return dst;
}

static int max_pool(lowering *l, int src, int64_t kernel)
{
    int dst;
    assert_int_equal(cr_net_add_max_pool(l->net, src, kernel, 2, 0, &dst), CR_OK);
    return dst;
}

static cr_status lower(lowering *l)
{
    if (l->net->logits < 0)
        assert_int_equal(cr_net_finish(l->net), CR_OK);
    cr_lowered_clear(&l->lowered);
    return cr_net_lower(l->net, &l->params, &l->forms, &l->lowered);
}

/* One letter a step: Convolution (P: pools), Max pool, Average pool, Dense, dRopout, conCat → J, conVert. */
static void expect_steps(lowering *l, const char *kinds)
{
    static const char letters[] = "CMADRJV";
    assert_int_equal(lower(l), CR_OK);
    assert_int_equal(l->lowered.n_steps, strlen(kinds));
    for (int s = 0; s < l->lowered.n_steps; s++) {
        const cr_step *step = &l->lowered.steps[s];
        assert_int_equal(step->pool ? 'P' : letters[step->kind], kinds[s]);
        assert_int_equal(step->time, s);
    }
}

static void plan(lowering *l)
{
    cr_lowered *lowered = &l->lowered;
    assert_int_equal(lower(l), CR_OK);
    assert_int_equal(cr_lowered_plan_inputs(lowered), CR_OK);
    for (int s = 0; s < lowered->n_steps; s++)
        assert_int_equal(cr_lowered_plan_forward(lowered, &lowered->steps[s]), CR_OK);
    assert_int_equal(cr_lowered_plan_loss(lowered), CR_OK);
    for (int s = lowered->n_steps - 1; s >= 0; s--)
        assert_int_equal(cr_lowered_plan_backward(lowered, &lowered->steps[s]), CR_OK);
}

static void finish(lowering *l)
{
    cr_lowered_clear(&l->lowered);
    cr_net_destroy(&l->net);
}

static void test_a_norm_and_its_pool_are_one_step_where_it_learns(void **state)
{
    (void)state;
    lowering l = start(8, 0);
    int pooled = max_pool(&l, conv(&l, CR_VALUE_IMAGE, -1, "c0", "b0"), 2);
    dense(&l, conv(&l, pooled, -1, "c1", "b1"), 2, "d");
    expect_steps(&l, "PCVD");
    l.params.frozen_layers = 1;
    expect_steps(&l, "CMCVD");
    assert_false(l.lowered.steps[0].learns);
    assert_false(l.lowered.values[l.lowered.steps[1].dst].wants_gradient);
    assert_true(l.lowered.steps[2].learns);
    l.params = (cr_program_params){.micro_batch = 2};
    expect_steps(&l, "CMCVD");
    finish(&l);
}

static void test_a_form_is_made_once(void **state)
{
    (void)state;
    lowering l = start(4, 0);
    int dst, x = conv(&l, CR_VALUE_IMAGE, -1, "c0", "b0");
    x = conv(&l, CR_VALUE_IMAGE, x, "c1", "b1"); /* reads the image again */
    int a = dense(&l, x, 2, "d0"), b = dense(&l, x, 3, "d1");
    assert_int_equal(cr_net_add_concat(l.net, a, b, &dst), CR_OK);
    expect_steps(&l, "CCVDDJ");
    const cr_lowered *lowered = &l.lowered;
    assert_int_equal(lowered->values[lowered->image].form, CR_FORM_INPUT);
    assert_int_equal(lowered->values[lowered->steps[2].src].form, CR_FORM_SPATIAL);
    assert_int_equal(cr_value_bytes(lowered, lowered->steps[2].src), 2 * 8 * 4 * 4 * 2); /* 3 channels are 8 lanes */
    assert_int_equal(cr_value_bytes(lowered, lowered->steps[2].dst), 2 * 3 * 4 * 4 * 4);
    l.forms.image = CR_FORM_SPATIAL;
    expect_steps(&l, "CCVDDJ");
    assert_int_equal(l.lowered.values[l.lowered.image].form, CR_FORM_SPATIAL);
    finish(&l);
}

static void test_a_window_wider_than_a_byte_counts_is_refused(void **state)
{
    (void)state;
    lowering l = start(32, 0);
    dense(&l, max_pool(&l, CR_VALUE_IMAGE, CR_POOL_MAX_KERNEL + 1), 2, "d");
    assert_int_equal(lower(&l), CR_BAD_CONFIG);
    finish(&l);
}

static void test_a_gradient_has_two_parts_and_the_third_is_added(void **state)
{
    (void)state;
    lowering l = start(0, 4);
    int dst, x = dense(&l, CR_VALUE_METADATA, 5, "x"), y[3];
    for (int i = 0; i < 3; i++)
        y[i] = dense(&l, x, 2, (const char *[]){"y0", "y1", "y2"}[i]);
    assert_int_equal(cr_net_add_concat(l.net, y[0], y[1], &dst), CR_OK);
    assert_int_equal(cr_net_add_concat(l.net, dst, y[2], &dst), CR_OK);
    plan(&l);
    const cr_lowered *lowered = &l.lowered;
    const cr_step *steps = lowered->steps; /* x, y0, y1, y2, two concats */
    const cr_value *value = &lowered->values[steps[0].dst];
    assert_int_equal(value->n_gradients, 2);
    assert_int_equal(value->gradients[0], steps[3].sink.buffer); /* backward comes first */
    assert_int_equal(value->gradients[1], steps[2].sink.buffer);
    assert_int_equal(steps[1].sink.add_to, value->gradients[1]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(lowered->plan.buffers[value->gradients[i]].death, cr_backward_time(lowered, &steps[0]));
    assert_int_equal(lowered->plan.buffers[steps[1].sink.buffer].death, cr_backward_time(lowered, &steps[1]));
    assert_int_equal(steps[0].sink.buffer, CR_NONE); /* nobody wants the metadata's */
    finish(&l);
}

static void test_what_backward_reads_lives_until_then(void **state)
{
    (void)state;
    lowering l = start(4, 0);
    int dst, x = conv(&l, CR_VALUE_IMAGE, -1, "c0", "b0");
    x = max_pool(&l, conv(&l, x, x, "c1", "b1"), 2); /* the residual is the source, too */
    assert_int_equal(cr_net_add_dropout(l.net, dense(&l, x, 4, "d0"), 0.5, "r", &dst), CR_OK);
    dense(&l, dst, 2, "d1");
    expect_steps(&l, "CCMVDRD");
    plan(&l);
    const cr_lowered *lowered = &l.lowered;
    const cr_buffer *buffers = lowered->plan.buffers;
    for (int s = 0; s < lowered->n_steps; s++) {
        const cr_step *step = &lowered->steps[s];
        int time = cr_backward_time(lowered, step);
        bool reads_source = step->kind == CR_STEP_CONVOLUTION || step->kind == CR_STEP_DENSE;
        bool remembers = step->kind == CR_STEP_MAX_POOL || step->kind == CR_STEP_DROPOUT;
        assert_true(step->has_backward);
        assert_true(buffers[lowered->values[step->src].buffer].death >= (reads_source ? time : step->time));
        assert_int_equal(remembers, step->bytes != CR_NONE);
        if (remembers)
            assert_int_equal(buffers[step->bytes].death, time);
    }
    const cr_step *residual = &lowered->steps[1], *dropout = &lowered->steps[5];
    assert_int_equal(residual->sink2.buffer, lowered->values[residual->dst].gradients[0]); /* as it is */
    assert_int_equal(dropout->sink.buffer, lowered->values[dropout->dst].gradients[0]);    /* in place */
    finish(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_norm_and_its_pool_are_one_step_where_it_learns),
        cmocka_unit_test(test_a_form_is_made_once),
        cmocka_unit_test(test_a_window_wider_than_a_byte_counts_is_refused),
        cmocka_unit_test(test_a_gradient_has_two_parts_and_the_third_is_added),
        cmocka_unit_test(test_what_backward_reads_lives_until_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
