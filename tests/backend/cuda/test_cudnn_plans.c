/* Every convolution of ResNet-18 and ResNet-50 at micro-batch 16, 32, 64 and 128 has, in each of its passes, a
 * deterministic plan for an H200, chosen by the backend's own rule: asked of cuDNN without a GPU, for one that a file
 * describes. And what a measurement would choose from can be made again from what is stored of it. What is shown is
 * that cuDNN accepts the graphs and names such engines; that they are right and fast only a GPU can show. */
#include "crisol/net.h"
#include "cuda_stem.h"
#include "cudnn_plan.h"
#include "suite_nets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    TEXT_MAX = 64 * 1024,
    SEEN_MAX = 1024,
    SKIPPED = 77
};

static cr_cudnn_target target;

typedef struct seen { /* shapes that were asked for already: networks repeat them */
    cr_conv_shape shapes[SEEN_MAX];
    int n;
} seen;

static bool is_new(seen *all, const cr_conv_shape *shape)
{
    for (int i = 0; i < all->n; i++) {
        const cr_conv_shape *s = &all->shapes[i];
        if (s->n == shape->n && s->in == shape->in && s->height == shape->height && s->width == shape->width &&
            s->out == shape->out && s->kernel == shape->kernel && s->stride == shape->stride &&
            s->padding == shape->padding)
            return false;
    }
    assert_true(all->n < SEEN_MAX);
    all->shapes[all->n++] = *shape;
    return true;
}

static int64_t padded(int64_t channels)
{
    return (channels + 7) / 8 * 8;
}

static cr_conv_shape shape_of(const cr_net *net, const cr_layer *layer, int64_t n, bool bf16)
{
    cr_shape in = net->values[layer->src], out = net->values[layer->dst];
    cr_conv_shape shape;
    memset(&shape, 0, sizeof shape);
    shape.n = n;
    shape.in = padded(in.channels);
    shape.height = in.height;
    shape.width = in.width;
    shape.out = padded(out.channels);
    shape.out_height = out.height;
    shape.out_width = out.width;
    shape.kernel = layer->kernel;
    shape.stride = layer->stride;
    shape.padding = layer->padding;
    shape.bf16 = bf16;
    cr_stem stem;
    if (bf16 && layer->src == CR_VALUE_IMAGE && cr_stem_find(net, &stem))
        cr_stem_shape(&stem, &shape);
    return shape;
}

typedef struct tally {
    int n, n_fallback, n_failed;
    int64_t largest_workspace;
} tally;

static void ask(const cr_conv_shape *shape, cr_conv_pass pass, const char *layer, tally *t)
{
    cr_cudnn_plan plan;
    t->n++;
    if (cr_cudnn_plan_choose(&target, shape, pass, layer, &plan) != CR_OK) {
        printf("n %lld, %s: %s\n", (long long)shape->n, shape->bf16 ? "bf16" : "f32", cr_error_message());
        t->n_failed++;
        return;
    }
    bool good =
        plan.is_deterministic && plan.has_tensor_cores == shape->bf16 && plan.workspace_bytes <= CR_CUDNN_WORKSPACE_MAX;
    if (!good)
        printf("n %lld, layer %s, pass %d: engine %lld is not what the rule wants\n", (long long)shape->n, layer,
               (int)pass, (long long)plan.engine);
    t->n_failed += !good;
    t->n_fallback += plan.is_fallback;
    if (plan.workspace_bytes > t->largest_workspace)
        t->largest_workspace = plan.workspace_bytes;
    cr_cudnn_plan_clear(&target, &plan);
}

static void ask_net(const char *backbone, int64_t n, bool bf16, seen *all, tally *t)
{
    cr_fusion_params params = {.backbone = backbone, .inputs = CR_INPUTS_IMAGE, .image_size = 224, .n_classes = 8};
    cr_net *net = NULL;
    if (cr_net_create_fusion(&params, &net) != CR_OK)
        fail_msg("%s", cr_error_message());
    for (int l = 0; l < net->n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        cr_conv_shape shape;
        if (layer->kind != CR_LAYER_CONV)
            continue;
        shape = shape_of(net, layer, n, bf16);
        if (!is_new(all, &shape))
            continue;
        ask(&shape, CR_CONV_FORWARD, layer->name, t);
        ask(&shape, CR_CONV_WEIGHTS, layer->name, t);
        if (layer->src != CR_VALUE_IMAGE) /* nobody wants the image's gradient */
            ask(&shape, CR_CONV_DATA, layer->name, t);
    }
    cr_net_destroy(&net);
}

