/* Saving between two steps, and going on from there. */
#include "trainer.h"

#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

cr_status cr_trainer_hash(const cr_trainer *trainer, char hash[CR_HASH_TEXT])
{
    cr_state_image image;
    cr_model_state weights = trainer->state;
    weights.n_moments = 0;
    weights.ema = NULL;
    cr_status status = cr_state_image_create(&trainer->session, &trainer->optimizer, &weights, &image);
    if (status != CR_OK)
        return status;
    cr_state_image_hash(&image, hash);
    cr_state_image_destroy(&image);
    return CR_OK;
}

/* Data-parallel weights are equal on all ranks: a rank whose memory was corrupted must not be saved, nor trained with.
 */
static cr_status agree_on_hash(cr_trainer *trainer, const char hash[CR_HASH_TEXT])
{
    int n_ranks = cr_comm_size(trainer->comm);
    char *all = malloc((size_t)n_ranks * CR_HASH_TEXT);
    cr_status status = cr_comm_agree(trainer->comm, all ? CR_OK : cr_fail_memory("hashes", CR_HASH_TEXT));
    if (status == CR_OK)
        status = cr_comm_allgather(trainer->comm, hash, CR_HASH_TEXT, all);
    int odd = -1;
    for (int r = 0; status == CR_OK && r < n_ranks && odd < 0; r++) {
        int n_same = 0;
        for (int s = 0; s < n_ranks; s++)
            n_same += !memcmp(all + (size_t)r * CR_HASH_TEXT, all + (size_t)s * CR_HASH_TEXT, CR_HASH_TEXT);
        if (2 * n_same < n_ranks || (2 * n_same == n_ranks && r > 0))
            odd = r;
    }
    if (odd >= 0)
        status = cr_fail(
            CR_INTERNAL,
            "step %lld: the weights of rank %d differ from the others'; nothing was saved. Suspect its memory, and "
            "start again from the last checkpoint",
            (long long)trainer->step, odd);
    free(all);
    return status;
}

static json_t *sums_to_json(const cr_epoch_sums *sums)
{
    json_t *counts = json_array();
    bool whole = true;
    for (int64_t i = 0; i < sums->confusion.n_classes * sums->confusion.n_classes; i++)
        whole = !json_array_append_new(counts, json_integer(sums->confusion.counts[i])) && whole;
    if (!whole) { /* one that lacks a count could not be resumed from */
        json_decref(counts);
        counts = NULL;
    }
    return json_pack("{s:o, s:o, s:o}", "loss", cr_json_real(sums->loss), "weight", cr_json_real(sums->weight),
                     "confusion", counts);
}

static cr_status sums_from_json(const json_t *state, const char *where, cr_epoch_sums *sums)
{
    cr_status status = CR_OK;
    json_t *saved, *counts;
    int64_t n = sums->confusion.n_classes * sums->confusion.n_classes;
    CR_TRY(cr_json_get_object(state, "epoch_sums", where, &saved));
    CR_TRY(cr_json_get_real(saved, "loss", where, &sums->loss));
    CR_TRY(cr_json_get_real(saved, "weight", where, &sums->weight));
    CR_TRY(cr_json_get_array(saved, "confusion", where, &counts));
    if ((int64_t)json_array_size(counts) != n) {
        status = cr_fail(CR_BAD_DATA, "%s: epoch_sums is of another number of classes", where);
        goto done;
    }
    for (int64_t i = 0; i < n; i++)
        sums->confusion.counts[i] = json_integer_value(json_array_get(counts, (size_t)i));
done:
    return status;
}

