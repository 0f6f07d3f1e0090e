/* What a training says of itself in config.yaml and record.json. */
#include "trainer.h"

#include "crisol/atomic_file.h"
#include "crisol/libraries.h"
#include "crisol/log.h"
#include "crisol/record.h"
#include "resident.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct place { /* where a rank runs */
    char host[64];
    char cores[192];
    char library[96];
    int32_t workers;
} place;

static json_t *describe_places(const place *all, int n)
{
    json_t *list = json_array();
    for (int r = 0; r < n; r++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:s, s:i, s:s}", "rank", r, "host", all[r].host, "cores",
                                              all[r].cores, "workers", all[r].workers, "backend", all[r].library));
    return list;
}

/* Collective; *places is null on other ranks than 0. */
static cr_status gather_places(cr_trainer *trainer, json_t **places)
{
    int n = cr_comm_size(trainer->comm);
    cr_status status = CR_OK;
    place mine = {.workers = trainer->team.n_workers};
    gethostname(mine.host, sizeof mine.host - 1);
    cr_record_cores(mine.cores, sizeof mine.cores);
    snprintf(mine.library, sizeof mine.library, "%s", cr_backend_library(trainer->session.backend));
    place *all = calloc((size_t)n, sizeof *all);
    *places = NULL;
    CR_TRY(cr_comm_agree(trainer->comm, all ? CR_OK : cr_fail_memory("places of ranks", sizeof *all)));
    CR_TRY(cr_comm_allgather(trainer->comm, &mine, sizeof mine, all));
    if (trainer->run)
        *places = describe_places(all, n);
done:
    free(all);
    return status;
}

static cr_status save_config(const cr_trainer *trainer, char **text)
{
    char *path = cr_path_join(trainer->options->output, "config.yaml");
    cr_status status = CR_OK;
    if (!path)
        return cr_fail_memory("a path", 1);
    CR_TRY(cr_config_dump(trainer->config, text));
    CR_TRY(cr_atomic_file_save(path, *text, strlen(*text)));
done:
    free(path);
    return status;
}

/* global_batch_size, train_samples … as MLPerf's logging names them. */
static json_t *describe_training(const cr_trainer *trainer)
{
    const cr_config *config = trainer->config;
    const cr_subset *subsets = trainer->session.subsets;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:s}", "global_batch_size", (json_int_t)config->data.batch,
        "micro_batch", (json_int_t)config->data.micro_batch, "micro_batches", (json_int_t)trainer->n_micro,
        "steps_per_epoch", (json_int_t)trainer->steps_per_epoch, "train_samples",
        (json_int_t)subsets[CR_SPLIT_TRAIN].n_samples, "eval_samples", (json_int_t)subsets[CR_SPLIT_VAL].n_samples,
        "opt_base_learning_rate", config->optimizer.lr, "opt_weight_decay", config->optimizer.weight_decay, "reduction",
        config->train.reduction == CR_REDUCTION_LIBRARY ? "library" : "ordered");
}

/* The file that the weights start from; an empty object without one. */
static cr_status describe_weights_file(const char *path, json_t **facts)
{
    char hash[CR_HASH_TEXT];
    uint64_t bytes;
    cr_status status = path[0] ? cr_hash_file(path, &bytes, hash) : CR_OK;
    *facts = path[0] && status == CR_OK ? json_pack("{s:s, s:s}", "path", path, "hash", hash) : json_object();
    return status;
}

