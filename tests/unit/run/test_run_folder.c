#include "crisol/json.h"
#include "crisol/run.h"
#include "scratch.h"

#include <jansson.h>

static cr_run *open_run(scratch *it)
{
    cr_run *run = NULL;
    assert_ok(cr_run_open(scratch_path(it, "runs/first"), &run));
    return run;
}

static void test_open(void **state)
{
    cr_run *run = open_run(*state);
    assert_string_equal(cr_run_folder(run), scratch_path(*state, "runs/first"));
    cr_run_close(&run);
    assert_null(run);
    cr_run_close(&run);
    run = open_run(*state); /* an existing one is fine */
    cr_run_close(&run);
    assert_status(cr_run_open("", &run), CR_USAGE);
    scratch_write(*state, "file", "x", 1);
    assert_status(cr_run_open(scratch_path(*state, "file"), &run), CR_IO);
    assert_null(run);
}

static void test_symbolic_links_refused(void **state)
{
    char target[512], link[512];
    cr_run *run = open_run(*state);
    snprintf(target, sizeof target, "%s", scratch_path(*state, "runs/first"));
    snprintf(link, sizeof link, "%s", scratch_path(*state, "link"));
    assert_int_equal(symlink(target, link), 0);
    cr_run *other = NULL;
    assert_status(cr_run_open(link, &other), CR_PERMISSION);
    assert_status(cr_run_open(scratch_path(*state, "link/"), &other), CR_PERMISSION);
    assert_int_equal(symlink("/nowhere/at/all", scratch_path(*state, "dangling")), 0);
    assert_status(cr_run_open(scratch_path(*state, "dangling"), &other), CR_PERMISSION);
    /* nor does anything inside lead elsewhere */
    scratch_write(*state, "victim", "untouched\n", 10);
    snprintf(target, sizeof target, "%s", scratch_path(*state, "victim"));
    assert_int_equal(symlink(target, scratch_path(*state, "runs/first/journal.jsonl")), 0);
    assert_status(cr_run_journal(run, "start", NULL), CR_IO);
    assert_int_equal(symlink("/tmp", scratch_path(*state, "runs/first/checkpoints")), 0);
    cr_checkpoint_policy policy = {1, 1, true};
    assert_status(cr_checkpoint_write(run, 1, NULL, 0, json_object(), &policy), CR_PERMISSION);
    size_t bytes;
    char *text = scratch_read(*state, "victim", &bytes);
    assert_string_equal(text, "untouched\n");
    free(text);
    cr_run_close(&run);
}

static void test_journal(void **state)
{
    cr_run *run = open_run(*state);
    int64_t journal_bytes, metrics_bytes;
    size_t bytes;
    assert_ok(cr_run_sizes(run, &journal_bytes, &metrics_bytes));
    assert_int_equal(journal_bytes, 0);
    assert_int_equal(metrics_bytes, 0);
    assert_ok(cr_run_journal(run, "start", NULL));
    assert_ok(cr_run_journal(run, "epoch", json_pack("{s:i, s:f}", "epoch", 1, "loss", 0.1)));
    assert_status(cr_run_journal(run, "epoch", json_pack("{s:i}", "time", 1)), CR_INTERNAL);
    assert_ok(cr_run_sizes(run, &journal_bytes, &metrics_bytes));
    assert_ok(cr_run_journal(run, "later", json_pack("{s:s}", "text", "two\nlines")));
    char *text = scratch_read(*state, "runs/first/journal.jsonl", &bytes);
    int n_lines = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n_lines++) {
        static const char *const events[] = {"start", "epoch", "later"};
        json_t *event = NULL;
        const char *name, *now;
        assert_ok(cr_json_parse(line, strlen(line), "journal", &event));
        assert_ok(cr_json_get_string(event, "event", "journal", &name));
        assert_ok(cr_json_get_string(event, "time", "journal", &now));
        assert_string_equal(name, events[n_lines]);
        assert_int_equal(strlen(now), 20);
        json_decref(event);
    }
    assert_int_equal(n_lines, 3);
    free(text);
    assert_ok(cr_run_rewind(run, 0, journal_bytes, 0)); /* "later" never happened */
    assert_ok(cr_run_journal(run, "again", NULL));
    text = scratch_read(*state, "runs/first/journal.jsonl", &bytes);
    assert_null(strstr(text, "later"));
    assert_non_null(strstr(text, "again"));
    free(text);
    cr_run_close(&run);
}

