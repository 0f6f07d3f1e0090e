#include "fuzz_input.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool fuzz_accepted;
static char folder[FUZZ_PATH_MAX];

void fuzz_demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz target: %s; last message: %s\n", what, cr_error_message());
    abort();
}

void fuzz_check_refusal(cr_status status)
{
    if (status == CR_OK)
        return;
    fuzz_demand(status != CR_INTERNAL, "a refused input is reported as an internal error");
    const char *text = cr_error_message();
    fuzz_demand(text[0] && !strchr(text, '\n') && !strchr(text, '\r') && !strchr(text, 0x1b),
                "a refusal is no single line of text");
}

/* libFuzzer reads this section as if it were counters of code; without it, it is a table that nobody reads. */
enum {
    N_COUNTERS = 4096
};
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[N_COUNTERS];

void fuzz_feedback(const char *message)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    bool quoted = false;
    for (; *message; message++) {
        quoted ^= *message == '"';
        if (!quoted && (*message < '0' || *message > '9'))
            hash = (hash ^ (unsigned char)*message) * 16777619U;
    }
    counters[hash % N_COUNTERS] = 1;
}

char *fuzz_text(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    fuzz_demand(text, "out of memory");
    if (bytes)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    return text;
}

static volatile uint64_t sink; /* so that no compiler drops the reads */

uint64_t fuzz_touch(const void *data, size_t bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = sum * 31 + ((const unsigned char *)data)[i];
    sink = sum;
    return sum;
}

uint64_t fuzz_touch_text(const char *text)
{
    return fuzz_touch(text, strlen(text));
}

static void write_all(int descriptor, const void *data, size_t bytes)
{
    fuzz_demand(!ftruncate(descriptor, 0), "cannot empty a scratch file");
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = pwrite(descriptor, (const char *)data + done, bytes - done, (off_t)done);
        fuzz_demand(wrote > 0, "cannot write a scratch file");
        done += (size_t)wrote;
    }
}

const char *fuzz_memory_file(const void *data, size_t bytes)
{
    static char path[FUZZ_PATH_MAX];
    static int descriptor = -1;
    if (descriptor < 0) {
        descriptor = memfd_create("input", MFD_CLOEXEC);
        fuzz_demand(descriptor >= 0, "cannot make a file in memory");
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    }
    write_all(descriptor, data, bytes);
    return path;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    if (folder[0])
        return folder;
    const char *place = getenv("TMPDIR");
    if (!place || !*place || strlen(place) > 200)
        place = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(folder, sizeof folder, "%s/crisol-fuzz-XXXXXX", place);
    fuzz_demand(mkdtemp(folder), "cannot make a scratch folder");
    atexit(remove_folder);
    return folder;
}

void fuzz_write(const char *name, const void *data, size_t bytes)
{
    char path[2 * FUZZ_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fuzz_demand(descriptor >= 0, "cannot open a scratch file");
    write_all(descriptor, data, bytes);
    close(descriptor);
}
