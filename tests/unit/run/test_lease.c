/* One writer a run directory: who may take it over, and what becomes of the one that was taken for dead. */
#include "crisol/run.h"
#include "lease.h"
#include "scratch.h"

#include <signal.h>
#include <sys/wait.h>

static cr_run *open_run(scratch *it)
{
    cr_run *run = NULL;
    assert_ok(cr_run_open(it->folder, &run));
    return run;
}

static int64_t highest(scratch *it)
{
    int64_t fence;
    assert_ok(cr_lease_scan(it->folder, 0, &fence));
    return fence;
}

static void numbers_rise_and_the_free_lease_is_followed_at_once(void **state)
{
    for (int64_t i = 1; i <= 3; i++) {
        char owner[256];
        cr_run *run = open_run(*state);
        assert_ok(cr_run_take(run, 60));
        assert_int_equal(highest(*state), i);
        assert_ok(cr_run_find_token(cr_run_folder(run), cr_run_token(run), 0));
        assert_status(cr_run_find_token(cr_run_folder(run), "another", 0), CR_MISSING);
        assert_ok(cr_run_journal(run, "start", NULL));
        assert_ok(cr_run_name_owner(cr_run_folder(run), owner, sizeof owner));
        assert_non_null(strstr(owner, "pid"));
        cr_run_close(&run);
    }
}

static void an_owner_that_lives_is_named(void **state)
{
    cr_run *first = open_run(*state), *second = open_run(*state);
    assert_ok(cr_run_take(first, 0.05));
    assert_status(cr_run_take(second, 0.05), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "pid"));
    assert_int_equal(highest(*state), 1);
    assert_ok(cr_run_journal(first, "start", NULL));
    cr_run_close(&second);
    cr_run_close(&first);
}

/* Writes the lease of somebody else. */
static void plant(scratch *it, const cr_lease_facts *facts)
{
    char name[CR_LEASE_NAME], text[CR_LEASE_BYTES];
    cr_lease_file_name(facts->fence, name);
    assert_ok(cr_lease_print(facts, text));
    scratch_write(it, name, text, sizeof text);
}

static void a_silent_owner_elsewhere_is_followed_after_three_heartbeats(void **state)
{
    cr_lease_facts other;
    cr_run *run = open_run(*state);
    cr_lease_describe_self(&other);
    other.fence = 7;
    other.heartbeat_s = 0.1;
    snprintf(other.boot, sizeof other.boot, "another machine");
    plant(*state, &other);
    assert_ok(cr_run_take(run, 60));
    assert_int_equal(highest(*state), 8);
    assert_false(scratch_exists(*state, "lease-7.json"));
    cr_run_close(&run);
}

static void a_dead_process_of_this_machine_is_followed_at_once(void **state)
{
    cr_lease_facts self, other;
    (void)state;
    cr_lease_describe_self(&self);
    other = self;
    assert_false(cr_lease_is_orphan(&other, &self));
    other.started--; /* the pid is used again */
    assert_true(cr_lease_is_orphan(&other, &self));
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    other = self;
    other.pid = child;
    other.started = 0;
    assert_true(cr_lease_is_orphan(&other, &self)); /* dead, but not buried */
    waitpid(child, NULL, 0);
    assert_true(cr_lease_is_orphan(&other, &self));
    snprintf(other.pids, sizeof other.pids, "pid:[1]");
    assert_false(cr_lease_is_orphan(&other, &self)); /* numbers of another container */
}

static void a_requeued_job_follows_its_former_start(void **state)
{
    cr_lease_facts self, other;
    (void)state;
    cr_lease_describe_self(&self);
    snprintf(self.job, sizeof self.job, "12");
    self.restart = 1;
    other = self;
    snprintf(other.boot, sizeof other.boot, "another machine");
    assert_false(cr_lease_is_orphan(&other, &self));
    other.restart = 0;
    assert_true(cr_lease_is_orphan(&other, &self));
    snprintf(other.job, sizeof other.job, "13");
    assert_false(cr_lease_is_orphan(&other, &self));
}

