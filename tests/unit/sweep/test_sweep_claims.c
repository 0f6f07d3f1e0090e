/* A thousand trials on eight processes that share nothing but a folder and die, or stand still for longer than a lease
 * lasts, at random. Every trial must be trained to its end once, by one process at a time. The trainings are
 * make-believe; ledger, leases and scheduler are the real ones. */
#include "scheduler.h"
#include "scratch.h"
#include "tiny_pack.h"

#include "crisol/clock.h"
#include "crisol/log.h"
#include "crisol/rng.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    N_TRIALS = 1000,
    N_WORKERS = 8,
    N_EPOCHS = 2,
    DEATHS_IN = 12, /* one in so many trials ends in a death, and one in ten times as many in a long sleep */
    MAX_SECONDS = 240
};
static const double heartbeat_s = 1;
static const double sleep_s = 4;

typedef struct work {
    const cr_sweep *sweep;
    cr_sweep_options options;
    char claims[300]; /* folder with a file a trial: the process that works on it */
} work;

enum { /* exit codes of a worker */
    IS_OVER = 0,
    IS_BROKEN = 90,
    TWO_AT_ONCE = 91
};

static bool is_at_work(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    if (!in)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[n] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && !strchr("ZXTt", name_end[2]);
}

/* Who is there before must have died, or stand still. */
static bool enter(const work *it, const cr_claim *claim)
{
    char path[400], text[32] = "";
    snprintf(path, sizeof path, "%s/%s", it->claims, it->sweep->trials[claim->trial].id);
    FILE *file = fopen(path, "r+");
    if (file && fgets(text, sizeof text, file) && is_at_work((pid_t)atoi(text))) {
        fclose(file);
        return false;
    }
    file = file ? freopen(path, "w", file) : fopen(path, "w");
    if (!file)
        return false;
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
    return true;
}

static void leave(const work *it, const cr_claim *claim)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", it->claims, it->sweep->trials[claim->trial].id);
    unlink(path);
}

static double metric_of(int64_t trial, int64_t epoch)
{
    return sin((double)(trial * 7 + epoch));
}

static void perhaps_die(cr_rng *rng)
{
    if (cr_rng_below(rng, DEATHS_IN * 5) == 0) /* there are five places for it */
        kill(getpid(), SIGKILL);
    if (cr_rng_below(rng, DEATHS_IN * 50) == 0)
        kill(getpid(), SIGSTOP);
}

static int train(const work *it, cr_scheduler *scheduler, cr_claim *claim, cr_rng *rng)
{
    double metrics[N_EPOCHS];
    cr_status status = CR_OK;
    int64_t trial = claim->trial;
    perhaps_die(rng);
    if (cr_run_check(claim->run) == CR_OK && !enter(it, claim))
        return TWO_AT_ONCE;
    for (int64_t epoch = 1; status == CR_OK && epoch <= N_EPOCHS; epoch++) {
        bool go_on;
        metrics[epoch - 1] = metric_of(trial, epoch);
        perhaps_die(rng);
        status = cr_scheduler_end_epoch(scheduler, claim, epoch, metrics[epoch - 1], &go_on);
    }
    perhaps_die(rng);
    cr_trial_end end = {.state = CR_TRIAL_DONE, .metrics = metrics, .n_epochs = N_EPOCHS, .seconds = 1};
    cr_claim given_back = *claim;
    if (status == CR_OK && cr_run_check(claim->run) == CR_OK)
        leave(it, &given_back);
    if (status == CR_OK)
        status = cr_scheduler_end_trial(scheduler, claim, &end);
    cr_run_close(&claim->run);
    perhaps_die(rng);
    return status == CR_OK || status == CR_BAD_CONFIG ? IS_OVER : IS_BROKEN; /* the latter: taken over while it slept */
}

static int work_to_the_end(const work *it, uint64_t life)
{
    cr_rng rng = cr_rng_make(life, CR_RNG_SWEEP, 0, 0);
    cr_ledger *ledger = NULL;
    cr_scheduler *scheduler = NULL;
    int code = IS_OVER;
    cr_log_set_quiet(true);
    if (cr_ledger_open(it->options.output, true, &ledger) != CR_OK ||
        cr_scheduler_create(&it->options, ledger, heartbeat_s, &scheduler) != CR_OK)
        return IS_BROKEN;
    while (code == IS_OVER) {
        cr_claim claim;
        if (cr_scheduler_claim(scheduler, &claim) != CR_OK)
            code = IS_BROKEN;
        else if (claim.trial < 0 && claim.is_over)
            break;
        else if (claim.trial < 0)
            usleep(20000);
        else
            code = train(it, scheduler, &claim, &rng);
    }
    if (code == IS_BROKEN)
        cr_log_error("%s", cr_error_message());
    cr_scheduler_destroy(&scheduler);
    cr_ledger_close(&ledger);
    return code;
}