static void judge(bool bf16, const int64_t *micro_batches, int count)
{
    tally t = {0};
    seen *all = calloc(1, sizeof *all);
    assert_non_null(all);
    for (int i = 0; i < count; i++) {
        ask_net("resnet18", micro_batches[i], bf16, all, &t);
        ask_net("resnet50", micro_batches[i], bf16, all, &t);
    }
    printf("%s: %d plans for %d shapes, %d of them from the fallbacks, %d failed; largest workspace %.1f MB\n",
           bf16 ? "bf16" : "f32", t.n, all->n, t.n_fallback, t.n_failed, (double)t.largest_workspace / (1 << 20));
    free(all);
    assert_true(t.n > 0);
    assert_int_equal(t.n_failed, 0);
}

static void test_bf16(void **state)
{
    (void)state;
    judge(true, (const int64_t[]){16, 32, 64, 128}, 4);
}

static void test_f32(void **state)
{
    (void)state;
    judge(false, (const int64_t[]){32}, 1);
}

/* The suite's small nets, whose odd shapes the first hour on a GPU meets first: plans of any place in the lists. */
static void test_suite_nets(void **state)
{
    (void)state;
    int n = 0, n_failed = 0;
    for (int i = 0; i < suite_n_nets(); i++) {
        suite_case c;
        suite_case_open(i, 1, false, &c);
        for (int l = 0; l < 2 * c.net->n_layers; l++) {
            const cr_layer *layer = &c.net->layers[l / 2];
            cr_conv_shape shape;
            for (int pass = 0; pass < CR_CONV_N_PASSES && layer->kind == CR_LAYER_CONV; pass++, n++) {
                cr_cudnn_plan plan;
                shape = shape_of(c.net, layer, c.n, l % 2 == 1);
                bool made = cr_cudnn_plan_choose(&target, &shape, (cr_conv_pass)pass, layer->name, &plan) == CR_OK;
                if (!made)
                    printf("%s, %s: %s\n", c.name, shape.bf16 ? "bf16" : "f32", cr_error_message());
                n_failed += !made || !plan.is_deterministic;
                cr_cudnn_plan_clear(&target, &plan);
            }
        }
        suite_case_close(&c);
    }
    printf("the suite's nets: %d plans, %d failed\n", n, n_failed);
    assert_true(n > 0);
    assert_int_equal(n_failed, 0);
}

/* A rule that lets everything pass would not be seen above: no workspace at all is refused by name. */
static void test_impossible_shape(void **state)
{
    (void)state;
    cr_cudnn_plan plan;
    cr_conv_shape shape = {.n = 16,
                           .in = 64,
                           .height = 8,
                           .width = 8,
                           .out = 64,
                           .out_height = 5, /* 8 follows from the rest */
                           .out_width = 5,
                           .kernel = 3,
                           .stride = 1,
                           .padding = 1,
                           .bf16 = true};
    assert_int_equal(cr_cudnn_plan_choose(&target, &shape, CR_CONV_FORWARD, "odd", &plan), CR_INTERNAL);
    assert_non_null(strstr(cr_error_message(), "cuDNN"));
}

static cr_plan stored_of(const cr_cudnn_plan *plan, const cr_conv_shape *shape, cr_conv_pass pass)
{
    cr_plan stored = {.shape = *shape,
                      .pass = pass,
                      .engine = plan->engine,
                      .n_knobs = plan->n_knobs,
                      .place = plan->place,
                      .is_fallback = plan->is_fallback};
    memcpy(stored.knobs, plan->knobs, sizeof stored.knobs);
    return stored;
}

