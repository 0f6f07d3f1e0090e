/* The n-th allocation of a loader or of a save fails, n = 0, 1, … until none does: each time an error that says so
 * (never "damaged", which would make a resume pass over a good checkpoint), no block left, no half file, and nothing
 * lost. */
#include "checkpoint_fixture.h"
#include "crisol/config.h"
#include "crisol/pack.h"
#include "failing_malloc.h"
#include "tiny_pack.h"

#include <dirent.h>

typedef cr_status operation(scratch *it);

static long n_tries;
static operation write_checkpoint;
static void make_state(void);

/* Files in the checkpoints' folder; fails on a temporary one. */
static int count_files(scratch *it)
{
    int n = 0;
    DIR *folder = opendir(scratch_path(it, "run/checkpoints"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)); n++)
        if (strstr(entry->d_name, ".tmp-"))
            fail_msg("%s was left", entry->d_name);
    closedir(folder);
    return n - 2;
}

/* `check` is called after each try, with its status. */
static void fail_each(scratch *it, const char *what, operation *run, void (*check)(scratch *, cr_status))
{
    bool failed = true;
    long n;
    assert_ok(run(it)); /* what is allocated once and kept */
    if (check)
        check(it, CR_OK);
    for (n = 0; failed; n++) {
        long live = failing_malloc_live();
        if (run == write_checkpoint)
            make_state(); /* which it takes over */
        failing_malloc_start(n);
        cr_status status = run(it);
        failed = failing_malloc_stop();
        if (status != CR_OK && status != CR_INTERNAL)
            fail_msg("%s, allocation %ld: status %d: %s", what, n, status, cr_error_message());
        if (status != CR_OK && !strstr(cr_error_message(), "memory"))
            fail_msg("%s, allocation %ld: no word of memory: %s", what, n, cr_error_message());
        char message[CR_ERROR_MAX];
        snprintf(message, sizeof message, "%s", status == CR_OK ? "went well" : cr_error_message());
        if (check)
            check(it, status);
        if (failing_malloc_live() != live)
            fail_msg("%s, allocation %ld: %ld blocks more than before (%s)", what, n, failing_malloc_live() - live,
                     message);
    }
    printf("%s: %ld allocations failed\n", what, n - 1);
    assert_true(n > 1);
    n_tries += n - 1;
}

/* --- loaders ------------------------------------------------------------------------------------------------------ */

static cr_status open_pack(scratch *it)
{
    cr_pack *pack = NULL;
    (void)it;
    cr_status status = cr_pack_open(tiny_pack_folder(), &pack);
    assert_true((status == CR_OK) == (pack != NULL));
    cr_pack_close(&pack);
    return status;
}

static void test_pack(void **state)
{
    fail_each(*state, "opening a pack", open_pack, NULL);
}

static const char config_text[] = "data: {pack: packs/odir5k, classes: [N, D, G], batch: 32, micro_batch: 8}\n"
                                  "model: {metadata: {columns: [age, sex], hidden: [32]}}\n"
                                  "augment: {scale: [0.95, 1.05], color: [0.1, 0.1, 0.1, 0.02]}\n"
                                  "train: {epochs: 25, monitor: val/f1_macro}\n";

static cr_status read_config(scratch *it)
{
    cr_config *config = NULL, *other = NULL;
    char *difference = NULL;
    cr_status status = CR_OK;
    CR_TRY(cr_config_create(&config));
    CR_TRY(cr_config_read(config, scratch_path(it, "config.yaml")));
    CR_TRY(cr_config_set(config, "optimizer.lr=1e-5"));
    CR_TRY(cr_config_check(config));
    CR_TRY(cr_config_create(&other));
    CR_TRY(cr_config_compare(config, other, &difference));
done:
    free(difference);
    cr_config_destroy(&config);
    cr_config_destroy(&other);
    return status;
}

static void test_config(void **state)
{
    scratch_write(*state, "config.yaml", config_text, sizeof config_text - 1);
    fail_each(*state, "reading a config", read_config, NULL);
}

static cr_status open_safetensors(scratch *it)
{
    cr_safetensors *file = NULL;
    cr_status status = cr_safetensors_open(scratch_path(it, "run/checkpoints/step-20.safetensors"), &file);
    assert_true((status == CR_OK) == (file != NULL));
    cr_safetensors_close(&file);
    return status;
}

