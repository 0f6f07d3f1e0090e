/* The classes' weights in the loss. */
#include "session.h"

#include <stdlib.h>
#include <string.h>

/* sklearn.utils.class_weight.compute_class_weight("balanced"): n / (classes · count), over the training samples. */
static cr_status balance(cr_session *session)
{
    const cr_subset *train = &session->subsets[CR_SPLIT_TRAIN];
    cr_status status = CR_OK;
    int64_t *counts = calloc((size_t)session->n_classes, sizeof *counts);
    if (!counts)
        return cr_fail_memory("class counts", (size_t)session->n_classes * sizeof *counts);
    for (int64_t i = 0; i < train->n_samples; i++)
        counts[train->labels[i]]++;
    for (int64_t k = 0; k < session->n_classes && status == CR_OK; k++) {
        if (counts[k] == 0)
            status =
                cr_fail(CR_BAD_CONFIG,
                        "loss.class_weights: balanced, but the training split has no sample of class '%s'; leave the "
                        "class out of data.classes or set loss.class_weights: none",
                        session->class_names[k]);
        else
            session->class_weights[k] =
                (float)((double)train->n_samples / ((double)session->n_classes * (double)counts[k]));
    }
    free(counts);
    return status;
}

static int64_t find(const cr_weights *weights, const char *name)
{
    for (int64_t i = 0; i < weights->n; i++)
        if (!strcmp(weights->names[i], name))
            return i;
    return -1;
}

/* Each class must be named, and nothing else: a name that was misspelt would go unnoticed otherwise. */
static cr_status take_listed(cr_session *session, const cr_weights *weights)
{
    double sum = 0;
    for (int64_t k = 0; k < session->n_classes; k++) {
        int64_t i = find(weights, session->class_names[k]);
        if (i < 0)
            return cr_fail(CR_BAD_CONFIG, "loss.class_weights: has no weight for class '%s'", session->class_names[k]);
        session->class_weights[k] = (float)weights->values[i];
        sum += weights->values[i];
    }
    for (int64_t i = 0; i < weights->n; i++) {
        int64_t k = 0;
        while (k < session->n_classes && strcmp(session->class_names[k], weights->names[i]) != 0)
            k++;
        if (k == session->n_classes)
            return cr_fail(CR_BAD_CONFIG, "loss.class_weights: '%s' is no class of this training", weights->names[i]);
    }
    if (!(sum > 0))
        return cr_fail(CR_BAD_CONFIG, "loss.class_weights: at least one class needs a weight above 0");
    return CR_OK;
}

cr_status cr_session_weigh_classes(cr_session *session)
{
    const cr_weights *weights = &session->config->loss.class_weights;
    if (weights->rule == CR_WEIGHTS_NONE)
        return CR_OK;
    session->class_weights = calloc((size_t)session->n_classes, sizeof *session->class_weights);
    if (!session->class_weights)
        return cr_fail_memory("class weights", (size_t)session->n_classes * sizeof *session->class_weights);
    return weights->rule == CR_WEIGHTS_BALANCED ? balance(session) : take_listed(session, weights);
}
