#include "team.h"

#include <stdlib.h>
#include <string.h>

/* Ranks of one host share its cores: a rank that may run on all of them takes only its part. */
static int64_t default_workers(const cr_session *session)
{
    int64_t cores = cr_cores_available();
    int64_t local = cr_comm_local_size(session->comm);
    int64_t share = cores / (local * session->config->cpu.threads);
    return share > 0 ? share : 1;
}

cr_status cr_team_create(const cr_session *session, int64_t n_wanted, int64_t n_micro_batches, bool profile,
                         cr_team *team)
{
    memset(team, 0, sizeof *team);
    team->session = session;
    team->profile = profile;
    if (cr_comm_size(session->comm) > 1 && cr_memory_has_lane(cr_backend_memory(session->backend)))
        cr_net_buckets(session->net, &team->buckets);
    int64_t n = n_wanted > 0 ? n_wanted : default_workers(session);
    if (!cr_memory_is_host(cr_backend_memory(session->backend)))
        n = 1; /* a device's worker is its queue */
    if (n > n_micro_batches)
        n = n_micro_batches;
    team->n_workers = (int)n;
    team->train_programs = calloc((size_t)n, sizeof(cr_program *));
    team->eval_programs = calloc((size_t)n, sizeof(cr_program *));
    if (!team->train_programs || !team->eval_programs)
        return cr_fail_memory("workers", (size_t)n * 2 * sizeof(cr_program *));
    return cr_workers_create(team->n_workers, &team->workers);
}

/* A program dies in the thread that made it, as oneDNN wants. */
static cr_status destroy_programs(void *context, int worker)
{
    cr_team *team = context;
    cr_program_destroy(&team->train_programs[worker]);
    cr_program_destroy(&team->eval_programs[worker]);
    return CR_OK;
}

void cr_team_destroy(cr_team *team)
{
    if (team->workers && cr_workers_run(team->workers, destroy_programs, team) != CR_OK)
        return; /* unreachable: destroy_programs cannot fail */
    free(team->train_programs);
    free(team->eval_programs);
    cr_workers_destroy(&team->workers);
    memset(team, 0, sizeof *team);
}

cr_program_params cr_team_params(const cr_session *session, bool training, int frozen_layers)
{
    const cr_config *config = session->config;
    return (cr_program_params){
        .micro_batch = training ? config->data.micro_batch : config->cpu.eval_batch,
        .training = training,
        .precision = (cr_precision)config->train.precision,
        .convolution = (cr_convolution)config->cpu.convolution,
        .n_threads = (int)config->cpu.threads,
        .frozen_layers = training ? frozen_layers : 0,
    };
}

static cr_status compile(cr_team *team, int worker, bool training, cr_program **program)
{
    cr_program_params params = cr_team_params(team->session, training, team->frozen_layers);
    params.profile = team->profile && worker == 0;
    if (training)
        params.buckets = team->buckets;
    return cr_program_create(team->session->backend, team->session->net, &params, program);
}

static cr_status compile_training(void *context, int worker)
{
    cr_team *team = context;
    cr_program_destroy(&team->train_programs[worker]);
    return compile(team, worker, true, &team->train_programs[worker]);
}

static cr_status compile_evaluation(void *context, int worker)
{
    cr_team *team = context;
    return compile(team, worker, false, &team->eval_programs[worker]);
}

cr_status cr_team_compile_training(cr_team *team, int frozen_layers)
{
    team->frozen_layers = frozen_layers;
    return cr_workers_run(team->workers, compile_training, team);
}

cr_status cr_team_compile_evaluation(cr_team *team)
{
    return team->eval_programs[0] ? CR_OK : cr_workers_run(team->workers, compile_evaluation, team);
}

/* The part of a rank's batch that is micro-batch `index` of `size` samples. What a device keeps of a split lies there
 * in the order of the subset: a sample's place is its position. */
