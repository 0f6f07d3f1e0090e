/* Runs every small net of the backend suite, in each variant, again and again on the same inputs: convolutions of odd
 * shapes and strides, norms, pools, joins, dropout, mixing, loss. Each time the gradient, the logits, the losses and
 * the evaluation must have one hash. Prints a line a net; exit code 1 when one differs. */
#include "crisol/hash.h"

#include "fusion_case.h"
#include "open_device.h"
#include "suite_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct replay {
    const char *device;
    cr_precision precision;
    int times;
    char label[160];
    cr_backend *backend;
    bool measures; /* engines by measurement */
    cr_plans plans;
    int n_different;
} replay;

static cr_status hash_result(const suite_case *c, const suite_result *r, char text[CR_HASH_TEXT])
{
    cr_status status = CR_OK;
    cr_hasher *hasher = NULL;
    size_t n_state = (size_t)(c->net->n_params + c->net->n_stats), n_logits = (size_t)(c->n * c->net->n_classes);
    CR_TRY(cr_hasher_create(&hasher));
    cr_hasher_update(hasher, r->gradient, n_state * sizeof *r->gradient);
    cr_hasher_update(hasher, r->logits, n_logits * sizeof *r->logits);
    cr_hasher_update(hasher, r->losses, (size_t)c->n * sizeof *r->losses);
    cr_hasher_update(hasher, r->evaluated, n_logits * sizeof *r->evaluated);
    cr_hasher_finish(hasher, text);
done:
    cr_hasher_destroy(&hasher);
    return status;
}

/* One case: programs once, as a training has them, run `times` times. */
static cr_status run_case(replay *p, const suite_case *c, suite_result *result)
{
    cr_status status = CR_OK;
    const suite_target target = {.name = p->device, .precision = p->precision};
    cr_program *training = NULL, *evaluation = NULL;
    float *state = suite_array(p->backend, c);
    char first[CR_HASH_TEXT] = "", now[CR_HASH_TEXT];
    int different = 0;
    CR_TRY(cr_backend_state_import(p->backend, c->net, c->state, state));
    CR_TRY(suite_program(p->backend, &target, c, true, &training));
    CR_TRY(suite_program(p->backend, &target, c, false, &evaluation));
    for (int t = 0; t < p->times; t++) {
        CR_TRY(suite_train(training, c, state, result));
        CR_TRY(cr_program_evaluate(evaluation, state, &c->batch, result->evaluated));
        CR_TRY(hash_result(c, result, now));
        if (t == 0)
            memcpy(first, now, sizeof first);
        different += strcmp(first, now) != 0;
    }
    p->n_different += different > 0;
    printf("%s %s: %s, %d of %d the same\n", different ? "DIFFERS" : "same", c->name, first, p->times - different,
           p->times);
done:
    cr_program_destroy(&training);
    cr_program_destroy(&evaluation);
    suite_array_free(p->backend, state);
    return status;
}

static cr_status run_all(replay *p)
{
    cr_status status = open_device(p->device, &p->backend, p->label);
    if (status == CR_OK && p->measures)
        cr_backend_use_plans(p->backend, &p->plans, true);
    for (int i = 0; status == CR_OK && i < suite_n_nets() * SUITE_N_VARIANTS; i++) {
        suite_case c;
        suite_result result;
        suite_case_open(i / SUITE_N_VARIANTS, 1, false, &c);
        suite_case_vary(&c, (suite_variant)(i % SUITE_N_VARIANTS));
        suite_result_make(&c, &result);
        status = run_case(p, &c, &result);
        suite_result_free(&result);
        suite_case_close(&c);
    }
    return status;
}

int main(int argc, char **argv)
{
    replay p = {.device = "cuda", .times = 100};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--device") == 0)
            p.device = argv[i + 1];
        else if (strcmp(argv[i], "--precision") == 0)
            p.precision = strcmp(argv[i + 1], "bf16") == 0 ? CR_PRECISION_BF16 : CR_PRECISION_F32;
        else if (strcmp(argv[i], "--plans") == 0)
            p.measures = strcmp(argv[i + 1], "measure") == 0;
        else if (strcmp(argv[i], "--times") == 0)
            p.times = atoi(argv[i + 1]);
    }
    if (argc % 2 == 0 || p.times < 2) {
        fprintf(
            stderr,
            "usage: device_replay [--device cpu|cuda] [--precision f32|bf16] [--times 100] [--plans rule|measure]\n");
        return CR_USAGE;
    }
    cr_status status = run_all(&p);
    int code = device_exit_code("device_replay", p.backend, status);
    if (status == CR_OK)
        printf("%s, %s, engines by %s, %d times: %d nets differ\n", p.label,
               p.precision == CR_PRECISION_BF16 ? "bf16" : "f32", p.measures ? "measurement" : "the rule", p.times,
               p.n_different);
    cr_backend_close(&p.backend);
    cr_plans_clear(&p.plans);
    return code ? code : p.n_different > 0;
}
