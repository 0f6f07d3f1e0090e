#include "crisol/run.h"
#include "scratch.h"

#include <signal.h>
#include <sys/wait.h>

static const float some_floats[6] = {1.5f, -2, 3, 0x1p-126f, -0.0f, 6.25f};
static const double some_doubles[1] = {3.141592653589793};
static const int64_t some_longs[2] = {-1, INT64_MAX};
static const uint8_t some_bytes[5] = {0, 1, 127, 128, 255};

static void fill_views(cr_tensor_view views[5])
{
    memset(views, 0, 5 * sizeof *views);
    views[0] = (cr_tensor_view){"layer.weight", CR_DTYPE_F32, 2, {2, 3}, some_floats, sizeof some_floats};
    views[1] = (cr_tensor_view){"scalar", CR_DTYPE_F64, 0, {0}, some_doubles, sizeof some_doubles};
    views[2] = (cr_tensor_view){"empty", CR_DTYPE_I32, 2, {0, 7}, NULL, 0};
    views[3] = (cr_tensor_view){"num_batches_tracked", CR_DTYPE_I64, 1, {2}, some_longs, sizeof some_longs};
    views[4] = (cr_tensor_view){"bytes", CR_DTYPE_U8, 3, {5, 1, 1}, some_bytes, sizeof some_bytes};
}

static void check_views(const char *path, const cr_tensor_view *views, int64_t n)
{
    cr_safetensors *file = NULL;
    assert_ok(cr_safetensors_open(path, &file));
    assert_int_equal(cr_safetensors_count(file), n);
    for (int64_t i = 0; i < n; i++) {
        const cr_tensor_view *found = cr_safetensors_find(file, views[i].name);
        assert_non_null(found);
        assert_int_equal(found->dtype, views[i].dtype);
        assert_int_equal(found->rank, views[i].rank);
        assert_memory_equal(found->shape, views[i].shape, sizeof found->shape);
        assert_int_equal(found->bytes, views[i].bytes);
        if (found->bytes)
            assert_memory_equal(found->data, views[i].data, found->bytes);
    }
    assert_null(cr_safetensors_find(file, "absent"));
    assert_null(cr_safetensors_at(file, n));
    assert_null(cr_safetensors_at(file, -1));
    cr_safetensors_close(&file);
    assert_null(file);
    cr_safetensors_close(&file);
}

static void test_round_trip(void **state)
{
    cr_tensor_view views[5];
    char hash[CR_HASH_TEXT], of_file[CR_HASH_TEXT];
    uint64_t bytes;
    fill_views(views);
    const char *path = scratch_path(*state, "a.safetensors");
    assert_ok(cr_safetensors_write(path, views, 5, hash));
    assert_ok(cr_hash_file(path, &bytes, of_file));
    assert_string_equal(hash, of_file);
    check_views(path, views, 5);

    cr_safetensors *file = NULL;
    assert_ok(cr_safetensors_open(path, &file));
    assert_int_equal((uintptr_t)cr_safetensors_at(file, 0)->data % 64, 0);
    assert_string_equal(cr_safetensors_at(file, 0)->name, "layer.weight");
    cr_safetensors_close(&file);
    assert_ok(cr_safetensors_write(path, views, 0, hash)); /* a file without tensors is one too */
    check_views(path, views, 0);
}

static void test_writer_refuses(void **state)
{
    cr_tensor_view views[5];
    char hash[CR_HASH_TEXT];
    const char *path = scratch_path(*state, "a.safetensors");
    fill_views(views);
    snprintf(views[1].name, sizeof views[1].name, "%s", views[0].name);
    assert_status(cr_safetensors_write(path, views, 5, hash), CR_INTERNAL);
    fill_views(views);
    views[0].shape[1] = 4;
    assert_status(cr_safetensors_write(path, views, 5, hash), CR_INTERNAL);
    fill_views(views);
    views[0].shape[0] = INT64_MAX;
    assert_status(cr_safetensors_write(path, views, 5, hash), CR_INTERNAL);
    fill_views(views);
    snprintf(views[3].name, sizeof views[3].name, "bad\xff");
    assert_status(cr_safetensors_write(path, views, 5, hash), CR_INTERNAL);
    fill_views(views);
    snprintf(views[3].name, sizeof views[3].name, "__metadata__");
    assert_status(cr_safetensors_write(path, views, 5, hash), CR_INTERNAL);
    assert_false(scratch_exists(*state, "a.safetensors"));
    fill_views(views);
    assert_status(cr_safetensors_write(scratch_path(*state, "no/folder"), views, 5, hash), CR_MISSING);
}

