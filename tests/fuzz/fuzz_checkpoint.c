/* The JSON of a checkpoint: once the bytes as they are, once behind a beginning that makes their checksum right. What a
 * resumed training restores from it is restored. */
#include "fuzz_input.h"

#include "checkpoint_file.h"
#include "crisol/json.h"
#include "crisol/optim.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void restore_schedule(const json_t *saved)
{
    const cr_schedule_params params = {
        .kind = CR_SCHEDULE_PLATEAU, .lr = 0.1, .total = 10, .factor = 0.5, .threshold = 1e-4, .patience = 2};
    cr_schedule schedule;
    fuzz_demand(cr_schedule_make(&params, &schedule) == CR_OK, "no schedule");
    cr_status status = cr_schedule_restore(&schedule, saved, "input");
    fuzz_check_refusal(status);
    if (status == CR_OK)
        for (int epoch = 0; epoch < 4; epoch++)
            cr_schedule_advance(&schedule, 0.5);
    fuzz_demand(isfinite(schedule.lr), "a restored learning rate is not finite");
}

static void restore_early_stop(const json_t *saved)
{
    cr_early_stop stop = cr_early_stop_make(true, 3, 1e-3);
    bool improved;
    cr_status status = cr_early_stop_restore(&stop, saved, "input");
    fuzz_check_refusal(status);
    if (status == CR_OK)
        for (int epoch = 0; epoch < 4; epoch++)
            (void)cr_early_stop_update(&stop, 0.5, &improved);
}

static void try_checkpoint(const char *text, size_t bytes)
{
    cr_checkpoint_file file;
    json_t *part = NULL;
    double metric;
    int64_t step = -1;
    cr_status status = cr_checkpoint_load(fuzz_memory_file(text, bytes), &file);
    fuzz_check_refusal(status);
    fuzz_demand((status == CR_OK) == (file.state != NULL), "status and state disagree");
    if (status != CR_OK)
        return;
    fuzz_demand(cr_checkpoint_parse_name(file.tensors, ".safetensors", &step) ||
                    cr_checkpoint_parse_name(file.tensors, "-again.safetensors", &step),
                "a checkpoint names a file that is no checkpoint's");
    fuzz_demand(step == file.step && file.tensors_bytes >= 0, "a checkpoint names another step's file");
    fuzz_demand(strlen(file.hash) == CR_HASH_TEXT - 1, "a hash is no hash");
    fuzz_check_refusal(cr_json_get_real(file.state, "metric", "input", &metric));
    if (cr_json_get_object(file.state, "schedule", "input", &part) == CR_OK)
        restore_schedule(part);
    if (cr_json_get_object(file.state, "early_stop", "input", &part) == CR_OK)
        restore_early_stop(part);
    json_decref(file.state);
    fuzz_accepted = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    enum {
        START = sizeof CR_CHECKPOINT_START - 1,
        DIGITS = CR_HASH_TEXT - 1
    };
    char hash[CR_HASH_TEXT];
    char *text = malloc(START + DIGITS + bytes + 1);
    fuzz_demand(text, "out of memory");
    try_checkpoint((const char *)data, bytes);
    memcpy(text, CR_CHECKPOINT_START, START);
    memset(text + START, '0', DIGITS);
    if (bytes)
        memcpy(text + START + DIGITS, data, bytes);
    cr_hash128(text, START + DIGITS + bytes, hash);
    memcpy(text + START, hash, DIGITS);
    try_checkpoint(text, START + DIGITS + bytes);
    free(text);
    return 0;
}