static cr_status open_last(scratch *it)
{
    json_t *found = NULL;
    cr_safetensors *tensors = NULL;
    int64_t step = 20;
    cr_status status = cr_checkpoint_open(scratch_path(it, "run"), "last", true, &found, &tensors);
    if (status == CR_OK)
        step = json_integer_value(json_object_get(found, "step"));
    cr_safetensors_close(&tensors);
    json_decref(found);
    assert_int_equal(step, 20); /* a good one is never passed over */
    return status;
}

static cr_status list_checkpoints(scratch *it)
{
    cr_checkpoint_info *list = NULL;
    int64_t n = 0;
    cr_status status = cr_checkpoint_list(scratch_path(it, "run"), &list, &n, NULL);
    assert_true(status != CR_OK || n == 2);
    free(list);
    return status;
}

/* --- writers ------------------------------------------------------------------------------------------------------ */

static cr_run *open_run; /* of the test that writes */
static int64_t next_step = 30;
static const cr_checkpoint_policy keep_two = {2, 1, true};

static json_t *state_to_write; /* made while nothing fails */

static void make_state(void)
{
    json_decref(state_to_write);
    state_to_write =
        json_pack("{s:I, s:f, s:{s:f}}", "epoch", (json_int_t)(next_step / 10), "metric", 0.5, "schedule", "lr", 1e-5);
    assert_non_null(state_to_write);
}

static cr_status write_checkpoint(scratch *it)
{
    float weights[4] = {(float)next_step, (float)next_step + 1, (float)next_step + 2, (float)next_step + 3};
    const cr_tensor_view tensor = {"fc.weight", CR_DTYPE_F32, 2, {2, 2}, weights, sizeof weights};
    json_t *state = state_to_write;
    (void)it;
    state_to_write = NULL;
    return cr_checkpoint_write(open_run, next_step, &tensor, 1, state, &keep_two);
}

static void check_written(scratch *it, cr_status status)
{
    static int64_t newest = 20;
    cr_checkpoint_info *list = NULL;
    int64_t n = 0;
    (void)count_files(it);
    assert_ok(cr_checkpoint_list(scratch_path(it, "run"), &list, &n, NULL));
    assert_true(n >= 2);
    assert_true(list[n - 1].step == next_step || (status != CR_OK && list[n - 1].step == newest));
    newest = list[n - 1].step;
    free(list);
    fixture_check(scratch_path(it, "run"), "last", true, newest);
    assert_ok(fixture_write(open_run, newest += 10, 0.5, &keep_two)); /* tidies up what a failed pruning left */
    next_step = newest + 10;
}

static cr_status write_lines(scratch *it)
{
    cr_status status = CR_OK;
    (void)it;
    json_t *row = json_pack("{s:i, s:f}", "epoch", 1, "loss", 0.5);
    if (!row)
        return cr_fail_memory("a row of the test", 1);
    CR_TRY(cr_run_metrics_row(open_run, row));
    CR_TRY(cr_run_journal(open_run, "stop", json_pack("{s:i}", "step", 4)));
    CR_TRY(cr_run_rewind(open_run, 5, 0, 0));
done:
    return status;
}

static void check_lines(scratch *it, cr_status status)
{
    size_t bytes;
    (void)status;
    assert_ok(cr_run_rewind(open_run, 3, 0, 0)); /* without the line, or each try would find more of them */
    char *text = scratch_read(it, "run/journal.jsonl", &bytes);
    assert_true(bytes == 0 || text[bytes - 1] == '\n');
    free(text);
}

static void test_checkpoint(void **state)
{
    open_run = fixture_open(*state);
    assert_ok(fixture_write(open_run, 10, 0.9, &keep_two));
    assert_ok(fixture_write(open_run, 20, 0.1, &keep_two));
    fail_each(*state, "opening a safetensors file", open_safetensors, NULL);
    fail_each(*state, "opening the last checkpoint", open_last, NULL);
    fail_each(*state, "listing checkpoints", list_checkpoints, NULL);
    make_state();
    fail_each(*state, "writing a checkpoint", write_checkpoint, check_written);
    fail_each(*state, "journal and metrics", write_lines, check_lines);
    cr_run_close(&open_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pack, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_config, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_checkpoint, scratch_setup, scratch_teardown),
    };
    if (!access("/dev/shm", W_OK)) /* a thousand saves, each with its fsyncs */
        setenv("TMPDIR", "/dev/shm", 0);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    tiny_pack_remove();
    printf("allocations that failed: %ld tries, %d lost\n", n_tries, n_failed);
    return n_failed;
}
