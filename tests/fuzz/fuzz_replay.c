/* Replays a corpus where there is no libFuzzer: every file of the folders given, in the order of their names. Every
 * input is run twice, so that state left over from the first run is noticed by the sanitizers, too. */
#include "fuzz_input.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n_files, n_refused;

static uint8_t *read_whole(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;
    if (file && !fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET))
        data = malloc(size ? (size_t)size : 1); /* exactly: a read behind the end is seen */
    if (data && fread(data, 1, (size_t)size, file) != (size_t)size) {
        free(data);
        data = NULL;
    }
    if (file)
        fclose(file);
    *bytes = data ? (size_t)size : 0;
    return data;
}

static int replay_file(const char *folder, const char *name)
{
    char path[4096];
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    uint8_t *data = read_whole(path, &bytes);
    if (!data) {
        fprintf(stderr, "%s: cannot read\n", path);
        return 1;
    }
    fuzz_accepted = false;
    printf("%s: %zu bytes", name, bytes);
    fflush(stdout); /* so that a crash shows whose it is */
    LLVMFuzzerTestOneInput(data, bytes);
    bool first = fuzz_accepted;
    fuzz_accepted = false;
    LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    printf(", %s\n", first ? "taken" : "refused");
    n_files++;
    if (first != fuzz_accepted) {
        fprintf(stderr, "%s: another answer the second time\n", path);
        return 1;
    }
    if (!first && !strncmp(name, "good-", 5)) {
        fprintf(stderr, "%s: refused: %s\n", path, cr_error_message());
        n_refused++;
    }
    return 0;
}

static int replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, alphasort), failed = 0;
    if (n < 0) {
        perror(folder);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            failed |= replay_file(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay_folder(argv[i]);
    printf("%d files replayed, %d wrongly refused\n", n_files, n_refused);
    return failed || n_refused || n_files == 0;
}