typedef struct restored {
    int n_passes, n_plans, n_choices; /* n_choices: passes with more than one */
    int n_knobs, n_failed;
    int n_alone; /* passes without another engine, if the first one fails its trial */
} restored;

static int count_of_all_lists(const cr_conv_shape *shape, cr_conv_pass pass, const char *layer)
{
    cr_cudnn_plan plans[CR_PLANS_MAX_CANDIDATES];
    int n = 0;
    if (cr_cudnn_plan_list(&target, shape, pass, layer, CR_CUDNN_ALL_LISTS, CR_PLANS_MAX_CANDIDATES, plans, &n) !=
        CR_OK)
        fail_msg("%s", cr_error_message());
    for (int i = 0; i < n; i++)
        cr_cudnn_plan_clear(&target, &plans[i]);
    return n;
}

/* Each candidate for one pass, and again from its engine and knobs. */
static void restore_candidates(const cr_conv_shape *shape, cr_conv_pass pass, const char *layer, restored *r)
{
    cr_cudnn_plan plans[CR_PLANS_MAX_CANDIDATES], by_rule, again;
    int n = 0;
    if (cr_cudnn_plan_list(&target, shape, pass, layer, CR_CUDNN_FIRST_LIST, CR_PLANS_MAX_CANDIDATES, plans, &n) !=
        CR_OK)
        fail_msg("%s", cr_error_message());
    assert_int_equal(cr_cudnn_plan_choose(&target, shape, pass, layer, &by_rule), CR_OK);
    assert_true(n >= 1 && plans[0].engine == by_rule.engine && plans[0].place == by_rule.place);
    cr_cudnn_plan_clear(&target, &by_rule);
    for (int i = 0; i < n; i++) {
        cr_plan stored = stored_of(&plans[i], shape, pass);
        bool made = cr_cudnn_plan_restore(&target, &stored, layer, &again) == CR_OK;
        bool same = made && again.engine == plans[i].engine && again.has_tensor_cores == plans[i].has_tensor_cores &&
                    again.workspace_bytes == plans[i].workspace_bytes && again.is_deterministic;
        if (!same)
            printf("layer %s, pass %d, place %d: %s\n", layer, (int)pass, plans[i].place,
                   made ? "another plan" : cr_error_message());
        r->n_failed += !same;
        r->n_knobs = plans[i].n_knobs > r->n_knobs ? plans[i].n_knobs : r->n_knobs;
        cr_cudnn_plan_clear(&target, &again);
        cr_cudnn_plan_clear(&target, &plans[i]);
    }
    r->n_passes++;
    r->n_plans += n;
    r->n_choices += n > 1;
    r->n_alone += count_of_all_lists(shape, pass, layer) < 2;
}

static void restore_net(int64_t n, bool bf16)
{
    cr_fusion_params params = {.backbone = "resnet18", .inputs = CR_INPUTS_IMAGE, .image_size = 224, .n_classes = 8};
    cr_net *net = NULL;
    restored r = {0};
    seen *all = calloc(1, sizeof *all);
    assert_non_null(all);
    assert_int_equal(cr_net_create_fusion(&params, &net), CR_OK);
    for (int l = 0; l < net->n_layers; l++) {
        const cr_layer *layer = &net->layers[l];
        if (layer->kind != CR_LAYER_CONV)
            continue;
        cr_conv_shape shape = shape_of(net, layer, n, bf16);
        bool fresh = is_new(all, &shape);
        for (int pass = 0; fresh && pass < CR_CONV_N_PASSES; pass++)
            if (pass != CR_CONV_DATA || layer->src != CR_VALUE_IMAGE)
                restore_candidates(&shape, (cr_conv_pass)pass, layer->name, &r);
    }
    printf("%s: %d candidates for %d passes, %d of which have a choice, with at most %d knobs; %d not the same again, "
           "%d without another engine in any list\n",
           bf16 ? "bf16" : "f32", r.n_plans, r.n_passes, r.n_choices, r.n_knobs, r.n_failed, r.n_alone);
    cr_net_destroy(&net);
    free(all);
    assert_true(r.n_choices > 0);
    assert_int_equal(r.n_failed, 0);
    assert_int_equal(r.n_alone, 0);
}

