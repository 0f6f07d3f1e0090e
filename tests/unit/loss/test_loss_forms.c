/* Soft targets against torch.nn.functional.cross_entropy, the focal loss against NumPy's formula with autograd's
 * gradient (both float64), every form against finite differences, and the borders where forms meet. */
#include "crisol/backend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    N = 3,
    K = 3
};
static const float logits[N * K] = {1.5F, -0.25F, 0.75F, -2, 3, 0.5F, 0, 0.125F, -4};
static const float targets[N * K] = {0.75F, 0.25F, 0, 0, 0.5F, 0.5F, 1, 0, 0};
static const float weights[K] = {0.5F, 2, 1.25F};
static const int32_t labels[N] = {2, 1, 0};

static void close_to(double got, double want, double allowed)
{
    if (!(fabs(got - want) <= allowed))
        fail_msg("%.17g instead of %.17g", got, want);
}

static void expect(const cr_loss *loss, const float *soft, const double want[N], const double gradient[N * K])
{
    double losses[N];
    float dlogits[N * K];
    cr_loss_evaluate(loss, N, K, logits, labels, soft, losses, dlogits);
    for (int i = 0; i < N; i++)
        close_to(losses[i], want[i], 1e-13 * want[i]);
    for (int i = 0; i < N * K; i++)
        close_to((double)dlogits[i], gradient[i], 1e-7 * fabs(gradient[i]));
}

static void soft_targets_as_pytorch(void **state)
{
    (void)state;
    const cr_loss loss = {.class_weights = weights, .label_smoothing = 0.1, .weight_sum = N};
    expect(&loss, targets, (double[]){1.390237194119791, 1.7288418786033422, 0.5988687687798522},
           (double[]){0.06672008623832056, -0.14011303029411348, 0.07339294405579291, -0.002280921265365535,
                      0.16377659769050204, -0.16149567642513646, -0.06646893431780466, 0.07872614482228547,
                      -0.012257210504480807});
}

static void focal_loss_as_its_formula(void **state)
{
    (void)state;
    cr_loss loss = {.class_weights = weights, .weight_sum = 3.75, .focal_gamma = 0.5};
    expect(&loss, NULL, (double[]){1.317753546807972, 0.04861042927079387, 0.2802471184432178},
           (double[]){0.21394367966078046, 0.03717783689095261, -0.2511215165517331, 0.0013942133022756826,
                      -0.018379208437181594, 0.01698499513490595, -0.06957296931188506, 0.06846631440945616,
                      0.0011066549024289077});
    loss.focal_gamma = 2;
    expect(&loss, NULL, (double[]){0.7934335161117014, 0.0011326124123769404, 0.1097275295496393},
           (double[]){0.2064064498196616, 0.03586806273876901, -0.2422745125584307, 6.404846124237475e-05,
                      -0.0008443184535199534, 0.000780269992277581, -0.04764102623891039, 0.04688322941400144,
                      0.0007577968249089514});
}

static double total(const cr_loss *loss, const float *z, const float *soft)
{
    double losses[N], sum = 0;
    cr_loss_evaluate(loss, N, K, z, labels, soft, losses, NULL);
    for (int i = 0; i < N; i++)
        sum += losses[i] / loss->weight_sum;
    return sum;
}

static void every_gradient_is_the_slope(void **state)
{
    (void)state;
    for (int form = 0; form < 16; form++) {
        const float *soft = form & 1 ? targets : NULL;
        cr_loss loss = {.class_weights = form & 2 ? weights : NULL,
                        .label_smoothing = form & 4 ? 0.1 : 0,
                        .weight_sum = 2.5,
                        .focal_gamma = form & 8 ? 1.5 : 0};
        double losses[N];
        float dlogits[N * K];
        cr_loss_evaluate(&loss, N, K, logits, labels, soft, losses, dlogits);
        for (int i = 0; i < N * K; i++) {
            float moved[N * K];
            const float step = 0x1p-12F;
            memcpy(moved, logits, sizeof moved);
            moved[i] = logits[i] + step;
            double above = total(&loss, moved, soft);
            moved[i] = logits[i] - step;
            double below = total(&loss, moved, soft);
            close_to((above - below) / (2 * (double)step), (double)dlogits[i], 2e-7);
        }
    }
}

/* Gamma 0 is cross-entropy, a certain target is a label, a sure answer costs nothing, and nothing is no number. */
static void forms_meet_at_their_borders(void **state)
{
    (void)state;
    cr_loss loss = {.class_weights = weights, .label_smoothing = 0.1, .weight_sum = 3.75};
    double hard[N], soft[N];
    float d_hard[N * K], d_soft[N * K], certain[N * K] = {0};
    for (int i = 0; i < N; i++)
        certain[i * K + labels[i]] = 1;
    cr_loss_evaluate(&loss, N, K, logits, labels, NULL, hard, d_hard);
    cr_loss_evaluate(&loss, N, K, logits, labels, certain, soft, d_soft);
    for (int i = 0; i < N; i++)
        close_to(soft[i], hard[i], 1e-14);
    for (int i = 0; i < N * K; i++)
        close_to((double)d_soft[i], (double)d_hard[i], 1e-7);
    const float sure[N * K] = {-200, -300, 200, -90, 90, 0, 1e5F, -1e5F, 0};
    for (int g = 1; g <= 4; g++) {
        loss = (cr_loss){.weight_sum = 1, .focal_gamma = 0.25 * g * g};
        cr_loss_evaluate(&loss, N, K, sure, labels, NULL, soft, d_soft);
        for (int i = 0; i < N; i++)
            close_to(soft[i], 0, 1e-12);
        for (int i = 0; i < N * K; i++)
            close_to((double)d_soft[i], 0, 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(soft_targets_as_pytorch), cmocka_unit_test(focal_loss_as_its_formula),
        cmocka_unit_test(every_gradient_is_the_slope), cmocka_unit_test(forms_meet_at_their_borders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
