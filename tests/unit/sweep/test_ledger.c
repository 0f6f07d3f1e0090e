/* The ledger: what is appended is found again; what is torn, damaged or of a former owner is passed over. */
#include "crisol/json.h"
#include "crisol/log.h"
#include "ledger.h"
#include "scratch.h"

#include <jansson.h>
#include <math.h>

static const char a[] = "00000000000000aa", b[] = "00000000000000bb";

static cr_ledger *open_ledger(scratch *it)
{
    cr_ledger *ledger = NULL;
    assert_ok(cr_ledger_open(it->folder, true, &ledger));
    assert_ok(cr_ledger_refresh(ledger));
    return ledger;
}

static void start(cr_ledger *ledger, const char *id, int fence)
{
    assert_ok(cr_ledger_append(ledger, "start", json_pack("{s:s, s:i}", "trial", id, "fence", fence)));
}

static void end_epoch(cr_ledger *ledger, const char *id, int fence, int epoch, double metric)
{
    assert_ok(cr_ledger_append(ledger, "epoch",
                               json_pack("{s:s, s:i, s:i, s:o}", "trial", id, "fence", fence, "epoch", epoch, "metric",
                                         cr_json_real(metric))));
}

static void end(cr_ledger *ledger, const char *id, int fence, const char *state)
{
    assert_ok(cr_ledger_append(ledger, "end",
                               json_pack("{s:s, s:i, s:s, s:f, s:i, s:s}", "trial", id, "fence", fence, "state", state,
                                         "seconds", 1.5, "code", 76, "cause", "so")));
}

static cr_trial_state state_of(cr_ledger *ledger, const char *id)
{
    assert_ok(cr_ledger_refresh(ledger));
    const cr_record *record = cr_ledger_find(ledger, id);
    return record ? record->state : CR_TRIAL_WAITING;
}

static void a_trial_goes_through_its_states(void **state)
{
    cr_ledger *writer = open_ledger(*state), *reader = open_ledger(*state);
    assert_int_equal(state_of(reader, a), CR_TRIAL_WAITING);
    start(writer, a, 1);
    assert_int_equal(state_of(reader, a), CR_TRIAL_RUNNING);
    end_epoch(writer, a, 1, 1, 0.25);
    end_epoch(writer, a, 1, 2, (double)NAN);
    end_epoch(writer, a, 1, 4, 0.75); /* one is missing */
    end(writer, a, 1, "failed");
    assert_int_equal(state_of(reader, a), CR_TRIAL_FAILED);
    const cr_record *record = cr_ledger_find(reader, a);
    int64_t epoch = 0;
    assert_int_equal(record->n_epochs, 4);
    assert_true(isnan(record->metrics[1]) && isnan(record->metrics[2]));
    assert_true(cr_record_best(record, 4, true, &epoch) == 0.75 && epoch == 4);
    assert_true(cr_record_best(record, 4, false, &epoch) == 0.25 && epoch == 1);
    assert_true(cr_record_best(record, 3, true, NULL) == 0.25);
    assert_true(record->seconds == 1.5 && record->failure == CR_NON_FINITE);
    assert_string_equal(record->cause, "so");
    cr_ledger_close(&writer);
    cr_ledger_close(&reader);
}

static void a_former_owner_says_nothing_more(void **state)
{
    cr_ledger *ledger = open_ledger(*state);
    start(ledger, a, 1);
    start(ledger, a, 2);
    end(ledger, a, 1, "failed");
    end_epoch(ledger, a, 1, 1, 0.5);
    assert_int_equal(state_of(ledger, a), CR_TRIAL_RUNNING);
    assert_int_equal(cr_ledger_find(ledger, a)->n_epochs, 0);
    end(ledger, a, 2, "done");
    assert_int_equal(state_of(ledger, a), CR_TRIAL_DONE);
    cr_ledger_close(&ledger);
}

static void starts_without_an_epoch_are_counted(void **state)
{
    cr_ledger *ledger = open_ledger(*state);
    for (int i = 1; i <= 4; i++)
        start(ledger, a, i);
    assert_int_equal(state_of(ledger, a), CR_TRIAL_RUNNING);
    assert_int_equal(cr_ledger_find(ledger, a)->n_idle, 4);
    end_epoch(ledger, a, 4, 1, 0.5);
    start(ledger, a, 5);
    assert_ok(cr_ledger_refresh(ledger));
    assert_int_equal(cr_ledger_find(ledger, a)->n_idle, 1);
    cr_ledger_close(&ledger);
}

/* Cut after each of its bytes, a ledger says what its whole lines say, and the next line is whole again. */
static void a_torn_last_line_is_closed(void **state)
{
    scratch *it = *state;
    size_t bytes;
    cr_ledger *ledger = open_ledger(it);
    start(ledger, a, 1);
    cr_ledger_close(&ledger);
    char *text = scratch_read(it, "trials.jsonl", &bytes);
    for (size_t cut = 0; cut <= bytes; cut++) {
        scratch_write(it, "trials.jsonl", text, cut);
        ledger = open_ledger(it);
        assert_int_equal(state_of(ledger, a), cut == bytes ? CR_TRIAL_RUNNING : CR_TRIAL_WAITING);
        start(ledger, b, 1);
        assert_int_equal(state_of(ledger, b), CR_TRIAL_RUNNING);
        cr_ledger_close(&ledger);
        ledger = open_ledger(it); /* from the beginning; a line that lacks only its newline is whole now */
        assert_int_equal(state_of(ledger, a), cut >= bytes - 1 ? CR_TRIAL_RUNNING : CR_TRIAL_WAITING);
        assert_int_equal(state_of(ledger, b), CR_TRIAL_RUNNING);
        cr_ledger_close(&ledger);
    }
    free(text);
}