/* Everything but the numbers that a training needs to go on from here. */
static cr_status make_state(cr_trainer *trainer, const char *hash, json_t **state)
{
    int64_t journal_bytes, metrics_bytes;
    cr_status status = cr_run_sizes(trainer->run, &journal_bytes, &metrics_bytes);
    if (status != CR_OK)
        return status;
    /* inside an epoch the latest metric belongs to other weights than these */
    double metric = trainer->step_in_epoch > 0 ? NAN : trainer->metric;
    *state =
        json_pack("{s:I, s:I, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:i}", "epoch", (json_int_t)trainer->epoch,
                  "step_in_epoch", (json_int_t)trainer->step_in_epoch, "metric", cr_json_real(metric), "monitor",
                  trainer->config->train.monitor, "weights", hash, "pack", cr_pack_id(trainer->session.pack),
                  "schedule", cr_schedule_save(&trainer->schedule), "early_stop", cr_early_stop_save(&trainer->stop),
                  "epoch_sums", sums_to_json(&trainer->sums), "journal_bytes", (json_int_t)journal_bytes,
                  "metrics_bytes", (json_int_t)metrics_bytes, "ranks", cr_comm_size(trainer->comm));
    return *state ? CR_OK : cr_fail_memory("a checkpoint's state", 1);
}

/* This rank's copy of the state (rank 0) or of its weights, for the hash. */
static cr_status copy_state(cr_trainer *trainer, cr_state_image *image, char hash[CR_HASH_TEXT])
{
    if (!trainer->run)
        return cr_trainer_hash(trainer, hash);
    cr_status status = cr_trainer_settle(trainer, true);
    if (status == CR_OK)
        status = cr_state_image_create(&trainer->session, &trainer->optimizer, &trainer->state, image);
    if (status == CR_OK)
        cr_state_image_hash(image, hash);
    return status;
}

cr_status cr_trainer_save(cr_trainer *trainer, bool wait)
{
    cr_save save = {.step = trainer->step,
                    .policy = {.keep_last = trainer->config->train.keep_last,
                               .keep_best = trainer->config->train.keep_best,
                               .maximize = trainer->maximize}};
    char hash[CR_HASH_TEXT];
    double start = cr_clock_s();
    cr_status status = CR_OK;
    trainer->save_agreed = false;
    trainer->saves.step = trainer->step;
    trainer->saves.start_s = start;
    CR_TRY(cr_comm_agree(trainer->comm, copy_state(trainer, &save.image, hash)));
    CR_TRY(agree_on_hash(trainer, hash));
    if (trainer->run)
        status = make_state(trainer, hash, &save.state);
    if (trainer->run && status == CR_OK) {
        save.stall_s = cr_clock_s() - start;
        trainer->saves.must_succeed = wait;
        cr_saver_start(trainer->saver, &save);
        if (wait)
            status = cr_trainer_settle(trainer, true);
    }
    status = cr_comm_agree(trainer->comm, status);
done:
    cr_state_image_destroy(&save.image);
    return status;
}

/* --- resuming ----------------------------------------------------------------------------------------------------- */

/* Rank 0 chooses the checkpoint; all open the same one. An empty path means none. */
static cr_status choose_checkpoint(cr_trainer *trainer, char path[4096])
{
    cr_checkpoint_info *list = NULL;
    int64_t n = 0, n_damaged = 0;
    cr_status status = CR_OK;
    path[0] = '\0';
    if (cr_comm_rank(trainer->comm) == 0) {
        status = cr_checkpoint_list(trainer->options->output, &list, &n, &n_damaged);
        bool none = status == CR_OK && n == 0;
        if (none && n_damaged > 0) /* to begin anew would delete what may be mended */
            status = cr_fail(CR_BAD_DATA, "%s: all %lld checkpoints are damaged; mend them, or choose another --output",
                             trainer->options->output, (long long)n_damaged);
        else if (none && trainer->options->resume == CR_RESUME_MUST)
            status = cr_fail(CR_MISSING, "%s: there is no checkpoint to resume from", trainer->options->output);
        else if (status == CR_OK && !none && trainer->options->resume == CR_RESUME_NEVER)
            status =
                cr_fail(CR_USAGE, "%s: holds a training already (step %lld); choose another --output, or --resume auto",
                        trainer->options->output, (long long)list[n - 1].step);
        else if (status == CR_OK && !none)
            snprintf(path, 4096, "last");
        free(list);
    }
    status = cr_comm_agree(trainer->comm, status);
    return status == CR_OK ? cr_comm_broadcast(trainer->comm, path, 4096, 0) : status;
}

