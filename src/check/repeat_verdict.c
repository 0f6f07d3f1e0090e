/* Two records of what should be the same run, side by side. */
#include "repeat.h"

#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "crisol/record.h"
#include "crisol/run.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHECKPOINT_MAX_BYTES = 1 << 24
};

typedef struct verdict {
    const json_t *was, *is; /* the records */
    json_t *facts;          /* cr_record_compare(), and the options of the config */
    int64_t last_same;      /* step up to which the weights are known to be the same, -1: not even at the start */
    int64_t first_other;    /* step at which they are known to differ; -1: nowhere */
    json_int_t n_epochs, n_missing;
    char metric[256]; /* the first that differs, with both values; "" */
} verdict;

static const json_t *weights_of(const json_t *record)
{
    return json_object_get(record, "weights");
}

static void remember(json_t *known, json_int_t step, const json_t *hash)
{
    char key[24];
    snprintf(key, sizeof key, "%lld", (long long)step);
    if (json_is_string(hash))
        json_object_set(known, key, (json_t *)hash);
}

/* What is known of a run's weights: step → hash. Between epochs only checkpoints that still exist tell it. */
static json_t *known_weights(const json_t *record, const char *folder)
{
    size_t i;
    json_t *one, *known = json_object();
    cr_checkpoint_info *list = NULL;
    int64_t n = 0;
    remember(known, 0, json_object_get(weights_of(record), "start"));
    json_array_foreach(json_object_get(weights_of(record), "epochs"), i, one)
        remember(known, json_integer_value(json_object_get(one, "step")), json_object_get(one, "weights"));
    json_array_foreach(json_object_get(record, "attempts"), i, one)
        remember(known, json_integer_value(json_object_get(one, "from_step")), json_object_get(one, "from_weights"));
    if (cr_checkpoint_list(folder, &list, &n, NULL) != CR_OK)
        n = 0;
    for (int64_t c = 0; c < n; c++) {
        json_t *state = NULL;
        if (cr_json_load(list[c].path, CHECKPOINT_MAX_BYTES, &state) == CR_OK)
            remember(known, list[c].step, json_object_get(state, "weights"));
        json_decref(state);
    }
    free(list);
    return known;
}

static void find_first_difference(verdict *v, const json_t *was, const json_t *is)
{
    const char *key;
    json_t *hash;
    v->last_same = v->first_other = -1;
    json_object_foreach((json_t *)was, key, hash)
    {
        int64_t step = strtoll(key, NULL, 10);
        const json_t *other = json_object_get(is, key);
        if (other && !json_equal((json_t *)other, hash) && (v->first_other < 0 || step < v->first_other))
            v->first_other = step;
    }
    json_object_foreach((json_t *)was, key, hash)
    {
        int64_t step = strtoll(key, NULL, 10);
        const json_t *other = json_object_get(is, key);
        if (other && json_equal((json_t *)other, hash) && step > v->last_same &&
            (v->first_other < 0 || step < v->first_other))
            v->last_same = step;
    }
}

/* Writes the text of a fact's value; long ones are cut. */
static void show(const json_t *value, char *text, size_t bytes)
{
    char *line = value && !json_is_string(value) ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    const char *shown = line ? line : json_string_value(value);
    snprintf(text, bytes, "%s", shown ? shown : "none");
    free(line);
}

static void compare_metrics(verdict *v, json_int_t epoch, const json_t *was, const json_t *is)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)was, name, value)
    {
        char a[64], b[64];
        const json_t *other = json_object_get(is, name);
        if (v->metric[0] || json_equal(value, (json_t *)other))
            continue;
        show(value, a, sizeof a);
        show(other, b, sizeof b);
        snprintf(v->metric, sizeof v->metric, "epoch %lld, %s: %s, now %s", (long long)epoch, name, a, b);
    }
}

