/* Engines by measurement on one to four ranks, on the emulated device, whose three engines round differently: rank 0
 * measures, all take what it found, and go on taking it: after a stop, in a repetition, in another run that starts from
 * its file; not on another device. What a measurement would find, and on which rank, is said by the environment. */
#include "crisol/atomic_file.h"
#include "crisol/hash.h"
#include "crisol/log.h"
#include "mpi_check.h"
#include "plans_file.h"
#include "session_plans.h"
#include "suite_run.h"

#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cr_comm *comm;
static suite_case c;
static char folder[256];

typedef struct scene {
    const char *fastest;   /* CRISOL_EMULATED_FASTEST */
    const char *device;    /* CRISOL_EMULATED_DEVICE; null: its own name */
    const char *wrong;     /* CRISOL_EMULATED_WRONG: engines; null: none */
    bool by_rule;          /* cuda.plans */
    const char *run;       /* below the folder; null: none */
    const char *repeated;  /* likewise */
    const char *file;      /* cuda.plans_file, likewise */
    const char *evaluated; /* run directory of an evaluation; the others are not looked at */
} scene;

typedef struct outcome {
    cr_status status;
    char said[CR_ERROR_MAX];
    char engines[64];        /* one digit a pass of the training program */
    char hash[CR_HASH_TEXT]; /* of what the programs compute */
} outcome;