/* The run's own config, as it was, against today's. */
static cr_status check_config(const cr_trainer *trainer)
{
    cr_config *former = NULL;
    char *difference = NULL;
    cr_status status = CR_OK;
    char *path = cr_path_join(trainer->options->output, "config.yaml");
    if (!path)
        return cr_fail_memory("a path", 1);
    CR_TRY(cr_config_create(&former));
    CR_TRY(cr_config_read(former, path));
    CR_TRY(cr_config_compare(former, trainer->config, &difference));
    /* one a line, but a message is a single one */
    for (char *end = difference; end && (end = strchr(end, '\n'));)
        *end = end[1] ? ';' : '\0';
    if (difference)
        status = cr_fail(CR_BAD_CONFIG, "%s was trained with another config; choose another --output. Differences: %s",
                         trainer->options->output, difference);
done:
    free(difference);
    free(path);
    cr_config_destroy(&former);
    return status;
}

static cr_status restore_position(cr_trainer *trainer, const json_t *state, const char *where)
{
    const char *pack;
    int64_t journal_bytes, metrics_bytes;
    json_t *part;
    cr_status status = CR_OK;
    CR_TRY(cr_json_get_string(state, "pack", where, &pack));
    if (strcmp(pack, cr_pack_id(trainer->session.pack))) {
        status = cr_fail(CR_BAD_CONFIG, "%s: the run was trained on pack %s, but %s is %s", where, pack,
                         cr_pack_folder(trainer->session.pack), cr_pack_id(trainer->session.pack));
        goto done;
    }
    CR_TRY(cr_json_get_int(state, "step", where, 0, INT64_MAX, &trainer->step));
    CR_TRY(cr_json_get_int(state, "epoch", where, 0, INT64_MAX, &trainer->epoch));
    CR_TRY(cr_json_get_int(state, "step_in_epoch", where, 0, trainer->steps_per_epoch, &trainer->step_in_epoch));
    CR_TRY(cr_json_get_real(state, "metric", where, &trainer->metric));
    CR_TRY(cr_json_get_object(state, "schedule", where, &part));
    CR_TRY(cr_schedule_restore(&trainer->schedule, part, where));
    CR_TRY(cr_json_get_object(state, "early_stop", where, &part));
    CR_TRY(cr_early_stop_restore(&trainer->stop, part, where));
    CR_TRY(sums_from_json(state, where, &trainer->sums));
    CR_TRY(cr_json_get_int(state, "journal_bytes", where, 0, INT64_MAX, &journal_bytes));
    CR_TRY(cr_json_get_int(state, "metrics_bytes", where, 0, INT64_MAX, &metrics_bytes));
    if (trainer->run)
        CR_TRY(cr_run_rewind(trainer->run, trainer->step, journal_bytes, metrics_bytes));
    trainer->start_step = trainer->saves.step = trainer->step;
done:
    return status;
}

static cr_status restore(cr_trainer *trainer, const char *which)
{
    json_t *state = NULL;
    cr_safetensors *tensors = NULL;
    cr_status status = CR_OK;
    CR_TRY(check_config(trainer));
    CR_TRY(cr_checkpoint_open(trainer->options->output, which, trainer->maximize, &state, &tensors));
    CR_TRY(cr_model_state_restore(&trainer->session, &trainer->optimizer, tensors, &trainer->state));
    CR_TRY(restore_position(trainer, state, trainer->options->output));
done:
    cr_safetensors_close(&tensors);
    json_decref(state);
    return status;
}

cr_status cr_trainer_resume(cr_trainer *trainer, bool *resumed)
{
    char path[4096];
    char hash[CR_HASH_TEXT];
    cr_status status = CR_OK;
    *resumed = false;
    CR_TRY(choose_checkpoint(trainer, path));
    if (!path[0]) /* of what an earlier start wrote before its first checkpoint, only that it was started stays */
        return cr_comm_agree(trainer->comm, trainer->run ? cr_run_rewind(trainer->run, 0, 0, 0) : CR_OK);
    CR_TRY(cr_comm_agree(trainer->comm, restore(trainer, path)));
    /* every rank looked for the newest good one by itself: they must have found the same */
    CR_TRY(cr_comm_agree(trainer->comm, cr_trainer_hash(trainer, hash)));
    CR_TRY(agree_on_hash(trainer, hash));
    *resumed = true;
done:
    return status;
}