static void compare_epochs(verdict *v)
{
    size_t i;
    json_t *was;
    const json_t *repeated = json_object_get(weights_of(v->is), "epochs");
    printf("  %-8s %8s  %-34s %s\n", "epoch", "step", "weights as recorded", "repeated");
    const char *start = json_string_value(json_object_get(weights_of(v->was), "start"));
    const char *again = json_string_value(json_object_get(weights_of(v->is), "start"));
    printf("  %-8s %8d  %-34s %s\n", "start", 0, start, again && !strcmp(start, again) ? "the same" : again);
    json_array_foreach(json_object_get(weights_of(v->was), "epochs"), i, was)
    {
        const json_t *is = json_array_get(repeated, i);
        json_int_t epoch = json_integer_value(json_object_get(was, "epoch"));
        const char *a = json_string_value(json_object_get(was, "weights"));
        const char *b = json_string_value(json_object_get(is, "weights"));
        v->n_epochs++;
        v->n_missing += !is;
        if (is)
            compare_metrics(v, epoch, json_object_get(was, "metrics"), json_object_get(is, "metrics"));
        printf("  %-8lld %8lld  %-34s %s\n", (long long)epoch,
               (long long)json_integer_value(json_object_get(was, "step")), a,
               !b              ? "not reached"
               : !strcmp(a, b) ? "the same"
                               : b);
    }
}

