/* Evaluation of a run's checkpoint on a split. */
#include "crisol/atomic_file.h"
#include "crisol/json.h"
#include "crisol/log.h"
#include "crisol/train.h"
#include "evaluation_files.h"
#include "session_plans.h"
#include "split_logits.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The split must be what the run was trained beside: another pack would mix training samples into the test. */
static cr_status check_checkpoint(const cr_session *session, const json_t *state, const char *run,
                                  cr_evaluation *evaluation)
{
    const char *pack;
    cr_status status = CR_OK;
    CR_TRY(cr_json_get_string(state, "pack", run, &pack));
    CR_TRY(cr_json_get_string(state, "weights", run, &evaluation->checkpoint));
    CR_TRY(cr_json_get_int(state, "step", run, 0, INT64_MAX, &evaluation->step));
    if (strcmp(pack, cr_pack_id(session->pack)))
        status = cr_fail(CR_BAD_DATA, "%s was trained on pack %s, but %s is now pack %s", run, pack,
                         cr_pack_folder(session->pack), cr_pack_id(session->pack));
done:
    return status;
}

static cr_status read_config(const cr_evaluate_options *options, cr_config **config)
{
    cr_status status = cr_session_read_config(options->run, config);
    return status == CR_OK ? cr_train_set_device(*config, options->device, options->share_device) : status;
}

static cr_status load(const cr_evaluate_options *options, const cr_session *session, bool maximize,
                      cr_model_state *state, json_t **checkpoint, cr_safetensors **tensors, cr_evaluation *evaluation)
{
    cr_status status = CR_OK;
    CR_TRY(cr_model_state_create(session, NULL, state));
    CR_TRY(cr_checkpoint_open(options->run, options->checkpoint, maximize, checkpoint, tensors));
    CR_TRY(check_checkpoint(session, *checkpoint, options->run, evaluation));
    CR_TRY(cr_model_state_restore(session, NULL, *tensors, state));
    evaluation->tensors = *tensors;
done:
    return status;
}

/* *columns is filled on rank 0 only, which writes the files. */
static cr_status judge_columns(const cr_evaluate_options *options, const cr_session *session,
                               cr_column_importance **columns, cr_evaluation *evaluation)
{
    if (!options->importance)
        return CR_OK;
    if (!session->encoder) {
        cr_log_info("--importance: the model reads no column of the table; there is nothing to shuffle");
        return CR_OK;
    }
    int64_t workers = options->workers > 0 ? options->workers : session->config->cpu.workers;
    cr_status status =
        cr_importance_compute(session, evaluation->tensors, workers, options->split, columns, &evaluation->n_columns);
    evaluation->columns = *columns;
    return status;
}

static cr_status write_files(const cr_evaluate_options *options, const cr_evaluation *evaluation)
{
    char name[32];
    snprintf(name, sizeof name, "eval-%s", cr_split_name(options->split));
    char *folder = cr_path_join(options->run, name);
    if (!folder)
        return cr_fail_memory("a path", 1);
    cr_status status = cr_evaluation_write(evaluation, folder, options->quiet);
    if (status == CR_OK)
        cr_log_info("%s: step %lld on %lld samples of %s", folder, (long long)evaluation->step,
                    (long long)evaluation->session->subsets[options->split].n_samples, cr_split_name(options->split));
    free(folder);
    return status;
}

cr_status cr_evaluate(cr_comm *comm, const cr_evaluate_options *options)
{
    cr_config *config = NULL;
    cr_session session;
    cr_team team;
    cr_model_state state;
    json_t *checkpoint = NULL;
    cr_safetensors *tensors = NULL;
    cr_column_importance *columns = NULL;
    float *logits = NULL;
    cr_status status = CR_OK;
    memset(&session, 0, sizeof session);
    memset(&team, 0, sizeof team);
    memset(&state, 0, sizeof state);
    CR_TRY(cr_comm_agree(comm, read_config(options, &config)));
    CR_TRY(cr_session_open(comm, config, &session));
    CR_TRY(cr_session_read_plans(&session, options->run));
    cr_evaluation evaluation = {.session = &session, .split = options->split};
    CR_TRY(cr_comm_agree(
        comm, load(options, &session, cr_monitor_is_maximized(config), &state, &checkpoint, &tensors, &evaluation)));
    int64_t n = session.subsets[options->split].n_samples;
    if (n == 0) {
        status = cr_fail(CR_MISSING, "the pack %s has no %s samples of these classes", config->data.pack,
                         cr_split_name(options->split));
        goto done;
    }
    int64_t n_micro = (n + config->cpu.eval_batch - 1) / config->cpu.eval_batch;
    CR_TRY(cr_comm_agree(comm, cr_team_create(&session, options->workers > 0 ? options->workers : config->cpu.workers,
                                              n_micro, false, &team)));
    size_t bytes = (size_t)(n * session.n_classes) * sizeof *logits;
    logits = malloc(bytes);
    CR_TRY(cr_comm_agree(comm, logits ? CR_OK : cr_fail_memory("logits", bytes)));
    CR_TRY(cr_split_logits(&session, &team, &state, options->split, logits));
    evaluation.logits = logits;
    CR_TRY(judge_columns(options, &session, &columns, &evaluation));
    CR_TRY(cr_comm_agree(comm, cr_comm_rank(comm) == 0 ? write_files(options, &evaluation) : CR_OK));
done:
    free(logits);
    free(columns);
    cr_safetensors_close(&tensors);
    json_decref(checkpoint);
    cr_team_destroy(&team);
    cr_model_state_destroy(&state);
    cr_session_close(&session);
    cr_config_destroy(&config);
    return status;
}
