/* Every flipped bit and every truncation of a small checkpoint is noticed, and the one before it takes its place. */
#include "checkpoint_fixture.h"

static const cr_checkpoint_policy keep_all = {100, 100, true};
static const char *const files[] = {"run/checkpoints/step-20.json", "run/checkpoints/step-20.safetensors"};

static long n_flips, n_cuts;

static void expect_damaged(scratch *it, const char *what, size_t where)
{
    json_t *state = NULL;
    cr_safetensors *tensors = NULL;
    cr_status status = cr_checkpoint_open(scratch_path(it, "run"), "", true, &state, &tensors);
    assert_int_equal(status, CR_MISSING); /* no such path: only to see that the pointers are nulled */
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(it, "run/checkpoints/step-20.json"));
    status = cr_checkpoint_open("", path, true, &state, &tensors);
    if (status != CR_BAD_DATA)
        fail_msg("not noticed: %s %zu (status %d)", what, where, status);
    assert_null(state);
    assert_null(tensors);
}

static void test_every_bit(void **state)
{
    cr_run *run = fixture_open(*state);
    assert_ok(fixture_write(run, 20, 0.5, &keep_all));
    for (int f = 0; f < 2; f++) {
        size_t bytes;
        char *data = scratch_read(*state, files[f], &bytes);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            data[bit / 8] ^= (char)(1 << bit % 8);
            scratch_write(*state, files[f], data, bytes);
            expect_damaged(*state, files[f], bit);
            n_flips++;
            data[bit / 8] ^= (char)(1 << bit % 8);
        }
        scratch_write(*state, files[f], data, bytes);
        free(data);
    }
    fixture_check(cr_run_folder(run), "last", true, 20);
    cr_run_close(&run);
}

static void test_every_truncation(void **state)
{
    cr_run *run = fixture_open(*state);
    assert_ok(fixture_write(run, 20, 0.5, &keep_all));
    for (int f = 0; f < 2; f++) {
        size_t bytes;
        char *data = scratch_read(*state, files[f], &bytes);
        for (size_t length = 0; length < bytes; length++) {
            scratch_write(*state, files[f], data, length);
            expect_damaged(*state, files[f], length);
            n_cuts++;
        }
        scratch_write(*state, files[f], data, bytes + 1); /* one byte more */
        expect_damaged(*state, files[f], bytes + 1);
        scratch_write(*state, files[f], data, bytes);
        free(data);
    }
    cr_run_close(&run);
}

static void test_falls_back(void **state)
{
    json_t *found = NULL;
    cr_safetensors *tensors = NULL;
    size_t bytes;
    cr_run *run = fixture_open(*state);
    const char *folder = cr_run_folder(run);
    assert_ok(fixture_write(run, 10, 0.1, &keep_all));
    assert_ok(fixture_write(run, 20, 0.9, &keep_all));
    assert_ok(fixture_write(run, 30, 0.2, &keep_all));
    char *data = scratch_read(*state, files[1], &bytes);
    data[bytes - 1] ^= 1;
    scratch_write(*state, files[1], data, bytes);
    free(data);
    assert_status(cr_checkpoint_open(folder, "best", true, &found, &tensors), CR_BAD_DATA);
    assert_int_equal(unlink(scratch_path(*state, "run/checkpoints/step-30.safetensors")), 0);
    fixture_check(folder, "last", true, 10); /* 30 lost its tensors, 20 is damaged */
    scratch_write(*state, "run/checkpoints/step-10.json", "{}", 2);
    assert_status(cr_checkpoint_open(folder, "last", true, &found, &tensors), CR_BAD_DATA);
    /* a new one is written beside the damaged ones, which stay for whoever wants to look */
    assert_ok(fixture_write(run, 25, 0.3, &(cr_checkpoint_policy){1, 0, true}));
    fixture_check(folder, "last", true, 25);
    assert_true(scratch_exists(*state, "run/checkpoints/step-10.safetensors"));
    cr_run_close(&run);
}

/* What a JSON with a right checksum may say: only a file of its own step, beside it. */
static void test_forged_fields(void **state)
{
    static const char zeros[] = "00000000000000000000000000000000";
    static const char *const forged[] = {
        "\"format\": 2, \"step\": 20, \"tensors\": {\"file\": \"step-20.safetensors\", \"bytes\": 1, \"hash\": \"%s\"}",
        "\"format\": 1, \"step\": 20, \"tensors\": {\"file\": \"../x/step-20.safetensors\", \"bytes\": 1, \"hash\": "
        "\"%s\"}",
        "\"format\": 1, \"step\": 20, \"tensors\": {\"file\": \"step-21.safetensors\", \"bytes\": 1, \"hash\": \"%s\"}",
        "\"format\": 1, \"step\": 20, \"tensors\": {\"file\": \"step-20.safetensors\", \"bytes\": -1, \"hash\": "
        "\"%s\"}",
        "\"format\": 1, \"step\": 20, \"tensors\": {\"file\": \"step-20.safetensors\", \"bytes\": 1, \"hash\": "
        "\"%.9s\"}",
        "\"format\": 1, \"step\": -1, \"tensors\": {\"file\": \"step-20.safetensors\", \"bytes\": 1, \"hash\": \"%s\"}",
        "\"format\": 1, \"step\": 20, \"tensors\": []",
        "\"format\": 1, \"step\": 20",
    };
    cr_run *run = fixture_open(*state);
    assert_ok(fixture_write(run, 20, 0.5, &keep_all));
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        char text[1024], fields[512], sum[CR_HASH_TEXT];
        snprintf(fields, sizeof fields, forged[i], zeros);
        int length = snprintf(text, sizeof text, "{\n \"checksum\": \"%s\",\n %s\n}", zeros, fields);
        cr_hash128(text, (size_t)length, sum);
        memcpy(text + 15, sum, 32);
        scratch_write(*state, files[0], text, (size_t)length);
        expect_damaged(*state, fields, i);
        assert_null(strstr(cr_error_message(), "checksum"));
    }
    cr_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_bit, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_every_truncation, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_falls_back, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_forged_fields, scratch_setup, scratch_teardown),
    };
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("flipped bits of a checkpoint: %ld tries, %d lost\ntruncations of a checkpoint: %ld tries, %d lost\n",
           n_flips, n_failed, n_cuts, n_failed);
    return n_failed;
}
