/* What the fuzz targets share. A target is one function that hands bytes to a parser; with clang and CRISOL_FUZZ it is
 * linked with libFuzzer, otherwise with fuzz_replay.c, which only replays the corpus.
 *
 * Where a checksum guards a body, a target parses the bytes as they are and then a copy whose checksum has been made
 * right: a fuzzer that only meets the checksum tests nothing behind it, and done here (not in a mutator of libFuzzer)
 * the replay goes the same way. */
#ifndef CRISOL_FUZZ_INPUT_H
#define CRISOL_FUZZ_INPUT_H

#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum {
    FUZZ_PATH_MAX = 256
};

/* Set by a target when the parser took the input. The replay demands it of corpus files called good-…, so that a
 * parser that refuses everything, or a target that never reaches it, does not pass. */
extern bool fuzz_accepted;

/* Ends the process when something that a parser promises is not so. */
void fuzz_demand(bool holds, const char *what);
/* A refusal must be one of the documented ones, and must have said why in one line. */
void fuzz_check_refusal(cr_status status);

/* Tells libFuzzer that a message is a place of its own: a library that is not instrumented (HDF5, libjpeg, libpng)
 * shows by its messages how far an input came. Digits and quoted words do not count. */
void fuzz_feedback(const char *message);

/* A copy with a final NUL, exactly as long as needed, so that the address sanitizer sees a read behind it. */
char *fuzz_text(const uint8_t *data, size_t bytes);
/* Reads every byte, so that a pointer to nowhere is found. */
uint64_t fuzz_touch(const void *data, size_t bytes);
uint64_t fuzz_touch_text(const char *text);

/* Writes a file that lives in memory, the same at every call, and returns its path. */
const char *fuzz_memory_file(const void *data, size_t bytes);
/* An empty folder below TMPDIR (/dev/shm when that is not set, so in memory), made once and removed with all that is in
 * it when the process ends normally. */
const char *fuzz_folder(void);
/* Writes folder/name anew. */
void fuzz_write(const char *name, const void *data, size_t bytes);

#endif