/* In the folder; null stays null. Valid for the next three calls. */
static const char *below(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    if (!name)
        return NULL;
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void read_engines(const cr_program *program, char engines[64])
{
    size_t i, used = 0;
    const char *key;
    json_t *step, *name, *kernels = cr_program_describe(program);
    json_array_foreach(kernels, i, step)
    {
        json_object_foreach(step, key, name)
        {
            const char *engine = strcmp(key, "layer") ? strstr(json_string_value(name), "emulated:") : NULL;
            if (engine && used < 63)
                engines[used++] = engine[strlen("emulated:")];
        }
    }
    engines[used] = '\0';
    json_decref(kernels);
}

static cr_status compute(cr_session *session, outcome *o)
{
    static const suite_target target = {.name = "emulated", .precision = CR_PRECISION_F32};
    cr_status status = CR_OK;
    cr_program *program = NULL;
    cr_hasher *hasher = NULL;
    suite_result result;
    suite_result_make(&c, &result);
    CR_TRY(suite_program(session->backend, &target, &c, true, &program));
    read_engines(program, o->engines);
    CR_TRY(suite_compute(session->backend, &target, &c, &result));
    CR_TRY(cr_hasher_create(&hasher));
    cr_hasher_update(hasher, result.gradient, (size_t)(c.net->n_params + c.net->n_stats) * sizeof(float));
    cr_hasher_update(hasher, result.logits, (size_t)(c.n * c.net->n_classes) * sizeof(float));
    cr_hasher_update(hasher, result.evaluated, (size_t)(c.n * c.net->n_classes) * sizeof(float));
    cr_hasher_finish(hasher, o->hash);
done:
    cr_hasher_destroy(&hasher);
    cr_program_destroy(&program);
    suite_result_free(&result);
    return status;
}

/* A session as a training or an evaluation has it, up to its programs. */
static outcome play(const scene *s)
{
    outcome o;
    cr_config *config = NULL;
    cr_session session;
    memset(&o, 0, sizeof o);
    memset(&session, 0, sizeof session);
    setenv("CRISOL_EMULATED_FASTEST", s->fastest ? s->fastest : "1", 1);
    setenv("CRISOL_EMULATED_WRONG", s->wrong ? s->wrong : "", 1);
    if (s->device)
        setenv("CRISOL_EMULATED_DEVICE", s->device, 1);
    else
        unsetenv("CRISOL_EMULATED_DEVICE");
    CHECK_OK(comm, cr_config_create(&config));
    CHECK_OK(comm, cr_config_set(config, s->by_rule ? "cuda.plans=rule" : "cuda.plans=measure"));
    if (s->file) {
        free(config->cuda.plans_file);
        config->cuda.plans_file = strdup(below(s->file));
    }
    config->data.micro_batch = config->cpu.eval_batch = c.n;
    session.comm = comm;
    session.config = config;
    session.net = c.net;
    CHECK_OK(comm, cr_backend_open_cuda(0, &session.backend));
    if (s->run && cr_comm_rank(comm) == 0)
        CHECK_OK(comm, cr_make_folders(below(s->run)));
    o.status = s->evaluated ? cr_session_read_plans(&session, below(s->evaluated))
                            : cr_session_measure_plans(&session, below(s->run), below(s->repeated), 0);
    if (o.status == CR_OK)
        o.status = compute(&session, &o);
    snprintf(o.said, sizeof o.said, "%s", cr_error_message());
    cr_backend_close(&session.backend);
    cr_plans_clear(&session.plans);
    cr_config_destroy(&config);
    return o;
}

/* Alike on all ranks: every pass by this engine, the same bits. */
static outcome expect(const scene *s, char engine)
{
    outcome o = play(s);
    char others[4 * CR_HASH_TEXT];
    if (o.status != CR_OK)
        fprintf(stderr, "%s\n", o.said);
    CHECK(comm, o.status == CR_OK);
    CHECK(comm, strlen(o.engines) > 3);
    for (const char *e = o.engines; *e; e++)
        CHECK(comm, *e == engine);
    CHECK_OK(comm, cr_comm_allgather(comm, o.hash, sizeof o.hash, others));
    for (int r = 0; r < cr_comm_size(comm); r++)
        CHECK(comm, !strcmp(others + r * CR_HASH_TEXT, o.hash));
    return o;
}

static void expect_failure(const scene *s, cr_status status, const char *says)
{
    outcome o = play(s);
    if (o.status != status || !strstr(o.said, says))
        fprintf(stderr, "status %d, '%s' instead of '%s'\n", (int)o.status, o.said, says);
    CHECK(comm, o.status == status && strstr(o.said, says));
}

/* On rank 0: how many plans a file has; -1: there is none. */
static int64_t count_plans(const char *name)
{
    cr_plans plans = {0};
    cr_status status = cr_plans_load(below(name), true, &plans);
    int64_t n = plans.n;
    CHECK(comm, status == CR_OK || status == CR_MISSING);
    cr_plans_clear(&plans);
    return status == CR_OK ? n : -1;
}

static void expect_plans(const char *name, int64_t n)
{
    int64_t found = n;
    CHECK_OK(comm, cr_comm_barrier(comm));
    if (cr_comm_rank(comm) == 0)
        found = count_plans(name);
    if (found != n)
        fprintf(stderr, "%s has %lld plans\n", name, (long long)found);
    CHECK(comm, found == n);
    CHECK_OK(comm, cr_comm_barrier(comm));
}

/* On rank 0, between barriers. */
static void put(const char *name, const char *text)
{
    CHECK_OK(comm, cr_comm_barrier(comm));
    if (cr_comm_rank(comm) == 0)
        CHECK_OK(comm, cr_atomic_file_save(below(name), text, strlen(text)));
    CHECK_OK(comm, cr_comm_barrier(comm));
}

/* The text of a plan in a file, with `from` become `to`. */
static void edit(const char *name, const char *from, const char *to)
{
    char *text = NULL;
    size_t bytes = 0;
    CHECK_OK(comm, cr_read_file(below(name), 1 << 20, &text, &bytes));
    char *at = strstr(text, from), *edited = malloc(bytes + strlen(to) + 1);
    CHECK(comm, at && edited);
    sprintf(edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    put(name, edited);
    free(edited);
    free(text);
}

/* Each rank but the first would find another engine to be the fastest. */
static void test_chosen_once(void)
{
    const scene first = {.fastest = "1222", .run = "a"}, again = {.fastest = "2", .run = "a"};
    const scene rule = {.by_rule = true, .run = "ruled"}, own = {.fastest = "2", .run = "other"};
    outcome measured = expect(&first, '1');
    int64_t n = -1;
    if (cr_comm_rank(comm) == 0)
        n = count_plans("a/plans.json");
    CHECK_OK(comm, cr_comm_broadcast(comm, &n, sizeof n, 0));
    CHECK(comm, n >= (int64_t)strlen(measured.engines) / 2 && n <= (int64_t)strlen(measured.engines));
    CHECK(comm, !strcmp(expect(&again, '1').hash, measured.hash));
    expect_plans("a/plans.json", n);
    CHECK(comm, strcmp(expect(&rule, '0').hash, measured.hash) != 0);
    expect_plans("ruled/plans.json", -1);
    CHECK(comm, strcmp(expect(&own, '2').hash, measured.hash) != 0);

    const scene repetition = {.fastest = "2", .run = "repetition", .repeated = "a"};
    CHECK(comm, !strcmp(expect(&repetition, '1').hash, measured.hash));
    expect_plans("repetition/plans.json", n);
    const scene lost = {.fastest = "2", .run = "lost", .repeated = "nowhere"};
    expect(&lost, '2');

    const scene evaluation = {.fastest = "2", .evaluated = "a"}, elsewhere = {.evaluated = "nowhere"};
    CHECK(comm, !strcmp(expect(&evaluation, '1').hash, measured.hash));
    expect(&elsewhere, '0');
    expect_plans("nowhere/plans.json", -1);
    const scene nothing_kept = {.fastest = "2"};
    expect(&nothing_kept, '2');

    const scene another = {.fastest = "2", .device = "another device", .run = "a"};
    expect(&another, '2');
    expect_plans("a/plans.json", 2 * n);
    CHECK(comm, !strcmp(expect(&again, '1').hash, measured.hash));
}

static void test_shared_file(void)
{
    const scene maker = {.fastest = "2", .run = "maker", .file = "shared.json"};
    const scene taker = {.fastest = "1", .run = "taker", .file = "shared.json"};
    const scene own_first = {.fastest = "0", .run = "a", .file = "shared.json"};
    const scene no_place = {.fastest = "2", .run = "no-place", .file = "no/such/folder/shared.json"};
    outcome made = expect(&maker, '2');
    CHECK(comm, !strcmp(expect(&taker, '2').hash, made.hash));
    expect(&own_first, '1');
    expect(&no_place, '2');
}

static void test_unusable(void)
{
    const scene broken = {.run = "broken"}, shared = {.run = "fresh", .file = "shared.json"};
    expect(&broken, '1');
    edit("broken/plans.json", "\"engine\": 1,", "\"engine\": 7,");
    expect_failure(&broken, CR_BAD_DATA, "broken/plans.json, plan 0: layer ");
    const scene evaluated = {.evaluated = "broken"};
    expect_failure(&evaluated, CR_BAD_DATA, "broken/plans.json, plan 0: layer ");
    put("broken/plans.json", "{\"format\": 1, \"plans\": [");
    expect_failure(&broken, CR_BAD_DATA, "broken/plans.json:1:");
    put("shared.json", "{\"format\": 9, \"plans\": []}");
    expect_failure(&shared, CR_BAD_DATA, "shared.json: \"format\" is 9");
}

static void test_two_kinds_of_device(void)
{
    char device[32];
    snprintf(device, sizeof device, "device %d", cr_comm_rank(comm) > 0);
    const scene mixed = {.device = device, .run = "mixed"};
    if (cr_comm_size(comm) > 1)
        expect_failure(&mixed, CR_BAD_CONFIG, "rank 1 has device 1 with emulated 1.0, rank 0 device 0");
}

/* Engines that compute something else, as one of cuDNN's seems to have done for one shape: each is found out before it
 * computes anything, and the next one takes its place. */
static void test_wrong_engines(void)
{
    const scene ruled = {.by_rule = true, .run = "wrong-rule", .wrong = "0"};
    const scene last = {.by_rule = true, .run = "wrong-rule", .wrong = "01"};
    const scene measured = {.fastest = "1", .run = "wrong-measured", .wrong = "1"};
    const scene all = {.by_rule = true, .run = "wrong-rule", .wrong = "012"};
    const scene later = {.run = "wrong-measured", .wrong = "0"};
    expect(&ruled, '1');
    expect(&last, '2');
    expect(&measured, '0');
    expect_failure(&all, CR_INTERNAL, "none of 3 engines for layer ");
    expect_failure(&all, CR_INTERNAL, ": emulated:2 is wrong at ");
    expect_failure(&later, CR_BAD_DATA, "wrong-measured/plans.json, plan 0: forward of n ");
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts, (void)kind, (void)where;
    return remove(path);
}

/* A net with at least two convolutions. */
static void open_case(void)
{
    for (int i = 0; i < suite_n_nets(); i++) {
        int n = 0;
        suite_case_open(i, 1, false, &c);
        for (int l = 0; l < c.net->n_layers; l++)
            n += c.net->layers[l].kind == CR_LAYER_CONV;
        if (n > 1)
            return;
        suite_case_close(&c);
    }
    CHECK(comm, !"a net with two convolutions");
}

int main(void)
{
    const char *place = getenv("TMPDIR");
    if (cr_comm_open_world(&comm) != CR_OK) {
        fprintf(stderr, "%s\n", cr_error_message());
        return 1;
    }
    cr_log_set_quiet(true);
    snprintf(folder, sizeof folder, "%s/crisol-plans-XXXXXX", place ? place : "/tmp");
    if (cr_comm_rank(comm) == 0)
        CHECK(comm, mkdtemp(folder));
    CHECK_OK(comm, cr_comm_broadcast(comm, folder, sizeof folder, 0));
    open_case();
    test_chosen_once();
    test_shared_file();
    test_unusable();
    test_two_kinds_of_device();
    test_wrong_engines();
    suite_case_close(&c);
    if (cr_comm_rank(comm) == 0)
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    cr_comm_close(&comm);
    puts("ok: engines by measurement");
    return 0;
}
