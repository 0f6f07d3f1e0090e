#include "checkpoint_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

/* Names in checkpoints/, sorted, joined by spaces. */
static const char *names(scratch *it)
{
    static char text[1024];
    struct dirent **entries = NULL;
    int n = scandir(scratch_path(it, "run/checkpoints"), &entries, NULL, alphasort);
    *text = 0;
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? " " : "", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return text;
}

static const cr_checkpoint_policy keep_all = {100, 100, true};

static void test_round_trip(void **state)
{
    cr_run *run = fixture_open(*state);
    json_t *found = NULL;
    cr_safetensors *tensors = NULL;
    const char *folder = cr_run_folder(run);
    assert_status(cr_checkpoint_open(folder, "last", true, &found, &tensors), CR_MISSING);
    assert_status(cr_checkpoint_open(folder, "best", true, &found, &tensors), CR_MISSING);
    assert_ok(fixture_write(run, 10, 0.5, &keep_all));
    assert_ok(fixture_write(run, 9, 0.25, &keep_all));
    fixture_check(folder, "last", true, 10); /* by number, not by time or name */
    fixture_check(folder, "best", true, 10);
    fixture_check(folder, "best", false, 9);
    fixture_check(folder, scratch_path(*state, "run/checkpoints/step-9.json"), true, 9);
    assert_status(cr_checkpoint_open(folder, "run/checkpoints/step-1.json", true, &found, &tensors), CR_MISSING);

    cr_checkpoint_info *list = NULL;
    int64_t n = 0;
    assert_ok(cr_checkpoint_list(folder, &list, &n, NULL));
    assert_int_equal(n, 2);
    assert_int_equal(list[0].step, 9);
    assert_int_equal(list[1].step, 10);
    assert_int_equal(list[1].epoch, 1);
    assert_true(list[1].metric == 0.5);
    assert_string_equal(list[1].path, scratch_path(*state, "run/checkpoints/step-10.json"));
    char hash[CR_HASH_TEXT];
    uint64_t bytes;
    assert_ok(cr_hash_file(scratch_path(*state, "run/checkpoints/step-10.safetensors"), &bytes, hash));
    assert_string_equal(list[1].hash, hash);
    free(list);

    assert_ok(cr_checkpoint_open(folder, "last", true, &found, &tensors));
    double lr;
    assert_ok(cr_json_get_real(json_object_get(found, "schedule"), "lr", "state", &lr));
    assert_true(lr == 1e-5);
    assert_non_null(cr_safetensors_find(tensors, "optimizer.exp_avg.fc.weight"));
    json_decref(found);
    cr_safetensors_close(&tensors);
    cr_run_close(&run);
}

static void test_best(void **state)
{
    cr_run *run = fixture_open(*state);
    json_t *found = NULL;
    cr_safetensors *tensors = NULL;
    assert_ok(fixture_write(run, 1, NAN, &keep_all));
    assert_status(cr_checkpoint_open(cr_run_folder(run), "best", true, &found, &tensors), CR_MISSING);
    assert_ok(fixture_write(run, 2, 0.7, &keep_all));
    assert_ok(fixture_write(run, 3, 0.7, &keep_all));
    assert_ok(fixture_write(run, 4, -INFINITY, &keep_all));
    fixture_check(cr_run_folder(run), "best", true, 2); /* of equals the earlier */
    fixture_check(cr_run_folder(run), "best", false, 4);
    cr_run_close(&run);
}

static void test_prune(void **state)
{
    static const double metrics[] = {0.1, 0.9, 0.3, 0.8, NAN, 0.2, 0.9};
    cr_run *run = fixture_open(*state);
    cr_checkpoint_policy policy = {2, 1, true};
    for (int i = 0; i < 7; i++)
        assert_ok(fixture_write(run, i + 1, metrics[i], &policy));
    assert_string_equal(names(*state), "step-2.json step-2.safetensors step-6.json step-6.safetensors step-7.json "
                                       "step-7.safetensors");
    policy = (cr_checkpoint_policy){0, 0, true}; /* the one just written stays, whatever is asked for */
    assert_ok(fixture_write(run, 5, NAN, &policy));
    assert_string_equal(names(*state), "step-5.json step-5.safetensors");
    policy = (cr_checkpoint_policy){1, 2, false};
    for (int i = 0; i < 7; i++)
        assert_ok(fixture_write(run, i + 1, metrics[i], &policy));
    assert_string_equal(names(*state), "step-1.json step-1.safetensors step-6.json step-6.safetensors step-7.json "
                                       "step-7.safetensors");
    cr_run_close(&run);
}