static cr_batch micro_batch(const cr_session *session, cr_split split, const cr_loaded *loaded, int64_t index,
                            int64_t size)
{
    int64_t at = index * size;
    int64_t image_bytes = CR_PACK_IMAGE_SIZE * CR_PACK_IMAGE_SIZE * 3;
    const uint8_t *kept = (const uint8_t *)session->kept_images[split];
    return (cr_batch){
        .images = loaded->images ? loaded->images + at * image_bytes : kept,
        .images_pinned = loaded->images != NULL, /* the loader keeps them until the next request is waited for */
        .places = kept ? loaded->positions + at : NULL,
        .metadata = loaded->metadata ? loaded->metadata + at * session->net->n_features : NULL,
        .labels = loaded->labels + at,
        .seed = session->config->train.seed,
    };
}

typedef struct training {
    cr_team *team;
    const cr_team_step *step;
} training;

static cr_status train_worker(void *context, int worker)
{
    const training *work = context;
    const cr_team_step *step = work->step;
    const cr_session *session = work->team->session;
    int64_t size = session->config->data.micro_batch;
    cr_tree_stack *stack = cr_reducer_stack(step->reducer, worker);
    int64_t begin, end;
    cr_reducer_leaves(step->reducer, worker, &begin, &end);
    if (!stack)
        return CR_OK;
    cr_tree_stack_reset(stack);
    for (int64_t leaf = begin; leaf < end; leaf++) {
        int64_t local = leaf - step->first;
        cr_batch batch = micro_batch(session, CR_SPLIT_TRAIN, step->batch, local, size);
        batch.augments = step->augments + local * size;
        batch.samples = step->samples + local * size;
        batch.mixes = step->mixes ? step->mixes + local * size : NULL;
        batch.targets = step->targets ? step->targets + local * size * session->n_classes : NULL;
        batch.epoch = step->epoch;
        batch.state_version = step->state->version;
        batch.loss = step->loss;
        cr_batch_result result = {.logits = step->logits + local * size * session->n_classes,
                                  .losses = step->losses + local * size};
        cr_status status = cr_program_train(work->team->train_programs[worker], step->state->weights, &batch,
                                            cr_tree_stack_leaf(stack), &result);
        if (status != CR_OK)
            return cr_fail_context(status, "micro-batch %lld", (long long)leaf);
        status = cr_tree_stack_push(stack);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

cr_status cr_team_train(cr_team *team, const cr_team_step *step)
{
    training work = {team, step};
    return cr_workers_run(team->workers, train_worker, &work);
}

static cr_status wait_worker(void *context, int worker)
{
    const cr_team *team = context;
    return cr_program_wait(team->train_programs[worker]);
}

cr_status cr_team_wait(cr_team *team)
{
    if (cr_memory_is_host(cr_backend_memory(team->session->backend)))
        return CR_OK; /* training was done when it returned */
    return cr_workers_run(team->workers, wait_worker, team);
}

typedef struct evaluation {
    cr_team *team;
    const cr_model_state *state;
    cr_split split;
    const cr_loaded *batch;
    int64_t n_micro_batches;
    float *logits;
} evaluation;

static cr_status evaluate_worker(void *context, int worker)
{
    const evaluation *work = context;
    const cr_session *session = work->team->session;
    int64_t size = session->config->cpu.eval_batch;
    if (worker >= work->n_micro_batches)
        return CR_OK;
    cr_batch batch = micro_batch(session, work->split, work->batch, worker, size);
    batch.state_version = work->state->version;
    return cr_program_evaluate(work->team->eval_programs[worker], work->state->weights, &batch,
                               work->logits + worker * size * session->n_classes);
}

cr_status cr_team_evaluate(cr_team *team, const cr_model_state *state, cr_split split, const cr_loaded *batch,
                           int64_t n_micro_batches, float *logits)
{
    evaluation work = {team, state, split, batch, n_micro_batches, logits};
    return cr_workers_run(team->workers, evaluate_worker, &work);
}