static void a_damaged_line_is_passed_over(void **state)
{
    scratch *it = *state;
    size_t bytes;
    cr_ledger *ledger = open_ledger(it);
    start(ledger, a, 1);
    start(ledger, b, 1);
    cr_ledger_close(&ledger);
    char *text = scratch_read(it, "trials.jsonl", &bytes);
    size_t first = strcspn(text, "\n");
    for (size_t i = 0; i < first; i++) {
        text[i] ^= 1;
        if (text[i] != '\n') {
            scratch_write(it, "trials.jsonl", text, bytes);
            ledger = open_ledger(it);
            assert_int_equal(state_of(ledger, a), CR_TRIAL_WAITING);
            assert_int_equal(state_of(ledger, b), CR_TRIAL_RUNNING);
            cr_ledger_close(&ledger);
        }
        text[i] ^= 1;
    }
    free(text);
}

static void long_lines_and_many_are_read(void **state)
{
    cr_ledger *ledger = open_ledger(*state);
    json_t *metrics = json_array();
    for (int i = 0; i < 50000; i++)
        json_array_append_new(metrics, json_real(i));
    start(ledger, a, 1);
    assert_ok(cr_ledger_append(
        ledger, "end", json_pack("{s:s, s:i, s:s, s:o}", "trial", a, "fence", 1, "state", "done", "metrics", metrics)));
    for (int i = 0; i < 3000; i++) {
        char id[CR_TRIAL_ID];
        snprintf(id, sizeof id, "%016x", i + 0x1000);
        start(ledger, id, 1);
    }
    cr_ledger_close(&ledger);
    ledger = open_ledger(*state);
    int64_t n;
    cr_ledger_all(ledger, &n);
    assert_int_equal(n, 3001);
    assert_int_equal(cr_ledger_find(ledger, a)->n_epochs, 50000);
    assert_true(cr_record_best(cr_ledger_find(ledger, a), 50000, true, NULL) == 49999);
    cr_ledger_close(&ledger);
}

static void strangers_facts_do_no_harm(void **state)
{
    cr_ledger *ledger = open_ledger(*state);
    assert_ok(cr_ledger_append(ledger, "start", json_pack("{s:s}", "trial", "short")));
    assert_ok(cr_ledger_append(ledger, "epoch", json_pack("{s:s, s:I}", "trial", a, "epoch", (json_int_t)INT64_MAX)));
    assert_ok(cr_ledger_append(ledger, "end", json_pack("{s:s, s:s}", "trial", a, "state", "sleeping")));
    assert_ok(cr_ledger_append(ledger, "stop", json_pack("{s:s}", "session", "me")));
    assert_ok(cr_ledger_append(ledger, "else", json_pack("{s:i}", "trial", 3)));
    assert_int_equal(state_of(ledger, a), CR_TRIAL_WAITING);
    assert_string_equal(cr_ledger_stopped_session(ledger), "me");
    cr_ledger_close(&ledger);
}

/* What a sweep directory of somebody else may say: nothing larger than it is, no terminal's commands. */
static void a_hostile_ledger_is_bounded(void **state)
{
    cr_ledger *ledger = open_ledger(*state);
    start(ledger, a, 1);
    end_epoch(ledger, a, 1, 900000, 0.5);
    assert_ok(cr_ledger_refresh(ledger));
    assert_int_equal(cr_ledger_find(ledger, a)->n_epochs, 0);
    json_t *metrics = json_array();
    for (int i = 0; i < 1000001; i++)
        json_array_append_new(metrics, json_integer(1));
    assert_ok(cr_ledger_append(ledger, "end",
                               json_pack("{s:s, s:i, s:s, s:o, s:i}", "trial", a, "fence", 1, "state", "failed",
                                         "metrics", metrics, "code", 12345)));
    assert_int_equal(state_of(ledger, a), CR_TRIAL_FAILED);
    assert_int_equal(cr_ledger_find(ledger, a)->n_epochs, 1000000);
    assert_int_equal(cr_ledger_find(ledger, a)->failure, CR_INTERNAL);
    start(ledger, "../../../../some", 1);
    assert_ok(cr_ledger_append(
        ledger, "end",
        json_pack("{s:s, s:i, s:s, s:s}", "trial", b, "fence", 1, "state", "failed", "cause", "\x1b[2J")));
    assert_int_equal(state_of(ledger, b), CR_TRIAL_WAITING);
    assert_null(cr_ledger_find(ledger, "../../../../some"));
    cr_ledger_close(&ledger);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_trial_goes_through_its_states),     TEST(a_former_owner_says_nothing_more),
        TEST(starts_without_an_epoch_are_counted), TEST(a_torn_last_line_is_closed),
        TEST(a_damaged_line_is_passed_over),       TEST(long_lines_and_many_are_read),
        TEST(strangers_facts_do_no_harm),          TEST(a_hostile_ledger_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