static cr_status add_own_facts(cr_trainer *trainer, const char *config, json_t *places, json_t *facts)
{
    const cr_session *session = &trainer->session;
    char folder[4096] = "", run[4096] = "";
    json_t *weights_file = NULL;
    cr_status status = describe_weights_file(trainer->config->model.weights, &weights_file);
    if (!getcwd(folder, sizeof folder) || !realpath(trainer->options->output, run))
        folder[sizeof folder - 1] = run[sizeof run - 1] = 0; /* both are there: the run was opened by this name */
    json_t *own =
        json_pack("{s:s, s:s, s:s+, s:s, s:s, s:i, s:i, s:I, s:o?, s:s, s:{s:s, s:s}, s:o, s:I, s:o, s:o?, s:s*}",
                  "command", trainer->options->command, "folder", folder, "repeat", "crisol repeat ", run, "backend",
                  cr_backend_library(session->backend), "comm", cr_comm_library(trainer->comm), "ranks",
                  cr_comm_size(trainer->comm), "workers", trainer->team.n_workers, "threads_per_worker",
                  (json_int_t)trainer->config->cpu.threads, "placement", places, "config", config, "pack", "id",
                  cr_pack_id(session->pack), "folder", cr_pack_folder(session->pack), "weights_file", weights_file,
                  "seed", (json_int_t)trainer->config->train.seed, "training", describe_training(trainer), "kernels",
                  cr_program_describe(trainer->team.train_programs[0]), "kept_images", cr_resident_text(session));
    if (status == CR_OK && (!own || json_object_update(facts, own)))
        status = cr_fail(CR_INTERNAL, "record.json: out of memory, or the command is not UTF-8");
    json_decref(own);
    return status;
}

struct json_t *cr_train_facts(void)
{
    const char *const libraries[] = {
        cr_comm_libraries(),
        cr_backend_cpu_libraries(),
        cr_pack_libraries(),
        cr_config_libraries(),
        cr_train_libraries(),
        cr_base_libraries(),
        cr_reduce_libraries(),
#if CRISOL_CUDA
        cr_backend_cuda_libraries(),
#endif
    };
    return cr_record_facts(libraries, sizeof libraries / sizeof *libraries);
}

static cr_status write_files(cr_trainer *trainer, bool resumed, json_t *places)
{
    char *config = NULL, hash[CR_HASH_TEXT];
    cr_status status = CR_OK;
    json_t *facts = NULL;
    CR_TRY(save_config(trainer, &config));
    CR_TRY(cr_trainer_hash(trainer, hash));
    facts = cr_train_facts();
    CR_TRY(add_own_facts(trainer, config, json_incref(places), facts));
    cr_record_start start = {.resumed = resumed, .epoch = trainer->epoch, .step = trainer->step, .weights = hash};
    CR_TRY(cr_record_begin(trainer->run, json_incref(facts), &start));
done:
    json_decref(facts);
    free(config);
    return status;
}

cr_status cr_trainer_write_record(cr_trainer *trainer, bool resumed)
{
    json_t *places = NULL;
    cr_status status = gather_places(trainer, &places);
    if (status == CR_OK)
        status = cr_comm_agree(trainer->comm, trainer->run ? write_files(trainer, resumed, places) : CR_OK);
    json_decref(places);
    return status;
}

/* What a failing disk leaves out of the record is still in the journal: the training goes on. */
static cr_status bear_failure(cr_status status)
{
    if (status != CR_IO && status != CR_PERMISSION && status != CR_MISSING)
        return status;
    cr_log_warning("%s", cr_error_message());
    return CR_OK;
}

cr_status cr_trainer_record_epoch(cr_trainer *trainer, const json_t *figures, const char *hash)
{
    const char *name;
    json_t *value, *metrics = json_object();
    json_object_foreach((json_t *)figures, name, value)
    {
        if (strchr(name, '/')) /* the others are times and positions */
            json_object_set(metrics, name, value);
    }
    return bear_failure(cr_record_add_epoch(
        trainer->run, json_pack("{s:I, s:I, s:s, s:o}", "epoch", (json_int_t)trainer->epoch + 1, "step",
                                (json_int_t)trainer->step, "weights", hash, "metrics", metrics)));
}

void cr_trainer_end_record(cr_trainer *trainer, cr_status outcome)
{
    char hash[CR_HASH_TEXT];
    if (!trainer->run)
        return;
    bool hashed = outcome == CR_OK && cr_trainer_hash(trainer, hash) == CR_OK;
    char message[CR_ERROR_MAX];
    snprintf(message, sizeof message, "%s", cr_error_message());
    cr_status written = cr_record_finish(trainer->run, outcome, trainer->step, hashed ? hash : NULL);
    if (written != CR_OK && written != CR_BAD_CONFIG) /* that: the folder is another job's, and so is the record */
        cr_log_warning("%s", cr_error_message());
    if (outcome != CR_OK) /* the line that the command ends with is the failure's, not the record's */
        cr_fail(outcome, "%s", message);
}