static void write_file(scratch *it, const char *header, uint64_t stated_bytes, size_t data_bytes)
{
    size_t length = strlen(header), bytes = 8 + length + data_bytes;
    unsigned char *text = calloc(bytes, 1);
    assert_non_null(text);
    for (int i = 0; i < 8; i++)
        text[i] = (unsigned char)(stated_bytes >> (8 * i));
    memcpy(text + 8, header, length);
    scratch_write(it, "attack.safetensors", text, bytes);
    free(text);
}

static const struct {
    const char *what, *header;
    size_t data_bytes;
} attacks[] = {
    {"overlap",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
     6},
    {"same bytes twice",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
     4},
    {"hole",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]}}",
     9},
    {"hole at the start", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[1,5]}}", 5},
    {"bytes at the end", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 5},
    {"bytes without a tensor", "{}", 1},
    {"beyond the file", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 3},
    {"backwards", "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,0]}}", 4},
    {"negative offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-4,0]}}", 4},
    {"offset of 2^63", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,9223372036854775808]}}", 4},
    {"offset of 2^63-1", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,9223372036854775807]}}", 4},
    {"offset a real", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4.0]}}", 4},
    {"three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]}}", 4},
    {"shape overflows to 4", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905,1],\"data_offsets\":[0,4]}}", 4},
    {"shape overflows by product",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,0],"
     "\"data_offsets\":[0,0]}}",
     0},
    {"negative lengths", "{\"a\":{\"dtype\":\"U8\",\"shape\":[-2,-2],\"data_offsets\":[0,4]}}", 4},
    {"nine axes", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1},
    {"size and shape disagree", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4},
    {"duplicate name",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
     4},
    {"duplicate key", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"unknown type", "{\"a\":{\"dtype\":\"F7\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"type a number", "{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"no type", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"a key too many", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2],\"x\":1}}", 2},
    {"entry a list", "{\"a\":[1,2]}", 2},
    {"metadata a text", "{\"__metadata__\":\"x\"}", 0},
    {"empty name", "{\"\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"newline in a name", "{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"NUL in a name", "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2},
    {"a list", "[]", 0},
    {"spaces in front", " {}", 0},
    {"rubbish behind", "{} x", 0},
    {"cut", "{\"a\":", 0},
};

static void test_attacks(void **state)
{
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        cr_safetensors *file = NULL;
        write_file(*state, attacks[i].header, strlen(attacks[i].header), attacks[i].data_bytes);
        if (cr_safetensors_open(scratch_path(*state, "attack.safetensors"), &file) != CR_BAD_DATA)
            fail_msg("accepted: %s", attacks[i].what);
        assert_null(file);
        assert_non_null(strstr(cr_error_message(), "attack.safetensors"));
    }
}

static void test_accepts(void **state)
{
    static const char *const headers[] = {
        "{}",
        "{}   ",
        "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}",
        "{\"b\":{\"shape\":[2,1],\"dtype\":\"F16\",\"data_offsets\":[0,4]}, \"e\":{\"dtype\":\"BOOL\",\"shape\":[0],"
        "\"data_offsets\":[4,4]}, \"d\":{\"dtype\":\"U64\",\"shape\":[0,3],\"data_offsets\":[0,0]}}",
        "{\"b\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[2,4]}, "
        "\"a\":{\"dtype\":\"U16\",\"shape\":[],\"data_offsets\":[0,2]}}",
    };
    static const size_t data_bytes[] = {0, 0, 4, 4, 4};
    static const int64_t counts[] = {0, 0, 1, 3, 2};
    for (size_t i = 0; i < 5; i++) {
        cr_safetensors *file = NULL;
        write_file(*state, headers[i], strlen(headers[i]), data_bytes[i]);
        assert_ok(cr_safetensors_open(scratch_path(*state, "attack.safetensors"), &file));
        assert_int_equal(cr_safetensors_count(file), counts[i]);
        cr_safetensors_close(&file);
    }
}

