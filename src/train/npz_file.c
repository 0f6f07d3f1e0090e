/* Sources: numpy.lib.format (version 1.0 of .npy) and libzip's documentation. */
#include "npz_file.h"

#include "crisol/atomic_file.h"
#include "crisol/libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum {
    NPY_ALIGN = 64,    /* of the data in a .npy file */
    NPY_HEADER = 256,  /* room for one */
    DOS_DATE = 0x0021, /* 1980-01-01, the first day that zip knows */
    MAX_TEXT = 1024,   /* characters of a text */
    REPLACEMENT = 0xFFFD
};

const char *cr_train_libraries(void)
{
    static char text[64];
    snprintf(text, sizeof text, "libzip %s", zip_libzip_version());
    return text;
}

/* --- texts ------------------------------------------------------------------------------------------------------ */

/* The next code point of UTF-8. */
static uint32_t decode(const unsigned char **at)
{
    uint32_t first = *(*at)++;
    int more = first < 0x80 ? 0 : first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : first >> 3 == 30 ? 3 : -1;
    if (more < 0)
        return REPLACEMENT;
    uint32_t point = more == 0 ? first : first & (0x3Fu >> more);
    for (; more > 0; more--) {
        if ((**at & 0xC0) != 0x80)
            return REPLACEMENT;
        point = point << 6 | (*(*at)++ & 0x3Fu);
    }
    return point < 0x110000 && (point < 0xD800 || point > 0xDFFF) ? point : REPLACEMENT;
}

static int64_t count_characters(const char *text)
{
    int64_t n = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at && n < MAX_TEXT; n++)
        decode(&at);
    return n;
}

static int64_t text_width(const cr_npz_array *array)
{
    const char *const *texts = array->data;
    int64_t width = 1;
    for (int64_t i = 0; i < array->shape[0]; i++) {
        int64_t n = count_characters(texts[i]);
        width = n > width ? n : width;
    }
    return width;
}

/* Little-endian UCS-4, filled up with zeros. */
static void write_texts(const cr_npz_array *array, int64_t width, unsigned char *to)
{
    const char *const *texts = array->data;
    for (int64_t i = 0; i < array->shape[0]; i++) {
        const unsigned char *at = (const unsigned char *)texts[i];
        for (int64_t c = 0; c < width && *at; c++) {
            uint32_t point = decode(&at);
            for (int b = 0; b < 4; b++)
                to[(i * width + c) * 4 + b] = (unsigned char)(point >> (8 * b));
        }
    }
}

/* --- one array -------------------------------------------------------------------------------------------------- */

static size_t element_bytes(const cr_npz_array *array, int64_t width)
{
    static const size_t bytes[] = {[CR_NPZ_I32] = 4, [CR_NPZ_F32] = 4, [CR_NPZ_F64] = 8};
    return array->type == CR_NPZ_TEXT ? 4 * (size_t)width : bytes[array->type];
}