/* "optimizer.lr: 0.001 → 0.01" lines as facts. */
static cr_status add_options(verdict *v, const cr_config *was, const cr_config *is)
{
    char *lines = NULL, *rest = NULL;
    cr_status status = cr_config_compare(was, is, &lines);
    for (char *line = lines ? strtok_r(lines, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strstr(line, ": ");
        if (!colon || !strncmp(line, "data.pack:", 10)) /* the pack's id is compared, not its place */
            continue;
        *colon = 0;
        char *arrow = strstr(colon + 2, " → ");
        if (arrow)
            *arrow = 0;
        json_array_append_new(v->facts, json_pack("{s:s+, s:s, s:s, s:b}", "fact", "config.", line, "was", colon + 2,
                                                  "is", arrow ? arrow + strlen(" → ") : "", "matters", 1));
    }
    free(lines);
    return status;
}

static int print_facts(const verdict *v, bool that_matter)
{
    size_t i;
    json_t *one;
    int n = 0;
    json_array_foreach(v->facts, i, one)
    {
        char was[96], is[96];
        if (json_is_true(json_object_get(one, "matters")) != that_matter)
            continue;
        if (n++ == 0)
            printf("\n%s\n", that_matter ? "recorded facts that differ and may change the numbers:"
                                         : "recorded facts that differ and may not:");
        show(json_object_get(one, "was"), was, sizeof was);
        show(json_object_get(one, "is"), is, sizeof is);
        printf("  %s: %s → %s\n", json_string_value(json_object_get(one, "fact")), was, is);
    }
    return n;
}

/* A run that was stopped and gone on with elsewhere: that start's facts. */
static void print_attempts(const verdict *v)
{
    size_t i;
    json_t *attempt, *value;
    const char *fact;
    json_array_foreach(json_object_get(v->was, "attempts"), i, attempt)
    {
        json_t *changed = json_object_get(attempt, "changed");
        if (json_object_size(changed) == 0)
            continue;
        printf("\nthe recorded run went on at step %lld with other facts:",
               (long long)json_integer_value(json_object_get(attempt, "from_step")));
        json_object_foreach(changed, fact, value) printf(" %s", fact);
        puts("");
    }
}

/* The recorded epoch that ends at or after a step. */
static json_int_t epoch_of(const verdict *v, int64_t step)
{
    size_t i;
    json_t *epoch;
    json_array_foreach(json_object_get(weights_of(v->was), "epochs"), i, epoch)
    {
        if (json_integer_value(json_object_get(epoch, "step")) >= step)
            return json_integer_value(json_object_get(epoch, "epoch"));
    }
    return 0;
}

static void describe_place(const verdict *v, char *text, size_t bytes)
{
    if (v->first_other == 0)
        snprintf(text, bytes, "the weights differ before the first step");
    else if (v->first_other > 0)
        snprintf(text, bytes, "the weights differ first in epoch %lld, after step %lld and by step %lld",
                 (long long)epoch_of(v, v->first_other), (long long)v->last_same, (long long)v->first_other);
    else if (v->metric[0])
        snprintf(text, bytes, "the weights are the same, but %s", v->metric);
    else if (v->n_missing)
        snprintf(text, bytes, "the repetition ended %lld epochs before the recorded run did", (long long)v->n_missing);
    else
        snprintf(text, bytes, "%lld epochs, %lld steps, every weight and metric", (long long)v->n_epochs,
                 (long long)v->last_same);
}

/* Options first, which are meant to change numbers; another build of the program last, which mostly does not. */
static int guess(const char *fact)
{
    return !strncmp(fact, "config.", 7) ? 0 : !strncmp(fact, "program.", 8) ? 2 : 1;
}

static void name_causes(const verdict *v, char *text, size_t bytes)
{
    size_t i;
    json_t *one;
    int n = 0;
    snprintf(text, bytes, "no recorded fact that may change numbers differs: suspect the machine's memory");
    for (int order = 0; order < 3; order++) {
        json_array_foreach(v->facts, i, one)
        {
            const char *fact = json_string_value(json_object_get(one, "fact"));
            if (!json_is_true(json_object_get(one, "matters")) || guess(fact) != order)
                continue;
            if (n++ == 0)
                snprintf(text, bytes, "what differs and may be why: %s", fact);
            else if (n <= 3)
                snprintf(text + strlen(text), bytes - strlen(text), ", %s", fact);
        }
    }
    if (n > 3)
        snprintf(text + strlen(text), bytes - strlen(text), " and %d more", n - 3);
}

static cr_status save(const cr_repeat_options *options, const verdict *v, bool identical, const char *place)
{
    char *path = cr_path_join(options->output, "repeat.json");
    json_t *text =
        json_pack("{s:i, s:s, s:b, s:s, s:I, s:I, s:I, s:O}", "format", 1, "run", options->run, "identical", identical,
                  "summary", place, "epochs", v->n_epochs, "last_same_step", (json_int_t)v->last_same,
                  "first_different_step", (json_int_t)v->first_other, "facts", v->facts);
    cr_status status = path && text ? cr_json_save(path, text) : cr_fail_memory("repeat.json", 1);
    json_decref(text);
    free(path);
    return status;
}

cr_status cr_repeat_judge(const cr_repeat_options *options, const cr_repeat_source *source)
{
    verdict v = {.was = source->record};
    char place[512], causes[300];
    json_t *record = NULL;
    cr_status status = CR_OK;
    CR_TRY(cr_record_read(options->output, &record));
    v.is = record;
    v.facts = cr_record_compare(v.was, v.is);
    CR_TRY(add_options(&v, source->original, source->config));
    json_t *was = known_weights(v.was, options->run), *is = known_weights(v.is, options->output);
    find_first_difference(&v, was, is);
    json_decref(was);
    json_decref(is);
    printf("%s, repeated in %s\n", options->run, options->output);
    compare_epochs(&v);
    bool identical = v.first_other < 0 && !v.metric[0] && !v.n_missing;
    print_facts(&v, true);
    print_facts(&v, false);
    if (!identical)
        print_attempts(&v);
    describe_place(&v, place, sizeof place);
    name_causes(&v, causes, sizeof causes);
    CR_TRY(save(options, &v, identical, place));
    if (identical)
        printf("\nidentical: %s\n", place);
    else
        status = cr_fail(CR_BAD_DATA, "not identical: %s; %s", place, causes);
done:
    fflush(stdout);
    json_decref(v.facts);
    json_decref(record);
    return status;
}
