#include "crisol/stepper.h"
#include "trainer.h"

#include "crisol/clock.h"

#include <stdlib.h>

struct cr_stepper {
    cr_train_options options;
    cr_trainer trainer;
};

cr_status cr_stepper_open(cr_comm *comm, const cr_config *config, bool profile, cr_stepper **stepper)
{
    cr_status status = CR_OK;
    cr_stepper *made = calloc(1, sizeof *made);
    *stepper = NULL;
    CR_TRY(cr_comm_agree(comm, made ? CR_OK : cr_fail_memory("a training", sizeof *made)));
    made->options = (cr_train_options){.config = config, .profile = profile};
    CR_TRY(cr_trainer_create(comm, &made->options, &made->trainer));
    cr_trainer_find_end(&made->trainer);
    CR_TRY(cr_trainer_open_samples(&made->trainer));
    CR_TRY(cr_trainer_begin_epoch(&made->trainer));
    *stepper = made;
    made = NULL;
done:
    cr_stepper_close(&made);
    return status;
}

void cr_stepper_close(cr_stepper **stepper)
{
    if (!stepper || !*stepper)
        return;
    cr_trainer_destroy(&(*stepper)->trainer);
    free(*stepper);
    *stepper = NULL;
}

cr_status cr_stepper_step(cr_stepper *stepper, cr_step_times *times)
{
    cr_trainer *trainer = &stepper->trainer;
    cr_status status = CR_OK;
    if (trainer->step_in_epoch == trainer->steps_per_epoch) {
        cr_trainer_clear_sums(trainer);
        trainer->epoch++;
        trainer->step_in_epoch = 0;
        CR_TRY(cr_trainer_begin_epoch(trainer));
    }
    cr_phase_times before = trainer->times;
    double start = cr_clock_s();
    CR_TRY(cr_trainer_step(trainer));
    const cr_phase_times *after = &trainer->times;
    *times = (cr_step_times){.total = cr_clock_s() - start,
                             .wait = after->wait - before.wait,
                             .compute = after->compute - before.compute,
                             .reduce = after->reduce - before.reduce,
                             .update = after->update - before.update};
done:
    return status;
}

cr_status cr_stepper_evaluate(cr_stepper *stepper, cr_split split, int64_t *n_samples, double *seconds)
{
    cr_trainer *trainer = &stepper->trainer;
    cr_split_scores scores;
    if (trainer->session.subsets[split].n_samples == 0)
        return cr_fail(CR_MISSING, "the pack %s has no %s samples of these classes",
                       cr_pack_folder(trainer->session.pack), cr_split_name(split));
    cr_model_state evaluated = cr_model_state_to_evaluate(&trainer->state);
    cr_status status = cr_split_score(&trainer->session, &trainer->team, &evaluated, split, &scores);
    *n_samples = scores.n_samples;
    *seconds = scores.seconds;
    return status;
}

int64_t cr_stepper_state_count(const cr_stepper *stepper)
{
    return stepper->trainer.state.n;
}

int cr_stepper_workers(const cr_stepper *stepper)
{
    return stepper->trainer.team.n_workers;
}

const char *cr_stepper_backend(const cr_stepper *stepper)
{
    return cr_backend_library(stepper->trainer.session.backend);
}

const char *cr_stepper_pack_id(const cr_stepper *stepper)
{
    return cr_pack_id(stepper->trainer.session.pack);
}

struct json_t *cr_stepper_times(const cr_stepper *stepper)
{
    return cr_program_times(stepper->trainer.team.train_programs[0]);
}

struct json_t *cr_stepper_kernels(const cr_stepper *stepper)
{
    return cr_program_describe(stepper->trainer.team.train_programs[0]);
}
