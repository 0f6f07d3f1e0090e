#include "reference_layers.h"

#include <math.h>

/* Lin et al. 2017, FL = -α·(1-p)^γ·log p, summed over a target distribution q[c] = (1-e)·t[c] + e/K with α = w[c]. By
 * p's own derivative: d(-(1-p)^γ·log p)/dp = γ·(1-p)^(γ-1)·log p - (1-p)^γ/p, and dp[c]/dz[j] = p[c]·([c = j] - p[j]).
 */
void ref_focal_loss(int64_t n, int64_t n_classes, const cr_loss *loss, const double *logits, const int32_t *labels,
                    const float *targets, double *losses, double *dlogits)
{
    double gamma = loss->focal_gamma, e = loss->label_smoothing, k = (double)n_classes;
    for (int64_t s = 0; s < n; s++, logits += n_classes, dlogits += n_classes) {
        double largest = logits[0], sum = 0;
        for (int64_t c = 1; c < n_classes; c++)
            largest = fmax(largest, logits[c]);
        for (int64_t c = 0; c < n_classes; c++)
            sum += exp(logits[c] - largest);
        losses[s] = 0;
        for (int64_t j = 0; j < n_classes; j++)
            dlogits[j] = 0;
        for (int64_t c = 0; c < n_classes; c++) {
            double p = exp(logits[c] - largest) / sum, log_p = logits[c] - largest - log(sum);
            double t = targets ? (double)targets[s * n_classes + c] : c == labels[s] ? 1 : 0;
            double a = (loss->class_weights ? (double)loss->class_weights[c] : 1) * ((1 - e) * t + e / k);
            double by_p = gamma * pow(1 - p, gamma - 1) * log_p - pow(1 - p, gamma) / p;
            losses[s] -= a * pow(1 - p, gamma) * log_p;
            for (int64_t j = 0; j < n_classes; j++)
                dlogits[j] += a * by_p * p * ((c == j) - exp(logits[j] - largest) / sum) / loss->weight_sum;
        }
    }
}
