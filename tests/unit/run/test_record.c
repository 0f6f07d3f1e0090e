/* record.json: what it holds, that it survives a resume, that a changed one is noticed, and how two are compared. */
#include "scratch.h"

#include "crisol/json.h"
#include "crisol/record.h"

#include <jansson.h>

#define SOME_HASH "0123456789abcdef0123456789abcdef"
#define OTHER_HASH "fedcba9876543210fedcba9876543210"

static cr_run *open_run(scratch *it)
{
    cr_run *run = NULL;
    assert_ok(cr_run_open(scratch_path(it, "run"), &run));
    return run;
}

/* As a training gives them. */
static json_t *make_facts(int ranks)
{
    const char *const libraries[] = {"Open MPI v4.1.4", "HDF5 1.10.8, libpng 1.6.39"};
    json_t *facts = cr_record_facts(libraries, 2);
    json_t *own = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:[{s:i, s:s, s:s, s:i}], s:s, s:{s:s, s:s}, s:{}, s:i, s:{s:s}}",
        "command", "crisol train a.yaml", "folder", "here", "repeat", "crisol repeat run", "backend", "oneDNN 2.6.3",
        "comm", "serial", "ranks", ranks, "workers", 1, "threads_per_worker", 1, "placement", "rank", 0, "host", "n1",
        "cores", "0-1", "workers", 1, "config", "train: {epochs: 2}\n", "pack", "id", SOME_HASH, "folder", "packs/a",
        "weights_file", "seed", 7, "training", "reduction", "ordered");
    assert_non_null(own);
    assert_int_equal(json_object_update(facts, own), 0);
    json_decref(own);
    return facts;
}

static void begin(cr_run *run, int ranks, bool resumed, int64_t epoch)
{
    cr_record_start start = {.resumed = resumed, .epoch = epoch, .step = 10 * epoch, .weights = SOME_HASH};
    assert_ok(cr_record_begin(run, make_facts(ranks), &start));
}

static void add_epoch(cr_run *run, int epoch)
{
    assert_ok(cr_record_add_epoch(run, json_pack("{s:i, s:i, s:s, s:{s:f}}", "epoch", epoch, "step", 10 * epoch,
                                                 "weights", SOME_HASH, "metrics", "val/loss", 0.1 * epoch)));
}

static json_t *read_record(scratch *it)
{
    json_t *record = NULL;
    assert_ok(cr_record_read(scratch_path(it, "run"), &record));
    return record;
}

static void test_facts(void **state)
{
    size_t bytes;
    assert_int_equal(setenv("SLURM_JOB_ID", "4711", 1), 0);
    assert_int_equal(setenv("CRISOL_TEST_SECRET", "hunter2", 1), 0);
    assert_int_equal(setenv("SLURM_JOB_NAME", "not utf-8 \xff", 1), 0);
    cr_run *run = open_run(*state);
    begin(run, 2, false, 0);
    json_t *record = read_record(*state);
    const json_t *environment = json_object_get(record, "environment"), *found = json_object_get(record, "libraries");
    assert_string_equal(json_string_value(json_object_get(environment, "SLURM_JOB_ID")), "4711");
    assert_null(json_object_get(environment, "SLURM_JOB_NAME"));
    assert_string_equal(json_string_value(json_object_get(found, "Open MPI")), "4.1.4");
    assert_string_equal(json_string_value(json_object_get(found, "libpng")), "1.6.39");
    assert_non_null(json_object_get(found, "C library"));
    char *text = scratch_read(*state, "run/record.json", &bytes);
    assert_null(strstr(text, "hunter2"));
    free(text);
    json_decref(record);
    cr_run_close(&run);
}

/* The first start's facts stay; the second start says what is new; epochs after its checkpoint go. */
static void test_resume(void **state)
{
    cr_run *run = open_run(*state);
    begin(run, 2, false, 0);
    add_epoch(run, 1);
    add_epoch(run, 2);
    cr_run_close(&run); /* killed: nobody said how it ended */
    run = open_run(*state);
    begin(run, 3, true, 1);
    add_epoch(run, 2);
    assert_ok(cr_record_finish(run, CR_OK, 20, OTHER_HASH));
    json_t *record = read_record(*state);
    json_t *weights = json_object_get(record, "weights"), *attempts = json_object_get(record, "attempts");
    assert_int_equal(json_integer_value(json_object_get(record, "ranks")), 2);
    assert_int_equal(json_array_size(json_object_get(weights, "epochs")), 2);
    assert_string_equal(json_string_value(json_object_get(weights, "start")), SOME_HASH);
    assert_string_equal(json_string_value(json_object_get(weights, "end")), OTHER_HASH);
    assert_int_equal(json_array_size(attempts), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(attempts, 0), "outcome")), "lost");
    const json_t *second = json_array_get(attempts, 1), *changed = json_object_get(second, "changed");
    assert_string_equal(json_string_value(json_object_get(second, "outcome")), "done");
    assert_int_equal(json_integer_value(json_object_get(second, "from_step")), 10);
    assert_int_equal(json_object_size(changed), 1);
    assert_int_equal(json_integer_value(json_object_get(changed, "ranks")), 3);
    json_decref(record);
    cr_run_close(&run);
}

/* A new training in a folder without a checkpoint is another run. */
static void test_start_over(void **state)
{
    cr_run *run = open_run(*state);
    begin(run, 2, false, 0);
    add_epoch(run, 1);
    cr_run_close(&run);
    run = open_run(*state);
    begin(run, 4, false, 0);
    json_t *record = read_record(*state);
    assert_int_equal(json_integer_value(json_object_get(record, "ranks")), 4);
    assert_int_equal(json_array_size(json_object_get(record, "attempts")), 1);
    assert_int_equal(json_array_size(json_object_get(json_object_get(record, "weights"), "epochs")), 0);
    json_decref(record);
    cr_run_close(&run);
}