/* Back to the checkpoint of step 6: what happened stays, once; what training writes again goes. */
static void test_rewind(void **state)
{
    static const char first[] = "{\"event\": \"start\", \"step\": 0}\n{\"event\": \"epoch\", \"step\": 3.0}\n";
    static const char saved[] = "{\"event\": \"checkpoint\", \"step\": 6}\n{\"event\": \"stop\", \"step\": 6}\n";
    static const char resumed[] = "{\"event\": \"resume\", \"step\": 6}\n";
    char text[1024];
    cr_run *run = open_run(*state);
    int length = snprintf(text, sizeof text,
                          "%s%s{\"event\": \"epoch\", \"step\": 9.0}\n{\"event\": \"end\"}\nno JSON\n"
                          "{\"event\": \"checkpoint\", \"step\": 7}\n%s{\"event\": \"stop\", \"step\": 6",
                          first, saved, resumed);
    scratch_write(*state, "runs/first/journal.jsonl", text, (size_t)length);
    for (int times = 0; times < 3; times++) { /* as often as the resumed training is killed, too */
        size_t bytes;
        assert_ok(cr_run_rewind(run, 6, sizeof first - 1, 0));
        char *found = scratch_read(*state, "runs/first/journal.jsonl", &bytes);
        snprintf(text, sizeof text, "%s%s%s", first, saved, resumed);
        assert_int_equal(bytes, strlen(text));
        assert_memory_equal(found, text, bytes);
        free(found);
    }
    assert_ok(cr_run_journal(run, "more", NULL)); /* into the new file */
    assert_ok(cr_run_rewind(run, 5, sizeof first - 1, 0));
    size_t bytes;
    free(scratch_read(*state, "runs/first/journal.jsonl", &bytes));
    assert_int_equal(bytes, sizeof first - 1);
    cr_run_close(&run);
}

static void test_journal_drops_half_a_line(void **state)
{
    size_t bytes;
    cr_run *run = open_run(*state);
    scratch_write(*state, "runs/first/journal.jsonl", "{\"event\": \"a\"}\n{\"event\": \"b", 28);
    assert_ok(cr_run_journal(run, "c", NULL));
    char *text = scratch_read(*state, "runs/first/journal.jsonl", &bytes);
    assert_non_null(strstr(text, "{\"event\": \"a\"}\n{\"time\""));
    free(text);
    cr_run_close(&run);
    char block[10000]; /* longer than the block that is searched at once */
    memset(block, 'x', sizeof block);
    block[10] = '\n';
    scratch_write(*state, "runs/first/journal.jsonl", block, sizeof block);
    run = open_run(*state);
    assert_ok(cr_run_journal(run, "c", NULL));
    text = scratch_read(*state, "runs/first/journal.jsonl", &bytes);
    assert_memory_equal(text, "xxxxxxxxxx\n{\"time\"", 18);
    free(text);
    cr_run_close(&run);
}

static json_t *make_row(double loss)
{
    return json_pack("{s:i, s:o}", "epoch", 3, "val/loss", cr_json_real(loss));
}

static void test_metrics(void **state)
{
    size_t bytes;
    int64_t journal_bytes, metrics_bytes;
    cr_run *run = open_run(*state);
    assert_ok(cr_run_metrics_row(run, make_row(0.1)));
    assert_ok(cr_run_sizes(run, &journal_bytes, &metrics_bytes));
    assert_ok(cr_run_metrics_row(run, make_row(1.0 / 3)));
    cr_run_close(&run);
    run = open_run(*state); /* opened again: the same columns, whatever the order of the keys */
    assert_ok(cr_run_metrics_row(run, json_pack("{s:s, s:i}", "val/loss", "nan", "epoch", 4)));
    assert_ok(cr_run_metrics_row(run, json_pack("{s:i}", "epoch", 5)));
    assert_status(cr_run_metrics_row(run, json_pack("{s:i, s:i}", "epoch", 5, "new", 1)), CR_BAD_DATA);
    assert_status(cr_run_metrics_row(run, json_pack("{s:s}", "epoch", "five")), CR_INTERNAL);
    assert_status(cr_run_metrics_row(run, json_array()), CR_INTERNAL);
    char *text = scratch_read(*state, "runs/first/metrics.csv", &bytes);
    assert_string_equal(text, "epoch,val/loss\n3,0.1\n3,0.3333333333333333\n4,nan\n5,\n");
    free(text);
    assert_ok(cr_run_rewind(run, 0, 0, metrics_bytes));
    assert_ok(cr_run_rewind(run, 0, 1000, 1000)); /* never made longer */
    text = scratch_read(*state, "runs/first/metrics.csv", &bytes);
    assert_string_equal(text, "epoch,val/loss\n3,0.1\n");
    free(text);
    assert_ok(cr_run_rewind(run, 0, 0, 0)); /* even the header goes: the next row writes its own */
    assert_ok(cr_run_metrics_row(run, json_pack("{s:i, s:i}", "other", 1, "x", 2)));
    text = scratch_read(*state, "runs/first/metrics.csv", &bytes);
    assert_string_equal(text, "other,x\n1,2\n");
    free(text);
    cr_run_close(&run);
    run = NULL;
    assert_ok(cr_run_open(scratch_path(*state, "runs/second"), &run));
    assert_status(cr_run_metrics_row(run, json_pack("{s:i}", "a,b", 1)), CR_INTERNAL);
    assert_status(cr_run_metrics_row(run, json_object()), CR_INTERNAL);
    cr_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_symbolic_links_refused, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_journal, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_rewind, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_journal_drops_half_a_line, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_metrics, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
