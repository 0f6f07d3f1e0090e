#include "crisol/backend.h"

#include <math.h>

/* Source: torch.nn.CrossEntropyLoss with weight and label_smoothing (aten/src/ATen/native/LossNLL.cpp): per sample
 * (1-e)·(-w[y]·l[y]) + (e/K)·Σ_c -w[c]·l[c] with l = log-softmax; the gradient of Σ losses / S follows from
 * dl[c]/dz[j] = [c = j] - p[j]. Everything in double, sums in the order of the classes. */
static double class_weight(const cr_loss *loss, int64_t label)
{
    return loss->class_weights ? (double)loss->class_weights[label] : 1.0;
}

static void evaluate_sample(const cr_loss *loss, int64_t n_classes, const float *logits, int32_t label, double *value,
                            float *dlogits)
{
    double largest = (double)logits[0];
    for (int64_t c = 1; c < n_classes; c++)
        largest = fmax(largest, (double)logits[c]);
    double sum = 0;
    for (int64_t c = 0; c < n_classes; c++)
        sum += exp((double)logits[c] - largest);
    double log_sum = log(sum);
    double target_share = (1.0 - loss->label_smoothing) * class_weight(loss, label);
    double other_share = loss->label_smoothing / (double)n_classes;
    double smooth = 0, weights = 0;
    for (int64_t c = 0; c < n_classes; c++) {
        smooth -= class_weight(loss, c) * ((double)logits[c] - largest - log_sum);
        weights += class_weight(loss, c);
    }
    *value = target_share * -((double)logits[label] - largest - log_sum) + other_share * smooth;
    if (!dlogits)
        return;
    double pull = target_share + other_share * weights;
    for (int64_t c = 0; c < n_classes; c++) {
        double p = exp((double)logits[c] - largest - log_sum);
        double wanted = other_share * class_weight(loss, c) + (c == label ? target_share : 0.0);
        dlogits[c] = (float)((pull * p - wanted) / loss->weight_sum);
    }
}

void cr_loss_evaluate(const cr_loss *loss, int64_t n, int64_t n_classes, const float *logits, const int32_t *labels,
                      double *losses, float *dlogits)
{
    for (int64_t i = 0; i < n; i++)
        evaluate_sample(loss, n_classes, logits + i * n_classes, labels[i], &losses[i],
                        dlogits ? dlogits + i * n_classes : NULL);
}