static pid_t begin_life(work *it, int worker, uint64_t life)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    it->options.shard = worker;
    signal(SIGALRM, SIG_DFL);
    alarm(MAX_SECONDS);
    _exit(work_to_the_end(it, life));
}

typedef struct crowd {
    pid_t pids[N_WORKERS];
    double asleep_s[N_WORKERS]; /* since when; 0: awake */
    uint64_t n_lives;
    int n_working, n_deaths, n_sleeps;
} crowd;

static void wake_sleepers(crowd *all)
{
    for (int w = 0; w < N_WORKERS; w++)
        if (all->asleep_s[w] > 0 && cr_clock_s() - all->asleep_s[w] > sleep_s) {
            all->asleep_s[w] = 0;
            kill(all->pids[w], SIGCONT);
        }
}

/* One change of one worker. */
static void attend(work *it, crowd *all)
{
    int how;
    pid_t pid = waitpid(-1, &how, WNOHANG | WUNTRACED);
    for (int w = 0; pid > 0 && w < N_WORKERS; w++) {
        if (all->pids[w] != pid)
            continue;
        if (WIFSTOPPED(how)) {
            all->asleep_s[w] = cr_clock_s();
            all->n_sleeps++;
        } else if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL) {
            all->n_deaths++;
            all->pids[w] = begin_life(it, w, ++all->n_lives);
        } else if (WIFEXITED(how) && WEXITSTATUS(how) == IS_OVER) {
            all->n_working--;
        } else {
            fail_msg("worker %d left with %s %d", w, WIFEXITED(how) ? "code" : "signal",
                     WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how));
        }
    }
    if (pid == 0)
        usleep(5000);
}

/* One "end" line each, and the metrics that belong to it. */
static void check_ledger(scratch *it, const cr_sweep *sweep)
{
    cr_ledger *ledger = NULL;
    size_t bytes;
    int n_ends = 0;
    assert_ok(cr_ledger_open(it->folder, false, &ledger));
    assert_ok(cr_ledger_refresh(ledger));
    for (int64_t i = 0; i < sweep->n_trials; i++) {
        const cr_record *record = cr_ledger_find(ledger, sweep->trials[i].id);
        assert_non_null(record);
        assert_int_equal(record->state, CR_TRIAL_DONE);
        assert_int_equal(record->n_epochs, N_EPOCHS);
        for (int64_t epoch = 1; epoch <= N_EPOCHS; epoch++)
            assert_true(record->metrics[epoch - 1] == metric_of(i, epoch));
    }
    int64_t n;
    cr_ledger_all(ledger, &n);
    assert_int_equal(n, N_TRIALS);
    cr_ledger_close(&ledger);
    char *text = scratch_read(it, "trials.jsonl", &bytes);
    for (const char *at = text; (at = strstr(at, "\"event\": \"end\"")); at++)
        n_ends++;
    free(text);
    assert_int_equal(n_ends, N_TRIALS);
}

static void a_thousand_trials_end_once(void **state)
{
    scratch *it = *state;
    char text[700];
    cr_sweep *sweep = NULL;
    snprintf(text, sizeof text, "data: {pack: %s, batch: 8, micro_batch: 4}\n", tiny_pack_folder());
    scratch_write(it, "base.yaml", text, strlen(text));
    snprintf(text, sizeof text,
             "base: base.yaml\nmethod: random\ntrials: %d\nparameters: {optimizer.lr: {range: [0, 1]}}\n", N_TRIALS);
    scratch_write(it, "s.yaml", text, strlen(text));
    assert_ok(cr_sweep_read(scratch_path(it, "s.yaml"), NULL, 0, &sweep));
    assert_int_equal(cr_sweep_n_trials(sweep), N_TRIALS);
    work job = {.sweep = sweep, .options = {.sweep = sweep, .output = it->folder, .n_shards = N_WORKERS}};
    snprintf(job.claims, sizeof job.claims, "%s/claims", it->folder);
    assert_int_equal(mkdir(job.claims, 0777), 0);
    crowd all = {.n_working = N_WORKERS};
    double start = cr_clock_s();
    for (int w = 0; w < N_WORKERS; w++)
        all.pids[w] = begin_life(&job, w, ++all.n_lives);
    while (all.n_working > 0) {
        attend(&job, &all);
        wake_sleepers(&all);
        assert_true(cr_clock_s() - start < MAX_SECONDS);
    }
    print_message("%d deaths, %d sleeps of %.0f s, %.1f s\n", all.n_deaths, all.n_sleeps, sleep_s,
                  cr_clock_s() - start);
    assert_true(all.n_deaths >= 20);
    check_ledger(it, sweep);
    cr_sweep_destroy(&sweep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_thousand_trials_end_once, scratch_setup, scratch_teardown),
    };
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    tiny_pack_remove();
    return n_failed;
}
