#include "split.h"

#include "crisol/rng.h"

#include <stdlib.h>
#include <string.h>

typedef struct group {
    int64_t number;
    int64_t first; /* its rows: order[first … first + n - 1] */
    int64_t n;
    int64_t rarity; /* rows of the table in the group's rarest class */
    int32_t rarest; /* that class: groups of two classes of one size must not interleave by chance */
    uint64_t key;
} group;

typedef struct dealer {
    const cr_split_rows *rows;
    const double *fractions;
    int64_t *order; /* [n_rows] rows, those of a group together */
    group *groups;  /* [n_groups] */
    int64_t n_groups;
    int64_t *class_rows;          /* [n_classes] N_c */
    int64_t *dealt;               /* [n_classes] n_c, and of the group at hand k_c */
    int64_t *given;               /* [CR_N_SPLITS, n_classes] n_sc */
    int64_t n_dealt;              /* n, and of the group at hand k */
    int64_t n_rows[CR_N_SPLITS];  /* n_s */
    int64_t n_given[CR_N_SPLITS]; /* groups */
} dealer;

typedef struct row_of_group {
    int64_t group, row;
} row_of_group;

static int compare_rows(const void *a, const void *b)
{
    const row_of_group *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static int compare_groups(const void *a, const void *b)
{
    const group *x = a, *y = b;
    if (x->rarity != y->rarity)
        return x->rarity < y->rarity ? -1 : 1;
    if (x->rarest != y->rarest)
        return x->rarest < y->rarest ? -1 : 1;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static cr_status gather_groups(dealer *d, uint64_t seed)
{
    const cr_split_rows *rows = d->rows;
    size_t n = (size_t)rows->n_rows;
    row_of_group *pairs = malloc((n + 1) * sizeof *pairs);
    if (pairs == NULL)
        return cr_fail_memory("a split", (n + 1) * sizeof *pairs);
    for (size_t i = 0; i < n; i++)
        pairs[i] = (row_of_group){rows->groups[i], (int64_t)i};
    qsort(pairs, n, sizeof *pairs, compare_rows);
    group *current = NULL;
    for (size_t i = 0; i < n; i++) {
        d->order[i] = pairs[i].row;
        if (current == NULL || current->number != pairs[i].group) {
            current = &d->groups[d->n_groups++];
            cr_rng rng = cr_rng_make(seed, CR_RNG_SPLIT, 0, (uint64_t)pairs[i].group);
            *current =
                (group){.number = pairs[i].group, .first = (int64_t)i, .rarity = INT64_MAX, .key = cr_rng_u64(&rng)};
        }
        current->n++;
        int32_t label = rows->labels[pairs[i].row];
        int64_t rarity = d->class_rows[label];
        if (rarity < current->rarity || (rarity == current->rarity && label < current->rarest)) {
            current->rarity = rarity;
            current->rarest = label;
        }
    }
    free(pairs);
    qsort(d->groups, (size_t)d->n_groups, sizeof *d->groups, compare_groups);
    return CR_OK;
}

/* How much split `s` wants the group, which is already counted as dealt. */
static double gain(const dealer *d, const group *g, int s)
{
    const cr_split_rows *rows = d->rows;
    double sum = 0;
    for (int64_t i = g->first; i < g->first + g->n; i++) { /* k_c times the same term */
        int32_t c = rows->labels[d->order[i]];
        sum += (d->fractions[s] * (double)d->dealt[c] - (double)d->given[s * rows->n_classes + c]) /
               (double)d->class_rows[c];
    }
    double lack = d->fractions[s] * (double)d->n_dealt - (double)d->n_rows[s];
    return sum + (double)g->n * lack / (double)rows->n_rows;
}

static int choose_split(const dealer *d, const group *g, int64_t n_left)
{
    int n_empty = 0;
    for (int s = 0; s < CR_N_SPLITS; s++)
        n_empty += d->fractions[s] > 0 && d->n_given[s] == 0;
    int best = -1;
    double best_gain = 0;
    for (int s = 0; s < CR_N_SPLITS; s++) {
        if (!(d->fractions[s] > 0) || (n_left <= n_empty && d->n_given[s] > 0))
            continue;
        double this_gain = gain(d, g, s);
        if (best < 0 || this_gain > best_gain) {
            best = s;
            best_gain = this_gain;
        }
    }
    return best < 0 ? CR_SPLIT_TRAIN : best;
}

static void deal(dealer *d, cr_split *splits)
{
    const cr_split_rows *rows = d->rows;
    for (int64_t g = 0; g < d->n_groups; g++) {
        const group *current = &d->groups[g];
        d->n_dealt += current->n;
        for (int64_t i = current->first; i < current->first + current->n; i++)
            d->dealt[rows->labels[d->order[i]]]++;
        int s = choose_split(d, current, d->n_groups - g);
        d->n_given[s]++;
        d->n_rows[s] += current->n;
        for (int64_t i = current->first; i < current->first + current->n; i++) {
            int64_t row = d->order[i];
            splits[row] = (cr_split)s;
            d->given[s * rows->n_classes + rows->labels[row]]++;
        }
    }
}

cr_status cr_split_by_group(const cr_split_rows *rows, const double fractions[CR_N_SPLITS], uint64_t seed,
                            cr_split *splits)
{
    cr_status status = CR_OK;
    size_t n = (size_t)rows->n_rows + 1, n_classes = (size_t)rows->n_classes + 1;
    dealer d = {.rows = rows, .fractions = fractions};
    d.order = calloc(n, sizeof *d.order);
    d.groups = calloc(n, sizeof *d.groups);
    d.class_rows = calloc(n_classes, sizeof *d.class_rows);
    d.dealt = calloc(n_classes, sizeof *d.dealt);
    d.given = calloc(CR_N_SPLITS * n_classes, sizeof *d.given);
    if (d.order == NULL || d.groups == NULL || d.class_rows == NULL || d.dealt == NULL || d.given == NULL) {
        status = cr_fail_memory("a split", n * (sizeof *d.order + sizeof *d.groups));
        goto done;
    }
    for (int64_t i = 0; i < rows->n_rows; i++)
        d.class_rows[rows->labels[i]]++;
    CR_TRY(gather_groups(&d, seed));
    deal(&d, splits);
done:
    free(d.order);
    free(d.groups);
    free(d.class_rows);
    free(d.dealt);
    free(d.given);
    return status;
}
