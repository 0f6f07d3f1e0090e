/* The JSON of a checkpoint: once the bytes as they are, once behind a beginning that makes their checksum right. What a
 * resumed training restores from it is restored. */
#include "fuzz_input.h"

#include "checkpoint_file.h"
#include "crisol/json.h"
#include "crisol/optim.h"
#include "crisol/run.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define JSON "checkpoints/step-20.json"
static char tensors_hash[CR_HASH_TEXT];

/* A run with the tensors of step 20, whose checkpoints/step-20.json each input becomes that names their hash. */
static void prepare_run(void)
{
    static const float weights[4] = {1, 2, 3, 4};
    static const cr_tensor_view tensor = {"fc.weight", CR_DTYPE_F32, 2, {2, 2}, weights, sizeof weights};
    char path[2 * FUZZ_PATH_MAX];
    if (tensors_hash[0])
        return;
    snprintf(path, sizeof path, "%s/checkpoints", fuzz_folder());
    fuzz_demand(!mkdir(path, 0700), "no folder of checkpoints");
    snprintf(path, sizeof path, "%s/checkpoints/step-20.safetensors", fuzz_folder());
    fuzz_demand(cr_safetensors_write(path, &tensor, 1, tensors_hash) == CR_OK, "no tensors");
}

/* The run is listed and opened as a resumed training would, by its newest and by its best checkpoint. */
static void open_run(const char *text, size_t bytes)
{
    static const char *const which[] = {"last", "best"};
    cr_checkpoint_info *list = NULL;
    int64_t n = -1;
    fuzz_write(JSON, text, bytes);
    fuzz_demand(cr_checkpoint_list(fuzz_folder(), &list, &n, NULL) == CR_OK && n >= 0 && n <= 1, "a list of too many");
    free(list);
    for (int i = 0; n > 0 && i < 2; i++) {
        json_t *state = NULL;
        cr_safetensors *tensors = NULL;
        cr_status status = cr_checkpoint_open(fuzz_folder(), which[i], true, &state, &tensors);
        fuzz_check_refusal(status);
        fuzz_demand((status == CR_OK) == (state && tensors), "status and checkpoint disagree");
        if (status == CR_OK)
            fuzz_demand(cr_safetensors_count(tensors) == 1 && !json_object_get(state, "tensors"), "another checkpoint");
        cr_safetensors_close(&tensors);
        json_decref(state);
    }
}

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
    if (file.step == 20 && !strcmp(file.hash, tensors_hash))
        open_run(text, bytes);
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
    prepare_run();
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