static void who_was_taken_for_dead_publishes_nothing(void **state)
{
    cr_lease_facts other;
    cr_run *run = open_run(*state);
    assert_ok(cr_run_take(run, 60));
    assert_ok(cr_run_journal(run, "start", NULL));
    cr_lease_describe_self(&other);
    other.fence = 2;
    other.heartbeat_s = 60;
    snprintf(other.host, sizeof other.host, "elsewhere");
    plant(*state, &other);
    assert_status(cr_run_journal(run, "epoch", NULL), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "elsewhere"));
    assert_status(cr_run_rewind(run, 0, 0, 0), CR_BAD_CONFIG);
    cr_run_close(&run);
    assert_int_equal(highest(*state), 2);
}

static void trying_never_waits(void **state)
{
    cr_run_watch watch = {0};
    cr_lease_facts other;
    bool taken = true;
    cr_run *first = open_run(*state), *second = open_run(*state);
    assert_ok(cr_run_try(first, 5, &watch, &taken));
    assert_true(taken && cr_run_fence(first) == 1 && cr_run_fence(second) == 0);
    for (int i = 0; i < 5; i++) {
        assert_ok(cr_run_try(second, 60, &watch, &taken));
        assert_false(taken);
    }
    cr_run_close(&first);
    assert_ok(cr_run_try(second, 60, &watch, &taken)); /* given back */
    assert_true(taken && cr_run_fence(second) == 2);
    cr_run_close(&second);
    /* a silent owner elsewhere, by what the same watch has seen */
    cr_lease_describe_self(&other);
    other.fence = 7;
    other.heartbeat_s = 0.2;
    snprintf(other.boot, sizeof other.boot, "another machine");
    plant(*state, &other);
    second = open_run(*state);
    assert_ok(cr_run_try(second, 60, &watch, &taken));
    assert_false(taken);
    usleep(100000);
    other.beat++; /* a sign of life: the wait begins again */
    plant(*state, &other);
    usleep(550000);
    assert_ok(cr_run_try(second, 60, &watch, &taken));
    assert_false(taken);
    usleep(650000);
    assert_ok(cr_run_try(second, 60, &watch, &taken));
    assert_true(taken && cr_run_fence(second) == 8);
    assert_ok(cr_run_check(second));
    cr_run_close(&second);
}

static void damaged_leases_hold_for_a_while_only(void **state)
{
    static const char *const texts[] = {"", "{", "{\"fence\": \"x\"}", "null"};
    char text[CR_LEASE_BYTES];
    cr_lease_facts facts;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        scratch_write(*state, "lease-3.json", texts[i], strlen(texts[i]));
        assert_status(cr_lease_read(((scratch *)*state)->folder, 3, text, &facts), CR_BAD_DATA);
    }
    char *large = calloc(1, 1 << 16);
    assert_non_null(large);
    scratch_write(*state, "lease-3.json", large, 1 << 16);
    free(large);
    assert_status(cr_lease_read(((scratch *)*state)->folder, 3, text, &facts), CR_BAD_DATA);
    scratch_write(*state, "lease-03.json", "", 0); /* no name of ours */
    scratch_write(*state, "lease-9x.json", "", 0);
    assert_int_equal(highest(*state), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_rise_and_the_free_lease_is_followed_at_once),
        TEST(an_owner_that_lives_is_named),
        TEST(a_silent_owner_elsewhere_is_followed_after_three_heartbeats),
        TEST(a_dead_process_of_this_machine_is_followed_at_once),
        TEST(a_requeued_job_follows_its_former_start),
        TEST(who_was_taken_for_dead_publishes_nothing),
        TEST(trying_never_waits),
        TEST(damaged_leases_hold_for_a_while_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