/* A record that cannot be read does not stop a training that goes on; the new one says where it begins. */
static void test_unreadable(void **state)
{
    cr_run *run = open_run(*state);
    scratch_write(*state, "run/record.json", "{\"format\": 1}", 13);
    begin(run, 2, true, 3);
    json_t *record = read_record(*state);
    assert_null(json_object_get(json_object_get(record, "weights"), "start"));
    assert_int_equal(
        json_integer_value(json_object_get(json_array_get(json_object_get(record, "attempts"), 0), "from_step")), 30);
    json_decref(record);
    cr_run_close(&run);
}

static void change(scratch *it, const char *from, const char *to)
{
    size_t bytes;
    char *text = scratch_read(it, "run/record.json", &bytes);
    char *at = strstr(text, from);
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    scratch_write(it, "run/record.json", text, bytes);
    free(text);
}

static void test_changed(void **state)
{
    bool is_whole = true;
    json_t *record = NULL;
    cr_run *run = open_run(*state);
    begin(run, 2, false, 0);
    add_epoch(run, 1);
    const char *folder = scratch_path(*state, "run");
    assert_ok(cr_record_read_any(folder, &record, &is_whole));
    assert_true(is_whole);
    json_decref(record);
    change(*state, "\"seed\": 7", "\"seed\": 8");
    folder = scratch_path(*state, "run");
    assert_status(cr_record_read(folder, &record), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "was changed"));
    assert_ok(cr_record_read_any(folder, &record, &is_whole));
    assert_false(is_whole);
    json_decref(record);
    change(*state, "\"format\": 1", "\"format\": 2");
    assert_status(cr_record_read(scratch_path(*state, "run"), &record), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "format 2"));
    cr_run_close(&run);
}

/* Every key without which the record is refused, and every key with another type. */
static void test_form(void **state)
{
    const char *name;
    void *next;
    json_t *value;
    cr_run *run = open_run(*state);
    begin(run, 2, false, 0);
    add_epoch(run, 1);
    json_t *record = read_record(*state);
    int n_optional = 0;
    json_object_foreach_safe(record, next, name, value)
    {
        json_t *poorer = json_copy(record), *odd = json_copy(record);
        assert_int_equal(json_object_del(poorer, name), 0);
        if (cr_record_check(poorer, "record.json") == CR_OK)
            n_optional++;
        else
            assert_non_null(strstr(cr_error_message(), name));
        json_object_set_new(odd, name, json_true());
        assert_status(cr_record_check(odd, "record.json"), CR_BAD_DATA);
        json_decref(poorer);
        json_decref(odd);
    }
    assert_int_equal(n_optional, 1); /* weights_file */
    json_t *epoch = json_array_get(json_object_get(json_object_get(record, "weights"), "epochs"), 0);
    json_object_set_new(epoch, "weights", json_string("short"));
    assert_status(cr_record_check(record, "record.json"), CR_BAD_DATA);
    assert_non_null(strstr(cr_error_message(), "weights.epochs, number 1"));
    json_decref(record);
    cr_run_close(&run);
}

static const json_t *find_fact(const json_t *differences, const char *fact)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)differences, i, one)
    {
        if (!strcmp(json_string_value(json_object_get(one, "fact")), fact))
            return one;
    }
    return NULL;
}

static void test_compare(void **state)
{
    (void)state;
    json_t *a = make_facts(1), *b = make_facts(3);
    json_object_set_new(json_object_get(b, "libraries"), "oneDNN", json_string("3.2"));
    json_object_set_new(json_object_get(b, "libraries"), "NCCL", json_string("2.28.9"));
    json_object_set_new(json_object_get(b, "libraries"), "cuDNN", json_string("9.19.0"));
    json_object_set_new(a, "kernels", json_pack("[{s:s, s:s}]", "layer", "image.conv1", "forward", "brgconv"));
    json_object_set_new(b, "kernels", json_pack("[{s:s, s:s}]", "layer", "image.conv1", "forward", "jit"));
    json_t *differences = cr_record_compare(a, b);
    assert_int_equal(json_array_size(differences), 5);
    const json_t *ranks = find_fact(differences, "ranks"),
                 *kernel = find_fact(differences, "kernels.image.conv1.forward");
    assert_false(json_is_true(json_object_get(ranks, "matters")));
    assert_true(json_is_true(json_object_get(kernel, "matters")));
    assert_true(json_is_true(json_object_get(find_fact(differences, "libraries.oneDNN"), "matters")));
    assert_null(json_object_get(find_fact(differences, "libraries.oneDNN"), "was"));
    assert_true(json_is_true(json_object_get(find_fact(differences, "libraries.cuDNN"), "matters")));
    assert_false(json_is_true(json_object_get(find_fact(differences, "libraries.NCCL"), "matters")));
    json_decref(differences);
    json_object_set_new(json_object_get(a, "training"), "reduction", json_string("library"));
    differences = cr_record_compare(a, b); /* sums in the library's order: now ranks count */
    assert_true(json_is_true(json_object_get(find_fact(differences, "ranks"), "matters")));
    assert_true(json_is_true(json_object_get(find_fact(differences, "libraries.NCCL"), "matters")));
    json_decref(differences);
    json_decref(a);
    json_decref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_facts, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_resume, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_start_over, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_unreadable, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_changed, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_form, scratch_setup, scratch_teardown),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
