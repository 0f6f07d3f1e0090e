#include "saver.h"

#include "crisol/clock.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct cr_saver {
    cr_run *run;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool has_work, has_outcome, quit; /* under the mutex */
    bool busy;                        /* the caller's: started, outcome not taken */
    cr_save work;
    cr_save_outcome outcome;
};

/* The sizes that the checkpoint records of journal and metrics must be true after a power cut, too. */
static cr_status write_out(cr_saver *saver, cr_save *work)
{
    cr_status status = cr_run_sync(saver->run);
    if (status != CR_OK)
        return status;
    json_t *state = work->state;
    work->state = NULL; /* stolen */
    return cr_checkpoint_write(saver->run, work->step, work->image.tensors, work->image.n_tensors, state,
                               &work->policy);
}

static void save(cr_saver *saver)
{
    cr_save *work = &saver->work;
    cr_save_outcome outcome = {.step = work->step, .stall_s = work->stall_s};
    double start = cr_clock_s();
    for (int64_t i = 0; i < work->image.n_tensors; i++)
        outcome.bytes += (int64_t)work->image.tensors[i].bytes;
    outcome.status = write_out(saver, work);
    outcome.write_s = cr_clock_s() - start;
    if (outcome.status != CR_OK)
        memcpy(outcome.message, cr_error_message(), sizeof outcome.message);
    cr_state_image_destroy(&work->image);
    json_decref(work->state);
    work->state = NULL;
    saver->outcome = outcome;
}

static void *run_saver(void *argument)
{
    cr_saver *saver = argument;
    pthread_setname_np(pthread_self(), "saver");
    pthread_mutex_lock(&saver->mutex);
    for (;;) {
        while (!saver->has_work && !saver->quit)
            pthread_cond_wait(&saver->changed, &saver->mutex);
        if (!saver->has_work)
            break; /* what was started is finished before quitting */
        pthread_mutex_unlock(&saver->mutex);
        save(saver);
        pthread_mutex_lock(&saver->mutex);
        saver->has_work = false;
        saver->has_outcome = true;
        pthread_cond_broadcast(&saver->changed);
    }
    pthread_mutex_unlock(&saver->mutex);
    return NULL;
}

cr_status cr_saver_create(cr_run *run, cr_saver **saver)
{
    sigset_t all, before;
    *saver = NULL;
    cr_saver *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a thread for checkpoints", sizeof *made);
    made->run = run;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->changed, NULL);
    sigfillset(&all); /* signals are the training's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&made->thread, NULL, run_saver, made);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        pthread_cond_destroy(&made->changed);
        pthread_mutex_destroy(&made->mutex);
        free(made);
        return cr_fail(CR_INTERNAL, "cannot start a thread for checkpoints: %s", strerror(error));
    }
    *saver = made;
    return CR_OK;
}

void cr_saver_destroy(cr_saver **saver)
{
    if (!saver || !*saver)
        return;
    cr_saver *it = *saver;
    pthread_mutex_lock(&it->mutex);
    it->quit = true;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->mutex);
    pthread_join(it->thread, NULL);
    pthread_cond_destroy(&it->changed);
    pthread_mutex_destroy(&it->mutex);
    free(it);
    *saver = NULL;
}

void cr_saver_start(cr_saver *saver, cr_save *save)
{
    pthread_mutex_lock(&saver->mutex);
    saver->work = *save;
    *save = (cr_save){0};
    saver->busy = true;
    saver->has_work = true;
    pthread_cond_broadcast(&saver->changed);
    pthread_mutex_unlock(&saver->mutex);
}

bool cr_saver_is_busy(const cr_saver *saver)
{
    return saver->busy;
}

bool cr_saver_take(cr_saver *saver, bool wait, cr_save_outcome *outcome)
{
    if (!saver->busy)
        return false;
    pthread_mutex_lock(&saver->mutex);
    while (wait && !saver->has_outcome)
        pthread_cond_wait(&saver->changed, &saver->mutex);
    bool taken = saver->has_outcome;
    if (taken) {
        *outcome = saver->outcome;
        saver->has_outcome = false;
        saver->busy = false;
    }
    pthread_mutex_unlock(&saver->mutex);
    return taken;
}