static void test_same_step_again(void **state)
{
    cr_run *run = fixture_open(*state);
    assert_ok(fixture_write(run, 5, 0.1, &keep_all));
    assert_ok(fixture_write(run, 5, 0.2, &keep_all));
    assert_string_equal(names(*state), "step-5-again.safetensors step-5.json");
    fixture_check(cr_run_folder(run), "last", true, 5);
    assert_ok(fixture_write(run, 5, 0.3, &keep_all));
    assert_string_equal(names(*state), "step-5.json step-5.safetensors");
    fixture_check(cr_run_folder(run), "last", true, 5);
    cr_run_close(&run);
}

static void test_leftovers_go(void **state)
{
    cr_run *run = fixture_open(*state);
    assert_ok(fixture_write(run, 5, 0.1, &keep_all));
    scratch_write(*state, "run/checkpoints/step-6.safetensors", "half", 4); /* its JSON was never written */
    scratch_write(*state, "run/checkpoints/step-6.json.tmp-1-1", "half", 4);
    scratch_write(*state, "run/checkpoints/step-07.safetensors", "a user's own", 12);
    scratch_write(*state, "run/checkpoints/notes.txt", "a user's own", 12);
    fixture_check(cr_run_folder(run), "last", true, 5);
    assert_ok(fixture_write(run, 7, 0.1, &keep_all));
    assert_string_equal(names(*state), "notes.txt step-07.safetensors step-5.json step-5.safetensors step-7.json "
                                       "step-7.safetensors");
    cr_run_close(&run);
}

static void test_non_finite_refused(void **state)
{
    cr_run *run = fixture_open(*state);
    cr_checkpoint_policy policy = {1, 0, true};
    float weights[3] = {1, NAN, 2};
    cr_tensor_view view = {"w", CR_DTYPE_F32, 1, {3}, weights, sizeof weights};
    assert_ok(fixture_write(run, 5, 0.1, &policy));
    assert_status(cr_checkpoint_write(run, 6, &view, 1, json_object(), &policy), CR_NON_FINITE);
    weights[1] = -INFINITY;
    assert_status(cr_checkpoint_write(run, 6, &view, 1, json_object(), &policy), CR_NON_FINITE);
    assert_string_equal(names(*state), "step-5.json step-5.safetensors");
    weights[1] = 0x1.fffffep127f;
    assert_ok(cr_checkpoint_write(run, 6, &view, 1, json_object(), &policy));
    assert_status(cr_checkpoint_write(run, -1, &view, 1, json_object(), &policy), CR_INTERNAL);
    assert_status(cr_checkpoint_write(run, 7, &view, 1, NULL, &policy), CR_INTERNAL);
    cr_run_close(&run);
}

/* A file-size limit stands for a full disk: write(2) fails after so many bytes. */
static void test_no_room(void **state)
{
    cr_run *run = fixture_open(*state);
    cr_checkpoint_policy policy = {1, 0, true};
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_ok(fixture_write(run, 5, 0.1, &policy));
    assert_ok(cr_run_journal(run, "start", NULL));
    assert_ok(cr_run_metrics_row(run, json_pack("{s:i}", "epoch", 1)));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    size_t json_bytes, tensors_bytes, bytes;
    free(scratch_read(*state, "run/checkpoints/step-5.json", &json_bytes));
    free(scratch_read(*state, "run/checkpoints/step-5.safetensors", &tensors_bytes));
    assert_true(tensors_bytes < json_bytes); /* so that the second limit hits only the JSON */
    char *journal = scratch_read(*state, "run/journal.jsonl", &bytes);
    const rlim_t limits[] = {0, 1, 100, tensors_bytes - 1, tensors_bytes, json_bytes - 1};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        limit = before;
        limit.rlim_cur = limits[i];
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        cr_status written = fixture_write(run, 6, 0.9, &policy);
        cr_status again = fixture_write(run, 5, 0.9, &policy);
        cr_status line = limits[i] < bytes + 5 ? cr_run_journal(run, "a-longer-event", NULL) : CR_IO;
        cr_status row = limits[i] < 8 ? cr_run_metrics_row(run, json_pack("{s:i}", "epoch", 2)) : CR_IO;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(written, CR_IO);
        assert_int_equal(again, CR_IO);
        assert_int_equal(line, CR_IO);
        assert_int_equal(row, CR_IO);
        assert_string_equal(names(*state), "step-5.json step-5.safetensors");
        fixture_check(cr_run_folder(run), "last", true, 5);
    }
    size_t after_bytes;
    char *after = scratch_read(*state, "run/journal.jsonl", &after_bytes);
    assert_string_equal(after, journal); /* no half line */
    free(after);
    free(journal);
    assert_ok(fixture_write(run, 6, 0.9, &policy)); /* with room again it goes on */
    fixture_check(cr_run_folder(run), "last", true, 6);
    cr_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_best, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_prune, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_same_step_again, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_go, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_non_finite_refused, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_no_room, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
