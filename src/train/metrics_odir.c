#include "crisol/metrics.h"

#include "metrics_ranking.h"

#include <stdlib.h>

static const double threshold = 0.5;

/* Labels of all pairs, 1 where the class is the sample's, and the pairs' counts [truth][answer]. */
static void pool_pairs(int64_t n, int64_t n_classes, const double *probabilities, const int32_t *labels, int32_t *pairs,
                       int64_t counts[4])
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < n_classes; c++) {
            int64_t at = i * n_classes + c;
            pairs[at] = labels[i] == c;
            counts[2 * pairs[at] + (probabilities[at] > threshold)]++;
        }
}

void cr_odir_scores_from(const int64_t counts[4], double auc, cr_odir_scores *scores)
{
    int64_t copy[4] = {counts[0], counts[1], counts[2], counts[3]};
    cr_confusion confusion = {2, copy};
    cr_scores all;
    cr_scores_compute(&confusion, &all, NULL);
    *scores = (cr_odir_scores){.kappa = all.kappa, .f1 = all.accuracy, .auc = auc};
    scores->score = (scores->kappa + scores->f1 + scores->auc) / 3;
}

cr_status cr_odir_scores_compute(int64_t n, int64_t n_classes, const double *probabilities, const int32_t *labels,
                                 cr_odir_scores *scores)
{
    size_t n_pairs = (size_t)(n * n_classes);
    int64_t counts[4] = {0};
    cr_status status = CR_OK;
    int32_t *pairs = malloc((n_pairs + 1) * sizeof *pairs);
    uint64_t *keys = malloc((n_pairs + 1) * sizeof *keys), *spare = malloc((n_pairs + 1) * sizeof *spare);
    if (!pairs || !keys || !spare) {
        status = cr_fail_memory("pairs of sample and class", n_pairs * sizeof *keys);
        goto done;
    }
    double auc, precision;
    pool_pairs(n, n_classes, probabilities, labels, pairs, counts);
    cr_metrics_rank_class((int64_t)n_pairs, probabilities, 1, pairs, 1, keys, spare, &auc, &precision);
    cr_odir_scores_from(counts, auc, scores);
done:
    free(pairs);
    free(keys);
    free(spare);
    return status;
}