/* Magic, version, header length, a Python dictionary filled up with spaces. */
static size_t write_header(const cr_npz_array *array, int64_t width, char header[NPY_HEADER])
{
    static const char *const types[] = {[CR_NPZ_I32] = "<i4", [CR_NPZ_F32] = "<f4", [CR_NPZ_F64] = "<f8"};
    char type[32], shape[64];
    if (array->type == CR_NPZ_TEXT)
        snprintf(type, sizeof type, "<U%lld", (long long)width);
    else
        snprintf(type, sizeof type, "%s", types[array->type]);
    if (array->rank == 1)
        snprintf(shape, sizeof shape, "(%lld,)", (long long)array->shape[0]);
    else
        snprintf(shape, sizeof shape, "(%lld, %lld)", (long long)array->shape[0], (long long)array->shape[1]);
    memset(header, ' ', NPY_HEADER);
    static const char magic[8] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
    memcpy(header, magic, sizeof magic);
    int length =
        snprintf(header + 10, NPY_HEADER - 10, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    size_t whole = (10 + (size_t)length + 1 + NPY_ALIGN - 1) / NPY_ALIGN * NPY_ALIGN;
    header[10 + length] = ' ';
    header[whole - 1] = '\n';
    header[8] = (char)((whole - 10) & 0xFF);
    header[9] = (char)((whole - 10) >> 8);
    return whole;
}

static cr_status make_npy(const cr_npz_array *array, unsigned char **npy, size_t *bytes)
{
    char header[NPY_HEADER];
    int64_t width = array->type == CR_NPZ_TEXT ? text_width(array) : 1;
    size_t header_bytes = write_header(array, width, header);
    int64_t n = array->shape[0] * (array->rank == 2 ? array->shape[1] : 1);
    size_t data_bytes = (size_t)n * element_bytes(array, width);
    *bytes = header_bytes + data_bytes;
    *npy = calloc(1, *bytes);
    if (!*npy)
        return cr_fail_memory("an array's file", *bytes);
    memcpy(*npy, header, header_bytes);
    if (array->type == CR_NPZ_TEXT)
        write_texts(array, width, *npy + header_bytes);
    else if (data_bytes)
        memcpy(*npy + header_bytes, array->data, data_bytes);
    return CR_OK;
}

/* --- the archive ------------------------------------------------------------------------------------------------ */

/* `npy` is freed by the archive once it has been added. */
static cr_status add_member(zip_t *archive, const char *name, unsigned char *npy, size_t bytes)
{
    char member[256];
    snprintf(member, sizeof member, "%s.npy", name);
    zip_source_t *source = zip_source_buffer(archive, npy, bytes, 1);
    if (!source) {
        free(npy);
        return cr_fail_memory("a zip member", bytes);
    }
    zip_int64_t index = zip_file_add(archive, member, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return cr_fail(CR_INTERNAL, "zip: %s: %s", member, zip_strerror(archive));
    }
    if (zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) ||
        zip_file_set_dostime(archive, (zip_uint64_t)index, 0, DOS_DATE, 0))
        return cr_fail(CR_INTERNAL, "zip: %s: %s", member, zip_strerror(archive));
    return CR_OK;
}

/* Closing writes the archive into `memory`. */
static cr_status fill_archive(zip_source_t *memory, const cr_npz_array *arrays, int n)
{
    cr_status status = CR_OK;
    zip_error_t error;
    zip_error_init(&error);
    zip_t *archive = zip_open_from_source(memory, ZIP_TRUNCATE, &error);
    if (!archive) {
        status = cr_fail(CR_INTERNAL, "zip: %s", zip_error_strerror(&error));
        goto done;
    }
    zip_source_keep(memory); /* closing gives one reference back */
    for (int i = 0; i < n; i++) {
        unsigned char *npy = NULL;
        size_t bytes = 0;
        CR_TRY(make_npy(&arrays[i], &npy, &bytes));
        // NOLINTBEGIN(clang-analyzer-unix.Malloc): add_member() takes npy over, and the archive owns its members'
        // memory
        CR_TRY(add_member(archive, arrays[i].name, npy, bytes));
    }
    if (zip_close(archive))
        // NOLINTEND(clang-analyzer-unix.Malloc)
        status = cr_fail(CR_INTERNAL, "zip: %s", zip_strerror(archive));
    else
        archive = NULL;
done:
    if (archive)
        zip_discard(archive);
    zip_error_fini(&error);
    return status;
}

static cr_status save_source(zip_source_t *memory, const char *path)
{
    zip_stat_t info;
    char *data = NULL;
    cr_status status = CR_OK;
    if (zip_source_stat(memory, &info) || !(info.valid & ZIP_STAT_SIZE) || zip_source_open(memory))
        return cr_fail(CR_INTERNAL, "zip: %s", zip_error_strerror(zip_source_error(memory)));
    data = malloc((size_t)info.size + 1);
    if (!data)
        status = cr_fail_memory("a zip archive", (size_t)info.size);
    else if (zip_source_read(memory, data, info.size) != (zip_int64_t)info.size)
        status = cr_fail(CR_INTERNAL, "zip: %s", zip_error_strerror(zip_source_error(memory)));
    zip_source_close(memory);
    if (status == CR_OK)
        status = cr_atomic_file_save(path, data, (size_t)info.size);
    free(data);
    return status;
}

cr_status cr_npz_save(const char *path, const cr_npz_array *arrays, int n)
{
    cr_status status = CR_OK;
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *memory = zip_source_buffer_create(NULL, 0, 0, &error);
    if (!memory) {
        status = cr_fail_memory("a zip archive", 1);
        goto done;
    }
    CR_TRY(fill_archive(memory, arrays, n));
    CR_TRY(save_source(memory, path));
done:
    if (memory)
        zip_source_free(memory);
    zip_error_fini(&error);
    if (status != CR_OK)
        cr_fail_context(status, "%s", path);
    return status;
}
