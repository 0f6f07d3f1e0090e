#include "crisol/workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_WORKERS = 4096,
    MAX_CORES = 1 << 16
};

typedef struct worker {
    cr_workers *set;
    int number;
    pthread_t thread;
    cr_status status;
    char message[CR_ERROR_MAX];
} worker;

struct cr_workers {
    int n;
    int n_started;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* the round moved on, or stop */
    pthread_cond_t idle; /* n_busy reached 0 */
    uint64_t round;      /* counts cr_workers_run() calls: a worker runs each round once */
    int n_busy;
    bool stop;
    cr_worker_function function;
    void *context;
    worker each[];
};

/* A worker's loop: wait for a round that it has not run, run it, report. */
static void *work(void *argument)
{
    worker *self = argument;
    cr_workers *set = self->set;
    char name[16];
    snprintf(name, sizeof name, "worker %d", self->number);
    pthread_setname_np(pthread_self(), name);
    uint64_t done_rounds = 0;
    pthread_mutex_lock(&set->mutex);
    for (;;) {
        while (!set->stop && set->round == done_rounds)
            pthread_cond_wait(&set->work, &set->mutex);
        if (set->stop)
            break;
        done_rounds = set->round;
        cr_worker_function function = set->function;
        void *context = set->context;
        pthread_mutex_unlock(&set->mutex);
        self->status = function(context, self->number);
        if (self->status != CR_OK)
            memcpy(self->message, cr_error_message(), CR_ERROR_MAX);
        pthread_mutex_lock(&set->mutex);
        if (--set->n_busy == 0)
            pthread_cond_signal(&set->idle);
    }
    pthread_mutex_unlock(&set->mutex);
    return NULL;
}

/* Signals belong to the thread that made the workers: its handlers must not run in the middle of a worker's kernel. */
static cr_status start_threads(cr_workers *set)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    while (!error && set->n_started < set->n) {
        worker *next = &set->each[set->n_started];
        next->set = set;
        next->number = set->n_started;
        error = pthread_create(&next->thread, NULL, work, next);
        if (!error)
            set->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return cr_fail(CR_INTERNAL, "cannot start worker thread %d of %d: %s", set->n_started + 1, set->n,
                       strerror(error));
    return CR_OK;
}

cr_status cr_workers_create(int n, cr_workers **workers)
{
    *workers = NULL;
    if (n < 1 || n > MAX_WORKERS)
        return cr_fail(CR_BAD_CONFIG, "%d workers asked for; allowed are 1 to %d", n, MAX_WORKERS);
    size_t bytes = sizeof(cr_workers) + (size_t)n * sizeof(worker);
    cr_workers *set = calloc(1, bytes);
    if (!set)
        return cr_fail_memory("worker threads", bytes);
    set->n = n;
    pthread_mutex_init(&set->mutex, NULL); /* with default attributes these three cannot fail on Linux */
    pthread_cond_init(&set->work, NULL);
    pthread_cond_init(&set->idle, NULL);
    cr_status status = start_threads(set);
    if (status != CR_OK)
        cr_workers_destroy(&set);
    *workers = set;
    return status;
}

void cr_workers_destroy(cr_workers **workers)
{
    if (!workers || !*workers)
        return;
    cr_workers *set = *workers;
    pthread_mutex_lock(&set->mutex);
    set->stop = true;
    pthread_cond_broadcast(&set->work);
    pthread_mutex_unlock(&set->mutex);
    for (int w = 0; w < set->n_started; w++)
        pthread_join(set->each[w].thread, NULL);
    pthread_cond_destroy(&set->idle);
    pthread_cond_destroy(&set->work);
    pthread_mutex_destroy(&set->mutex);
    free(set);
    *workers = NULL;
}

int cr_workers_count(const cr_workers *workers)
{
    return workers->n;
}

cr_status cr_workers_run(cr_workers *workers, cr_worker_function function, void *context)
{
    pthread_mutex_lock(&workers->mutex);
    workers->function = function;
    workers->context = context;
    workers->n_busy = workers->n;
    workers->round++;
    pthread_cond_broadcast(&workers->work);
    while (workers->n_busy > 0)
        pthread_cond_wait(&workers->idle, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
    for (int w = 0; w < workers->n; w++) {
        if (workers->each[w].status != CR_OK)
            return cr_fail(workers->each[w].status, "%s", workers->each[w].message);
    }
    return CR_OK;
}

int cr_cores_available(void)
{
    /* the kernel refuses a set smaller than its own number of possible cores, so ask with growing ones */
    for (int n_cores = CPU_SETSIZE; n_cores <= MAX_CORES; n_cores *= 2) {
        cpu_set_t *set = CPU_ALLOC(n_cores);
        if (!set)
            return 1;
        size_t bytes = CPU_ALLOC_SIZE(n_cores);
        int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 1;
}

void cr_share(int64_t n, int n_parts, int part, int64_t *begin, int64_t *end)
{
    int64_t base = n / n_parts, larger = n % n_parts;
    *begin = part * base + (part < larger ? part : larger);
    *end = *begin + base + (part < larger);
}
