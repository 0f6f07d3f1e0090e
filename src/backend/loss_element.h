/* The loss of one sample, for every backend: the same text compiles as C and as CUDA. Everything in double, sums in the
 * order of the classes; the contract is cr_loss_evaluate()'s. */
#ifndef CRISOL_BACKEND_LOSS_ELEMENT_H
#define CRISOL_BACKEND_LOSS_ELEMENT_H

#include "crisol/backend.h"
#include "crisol/host_device.h"

#include <math.h>

CR_HD static inline double cr_loss_weight(const cr_loss *loss, int64_t label)
{
    return loss->class_weights ? (double)loss->class_weights[label] : 1.0;
}

/* log Σ exp(z - largest) and the largest z. */
CR_HD static inline double cr_loss_log_sum(int64_t n_classes, const float *logits, double *largest)
{
    double sum = 0;
    *largest = (double)logits[0];
    for (int64_t c = 1; c < n_classes; c++)
        *largest = fmax(*largest, (double)logits[c]);
    for (int64_t c = 0; c < n_classes; c++)
        sum += exp((double)logits[c] - *largest);
    return log(sum);
}

/* Source: torch.nn.CrossEntropyLoss with weight and label_smoothing (aten/src/ATen/native/LossNLL.cpp): per sample
 * (1-e)·(-w[y]·l[y]) + (e/K)·Σ_c -w[c]·l[c] with l = log-softmax; the gradient of Σ losses / S follows from
 * dl[c]/dz[j] = [c = j] - p[j]. */
CR_HD static inline void cr_loss_of_label(const cr_loss *loss, int64_t n_classes, const float *logits, int32_t label,
                                          double *value, float *dlogits)
{
    double largest, log_total = cr_loss_log_sum(n_classes, logits, &largest);
    double target_share = (1.0 - loss->label_smoothing) * cr_loss_weight(loss, label);
    double other_share = loss->label_smoothing / (double)n_classes;
    double smooth = 0, weights = 0;
    for (int64_t c = 0; c < n_classes; c++) {
        smooth -= cr_loss_weight(loss, c) * ((double)logits[c] - largest - log_total);
        weights += cr_loss_weight(loss, c);
    }
    *value = target_share * -((double)logits[label] - largest - log_total) + other_share * smooth;
    if (!dlogits)
        return;
    double pull = target_share + other_share * weights;
    for (int64_t c = 0; c < n_classes; c++) {
        double p = exp((double)logits[c] - largest - log_total);
        double wanted = other_share * cr_loss_weight(loss, c) + (c == label ? target_share : 0.0);
        dlogits[c] = (float)((pull * p - wanted) / loss->weight_sum);
    }
}

/* f(l) = (1 - p)^γ · -l with p = exp(l), and its derivative by l. 1 - p by expm1, which keeps what a p near 1 has left.
 */
CR_HD static inline double cr_loss_focal_term(double gamma, double l, double *slope)
{
    double rest = -expm1(l);
    if (gamma == 0) {
        *slope = -1;
        return -l;
    }
    if (rest <= 0) {
        *slope = 0;
        return 0;
    }
    double power = pow(rest, gamma);
    *slope = gamma * power / rest * exp(l) * l - power;
    return power * -l;
}

/* The general form: Σ_c a[c]·f(l[c]), a[c] = w[c]·((1-e)·t[c] + e/K), for a distribution t over the classes (null: all
 * on `label`). Its gradient is a[j]·f'(l[j]) - p[j]·Σ_c a[c]·f'(l[c]). */
CR_HD static inline void cr_loss_of_targets(const cr_loss *loss, int64_t n_classes, const float *logits,
                                            const float *targets, int32_t label, double *value, float *dlogits)
{
    double largest, log_total = cr_loss_log_sum(n_classes, logits, &largest), pull = 0, slope;
    *value = 0;
    for (int pass = 0; pass < (dlogits ? 2 : 1); pass++)
        for (int64_t c = 0; c < n_classes; c++) {
            double l = (double)logits[c] - largest - log_total;
            double target = targets ? (double)targets[c] : c == label;
            double share = cr_loss_weight(loss, c) *
                           ((1.0 - loss->label_smoothing) * target + loss->label_smoothing / (double)n_classes);
            double term = cr_loss_focal_term(loss->focal_gamma, l, &slope);
            if (pass == 0) {
                *value += share * term;
                pull += share * slope;
            } else {
                dlogits[c] = (float)((share * slope - exp(l) * pull) / loss->weight_sum);
            }
        }
}

/* Sample i of a micro-batch. */
CR_HD static inline void cr_loss_of_sample(const cr_loss *loss, int64_t i, int64_t n_classes, const float *logits,
                                           const int32_t *labels, const float *targets, double *losses, float *dlogits)
{
    const float *row = logits + i * n_classes, *target = targets ? targets + i * n_classes : NULL;
    float *gradient = dlogits ? dlogits + i * n_classes : NULL;
    if (target || loss->focal_gamma != 0)
        cr_loss_of_targets(loss, n_classes, row, target, labels[i], &losses[i], gradient);
    else
        cr_loss_of_label(loss, n_classes, row, labels[i], &losses[i], gradient);
}

#endif
