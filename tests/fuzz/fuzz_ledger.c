/* A sweep's trials.jsonl: once the bytes as they are, once with each line's sum made right. What is understood of it is
 * shown as `crisol inspect` shows it. */
#include "fuzz_input.h"

#include "crisol/hash.h"
#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "trials.jsonl"

static void check_record(const cr_record *record)
{
    int64_t epoch = 0;
    fuzz_demand(strlen(record->id) == CR_TRIAL_ID - 1, "an id has another length");
    fuzz_touch_text(cr_trial_state_name(record->state));
    fuzz_touch_text(cr_status_text(record->failure));
    fuzz_touch(record->metrics, (size_t)record->n_epochs * sizeof *record->metrics);
    double best = cr_record_best(record, record->n_epochs, true, &epoch);
    fuzz_demand(best != best || (epoch >= 1 && epoch <= record->n_epochs), "the best epoch is none");
}

static void inspect(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    fuzz_demand(out, "no stream in memory");
    fuzz_demand(cr_sweep_is_folder(fuzz_folder()), "no sweep directory");
    fuzz_check_refusal(cr_sweep_inspect(fuzz_folder(), out));
    fclose(out);
    for (size_t i = 0; i < bytes; i++)
        fuzz_demand((unsigned char)text[i] >= ' ' || text[i] == '\n', "a control character reaches the terminal");
    free(text);
}

static void try_ledger(const char *text, size_t bytes)
{
    cr_ledger *ledger = NULL;
    int64_t n = 0;
    fuzz_write(FILE_NAME, text, bytes);
    fuzz_demand(cr_ledger_open(fuzz_folder(), false, &ledger) == CR_OK, "a ledger cannot be opened");
    cr_status status = cr_ledger_refresh(ledger);
    fuzz_check_refusal(status);
    const cr_record *const *records = cr_ledger_all(ledger, &n);
    for (int64_t i = 0; i < n; i++) {
        check_record(records[i]);
        fuzz_demand(cr_ledger_find(ledger, records[i]->id) == records[i], "a record is not found by its id");
    }
    fuzz_accepted = fuzz_accepted || n > 0;
    cr_ledger_close(&ledger);
    if (n > 0)
        inspect();
}

/* Each line's last byte gives way to the sum, as ledger.c writes it. */
static void write_with_sums(const char *text, size_t bytes, FILE *out)
{
    while (bytes > 0) {
        const char *end = memchr(text, '\n', bytes);
        size_t length = end ? (size_t)(end - text) : bytes, body = length > 0 ? length - 1 : 0;
        fprintf(out, "%.*s, \"sum\": \"%016" PRIx64 "\"}\n", (int)body, text, cr_hash64(text, body));
        bytes -= end ? length + 1 : length;
        text += end ? length + 1 : length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = fuzz_text(data, bytes), *summed = NULL;
    size_t summed_bytes = 0;
    try_ledger(text, bytes);
    FILE *out = open_memstream(&summed, &summed_bytes);
    fuzz_demand(out, "no stream in memory");
    write_with_sums(text, bytes, out);
    fclose(out);
    try_ledger(summed, summed_bytes);
    free(summed);
    free(text);
    return 0;
}