static void test_header_sizes(void **state)
{
    static const uint64_t sizes[] = {0, 1, 3, 4, 100, 1 << 24, (1 << 24) + 1, UINT32_MAX, UINT64_MAX - 7, UINT64_MAX};
    cr_safetensors *file = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        write_file(*state, "{}", sizes[i], 0);
        assert_status(cr_safetensors_open(scratch_path(*state, "attack.safetensors"), &file), CR_BAD_DATA);
    }
    size_t bytes = (1 << 24) + 1; /* a header that is there but larger than allowed */
    char *header = malloc(bytes + 1);
    assert_non_null(header);
    memset(header, ' ', bytes);
    memcpy(header, "{}", 2);
    header[bytes] = 0;
    write_file(*state, header, bytes, 0);
    assert_status(cr_safetensors_open(scratch_path(*state, "attack.safetensors"), &file), CR_BAD_DATA);
    header[bytes - 1] = 0;
    write_file(*state, header, bytes - 1, 0);
    assert_ok(cr_safetensors_open(scratch_path(*state, "attack.safetensors"), &file));
    cr_safetensors_close(&file);
    free(header);
}

static void test_wrong_files(void **state)
{
    cr_safetensors *file = NULL;
    assert_status(cr_safetensors_open(scratch_path(*state, "absent"), &file), CR_MISSING);
    assert_status(cr_safetensors_open(scratch_path(*state, "."), &file), CR_BAD_DATA);
    assert_int_equal(mkfifo(scratch_path(*state, "pipe"), 0600), 0);
    assert_status(cr_safetensors_open(scratch_path(*state, "pipe"), &file), CR_BAD_DATA);
    scratch_write(*state, "empty", "", 0);
    assert_status(cr_safetensors_open(scratch_path(*state, "empty"), &file), CR_BAD_DATA);
}

static void test_truncations(void **state)
{
    cr_tensor_view views[5];
    char hash[CR_HASH_TEXT];
    size_t bytes;
    cr_safetensors *file = NULL;
    fill_views(views);
    assert_ok(cr_safetensors_write(scratch_path(*state, "a.safetensors"), views, 5, hash));
    char *data = scratch_read(*state, "a.safetensors", &bytes);
    for (size_t length = 0; length < bytes; length++) {
        scratch_write(*state, "cut", data, length);
        if (cr_safetensors_open(scratch_path(*state, "cut"), &file) != CR_BAD_DATA)
            fail_msg("accepted with %zu of %zu bytes", length, bytes);
    }
    scratch_write(*state, "cut", data, bytes + 1); /* with the final NUL that scratch_read() adds */
    assert_status(cr_safetensors_open(scratch_path(*state, "cut"), &file), CR_BAD_DATA);
    free(data);
}

static int run_python(const char *script, const char *from, const char *to)
{
    const char *python = getenv("CRISOL_PYTHON");
    if (!python || !*python)
        python = "python3";
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execlp(python, python, "-c", script, from, to, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The reference reader reads what we wrote and writes it anew; we read that. */
static void test_reference_implementation(void **state)
{
    static const char script[] =
        "import sys\n"
        "try:\n"
        "    import numpy, safetensors.numpy as st\n"
        "except ImportError:\n"
        "    sys.exit(77)\n"
        "tensors = st.load_file(sys.argv[1])\n"
        "assert sorted(tensors) == ['bytes', 'empty', 'layer.weight', 'num_batches_tracked', 'scalar']\n"
        "assert tensors['layer.weight'].shape == (2, 3) and tensors['layer.weight'].dtype == numpy.float32\n"
        "assert tensors['layer.weight'].ravel().tolist() == [1.5, -2, 3, 2.0 ** -126, -0.0, 6.25]\n"
        "assert tensors['scalar'].shape == () and float(tensors['scalar']) == 3.141592653589793\n"
        "assert tensors['empty'].shape == (0, 7)\n"
        "assert tensors['num_batches_tracked'].tolist() == [-1, 2 ** 63 - 1]\n"
        "st.save_file(tensors, sys.argv[2], metadata={'format': 'np'})\n";
    cr_tensor_view views[5];
    char hash[CR_HASH_TEXT], ours[512], theirs[512];
    fill_views(views);
    snprintf(ours, sizeof ours, "%s", scratch_path(*state, "ours.safetensors"));
    snprintf(theirs, sizeof theirs, "%s", scratch_path(*state, "theirs.safetensors"));
    assert_ok(cr_safetensors_write(ours, views, 5, hash));
    int code = run_python(script, ours, theirs);
    if (code == 77 || code == 127) {
        printf("skipped: no Python with numpy and safetensors (set CRISOL_PYTHON)\n");
        skip();
    }
    assert_int_equal(code, 0);
    check_views(theirs, views, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writer_refuses, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_attacks, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_accepts, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_header_sizes, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_files, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_truncations, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_reference_implementation, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