static void test_candidates_restore(void **state)
{
    (void)state;
    restore_net(64, true);
    restore_net(32, false);
}

static void refuse(const cr_plan *stored, const char *why)
{
    cr_cudnn_plan plan;
    assert_int_equal(cr_cudnn_plan_restore(&target, stored, "odd", &plan), CR_BAD_DATA);
    if (!strstr(cr_error_message(), why) || !strstr(cr_error_message(), "layer odd"))
        fail_msg("'%s' does not say '%s'", cr_error_message(), why);
}

/* What a file may name: an engine that is none, one that cuDNN marks as not deterministic, one whose arithmetic is
 * another's, settings that it does not have. */
static void test_stored_refused(void **state)
{
    (void)state;
    enum {
        NONE = 99999,
        MOST = 200
    };
    const cr_conv_shape shape = {.n = 64,
                                 .in = 64,
                                 .height = 56,
                                 .width = 56,
                                 .out = 64,
                                 .out_height = 56,
                                 .out_width = 56,
                                 .kernel = 3,
                                 .stride = 1,
                                 .padding = 1,
                                 .bf16 = true};
    cr_cudnn_plan plan;
    int n, n_conditions = 0, n_other = 0;
    refuse(&(cr_plan){.shape = shape, .engine = NONE}, "engine 99999");
    assert_int_equal(cr_cudnn_plan_list(&target, &shape, CR_CONV_FORWARD, "odd", CR_CUDNN_FIRST_LIST, 1, &plan, &n),
                     CR_OK);
    cr_plan stored = stored_of(&plan, &shape, CR_CONV_FORWARD);
    cr_cudnn_plan_clear(&target, &plan);
    stored.n_knobs = 1;
    stored.knobs[0] = (cr_plan_knob){.type = CUDNN_KNOB_TYPE_TILE_SIZE, .value = -12345};
    refuse(&stored, "cannot be used as stored");
    for (int engine = 0; engine < MOST; engine++) { /* every engine that there is, as it stands by itself */
        const cr_plan any = {.shape = shape, .pass = CR_CONV_WEIGHTS, .engine = engine};
        if (cr_cudnn_plan_restore(&target, &any, "odd", &plan) == CR_OK) {
            assert_true(plan.is_deterministic && plan.has_tensor_cores &&
                        plan.workspace_bytes <= CR_CUDNN_WORKSPACE_MAX);
            cr_cudnn_plan_clear(&target, &plan);
        } else if (strstr(cr_error_message(), "not deterministic, or not of the precision")) {
            n_conditions++;
        } else {
            n_other++;
        }
    }
    printf("of %d engines, %d do not fulfil the conditions, %d are none\n", (int)MOST, n_conditions, n_other);
    assert_true(n_conditions > 0 && n_other > 0);
}

static bool describe(const char *path)
{
    static char text[TEXT_MAX];
    FILE *file = fopen(path, "r");
    if (!file) {
        printf("no %s\n", path);
        return false;
    }
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    if (cr_cudnn_describe_device(target.calls, text, &target.description) == CR_OK)
        return true;
    printf("%s: %s\n", path, cr_error_message());
    return false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bf16),
                                       cmocka_unit_test(test_f32),
                                       cmocka_unit_test(test_suite_nets),
                                       cmocka_unit_test(test_impossible_shape),
                                       cmocka_unit_test(test_candidates_restore),
                                       cmocka_unit_test(test_stored_refused)};
    const char *source = getenv("CRISOL_SOURCE");
    char path[1024];
    if (cr_cudnn_open(&target.calls) != CR_OK) {
        printf("skipped: %s\n", cr_error_message());
        return SKIPPED;
    }
    snprintf(path, sizeof path, "%s/tests/gpu/fixtures/h200.json", source ? source : ".");
    if (!describe(path))
        return 1;
    return cmocka_run_group_tests_name("cuDNN's plans for an H200", tests, NULL, NULL);
}
