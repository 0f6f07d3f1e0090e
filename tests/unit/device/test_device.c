/* Which rank gets which GPU. The ranks are threads; what CUDA would say is said here: the three functions of the CUDA
 * backend that the choice calls are this file's, which come before the library's. */
#include "comm_ops.h"
#include "comm_threads.h"
#include "crisol/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MOST = 6
};

typedef struct host { /* what a rank sees there */
    const char *uuids[4];
    const char *why_not; /* null: it has GPUs, or there is no driver */
    int host_rank;
} host;

typedef struct scene {
    const char *device;
    bool share;
    const char *transport;
    host ranks[MOST];
    int n_ranks;
    /* what must come of it, alike on all ranks */
    cr_status status;
    const char *says;   /* part of the message */
    const char *opened; /* per rank, a letter: c for the CPU, a digit for a GPU */
    int n_sharing;      /* 0: 1 */
    atomic_int n_wrong;
} scene;

static _Thread_local const host *here;

void cr_cuda_devices_find(cr_cuda_devices *found)
{
    memset(found, 0, sizeof *found);
    for (; found->n < 4 && here->uuids[found->n]; found->n++) {
        cr_cuda_device *device = &found->devices[found->n];
        snprintf(device->name, sizeof device->name, "NVIDIA Test");
        snprintf(device->uuid, sizeof device->uuid, "%s", here->uuids[found->n]);
    }
    found->is_half_there = here->why_not != NULL;
    if (found->n == 0)
        snprintf(found->why_not, sizeof found->why_not, "%s", here->why_not ? here->why_not : "no driver");
}

cr_status cr_cuda_libraries_open(void)
{
    return CR_OK;
}

static void destroy(cr_backend **backend)
{
    free(*backend);
    *backend = NULL;
}

cr_status cr_backend_open_cuda(int device, cr_backend **backend)
{
    static const cr_backend_ops ops[4] = {{.name = "0", .destroy = destroy},
                                          {.name = "1", .destroy = destroy},
                                          {.name = "2", .destroy = destroy},
                                          {.name = "3", .destroy = destroy}};
    if (!strcmp(here->uuids[device], "GPU-broken"))
        return cr_fail(CR_INTERNAL, "out of memory on GPU %d", device);
    *backend = calloc(1, sizeof **backend);
    if (!*backend)
        return cr_fail_memory("a backend", sizeof **backend);
    (*backend)->ops = &ops[device];
    return CR_OK;
}

static cr_status make_config(const scene *s, cr_config **config)
{
    char text[64];
    cr_status status = CR_OK;
    CR_TRY(cr_config_create(config));
    snprintf(text, sizeof text, "device.name=%s", s->device);
    CR_TRY(cr_config_set(*config, text));
    snprintf(text, sizeof text, "device.transport=%s", s->transport ? s->transport : "auto");
    CR_TRY(cr_config_set(*config, text));
    (*config)->device.share = s->share;
done:
    return status;
}

static void rank_main(void *context, cr_comm *comm)
{
    scene *s = context;
    cr_config *config = NULL;
    cr_backend *backend = NULL;
    int n_sharing = 0, wanted = s->n_sharing > 0 ? s->n_sharing : 1;
    here = &s->ranks[cr_comm_rank(comm)];
    comm->host_rank = here->host_rank;
    cr_status status = make_config(s, &config);
    if (status == CR_OK)
        status = cr_device_open(comm, config, &backend, &n_sharing);
    bool good =
        status == s->status && (status == CR_OK ? n_sharing == wanted : strstr(cr_error_message(), s->says) != NULL);
    if (status == CR_OK && backend) {
        const char *name = cr_backend_name(backend);
        good = good && (!strcmp(name, "cpu") ? 'c' : name[0]) == s->opened[cr_comm_rank(comm)];
    }
    if (!good) {
        printf("rank %d: status %d, %s, opened %s\n", cr_comm_rank(comm), (int)status, cr_error_message(),
               backend ? cr_backend_name(backend) : "nothing");
        s->n_wrong++;
    }
    cr_backend_close(&backend);
    cr_config_destroy(&config);
}

static void play(scene *s)
{
    run_ranks(s->n_ranks, rank_main, s);
    assert_int_equal(s->n_wrong, 0);
}

#define TWO                                                                                                            \
    {                                                                                                                  \
        "GPU-a", "GPU-b"                                                                                               \
    }
#define OTHER_TWO                                                                                                      \
    {                                                                                                                  \
        "GPU-c", "GPU-d"                                                                                               \
    }

static void each_rank_takes_the_gpu_of_its_place_on_the_host(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        scene two_hosts = {.device = i ? "auto" : "cuda",
                           .n_ranks = 4,
                           .ranks = {{.uuids = TWO, .host_rank = 0},
                                     {.uuids = TWO, .host_rank = 1},
                                     {.uuids = OTHER_TWO, .host_rank = 0},
                                     {.uuids = OTHER_TWO, .host_rank = 1}},
                           .opened = "0101"};
        play(&two_hosts);
    }
    /* Slurm can show each task only its own GPU, which is number 0 for it */
    scene bound = {.device = "cuda",
                   .n_ranks = 3,
                   .ranks = {{.uuids = {"GPU-a"}, .host_rank = 0},
                             {.uuids = {"GPU-b"}, .host_rank = 1},
                             {.uuids = {"GPU-c"}, .host_rank = 2}},
                   .opened = "000"};
    play(&bound);
}

static void two_ranks_share_a_gpu_only_when_told_to(void **state)
{
    (void)state;
    scene s = {
        .device = "auto",
        .n_ranks = 3,
        .ranks = {{.uuids = TWO, .host_rank = 0}, {.uuids = TWO, .host_rank = 1}, {.uuids = TWO, .host_rank = 2}},
        .status = CR_BAD_CONFIG,
        .says = "ranks 0 and 2 would share one GPU (NVIDIA Test, GPU-a)"};
    play(&s);
    s.share = true;
    s.status = CR_OK;
    s.n_sharing = 2;
    s.opened = "010";
    play(&s);
    s.transport = "nccl";
    s.status = CR_BAD_CONFIG;
    s.says = "NCCL refuses";
    play(&s);
    s.transport = "mpi";
    s.status = CR_OK;
    play(&s);
    for (int r = 3; r < 5; r++) /* the fullest one counts */
        s.ranks[r] = (host){.uuids = TWO, .host_rank = r};
    s.n_ranks = 5;
    s.n_sharing = 3;
    s.opened = "01010";
    play(&s);
}

static void all_ranks_compute_on_gpus_or_none_does(void **state)
{
    (void)state;
    scene s = {.device = "auto",
               .n_ranks = 2,
               .ranks = {{.uuids = {"GPU-a"}}, {.why_not = "libcudnn.so.9 is missing", .host_rank = 0}},
               .opened = "cc"};
    play(&s);
    s.device = "cuda";
    s.status = CR_MISSING;
    s.says = "rank 1 has no GPU: libcudnn.so.9 is missing";
    play(&s);
    s.device = "cpu";
    s.status = CR_OK;
    play(&s);
    scene none = {.device = "auto", .n_ranks = 2, .ranks = {{.why_not = NULL}, {.why_not = NULL}}, .opened = "cc"};
    play(&none);
    none.device = "cuda";
    none.status = CR_MISSING;
    none.says = "rank 0 has no GPU: no driver";
    play(&none);
}

static void a_gpu_that_does_not_open_is_everybodys_error(void **state)
{
    (void)state;
    scene s = {.device = "auto",
               .n_ranks = 2,
               .ranks = {{.uuids = {"GPU-a"}}, {.uuids = {"GPU-broken"}}},
               .status = CR_INTERNAL,
               .says = "out of memory on GPU 0"};
    play(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_rank_takes_the_gpu_of_its_place_on_the_host),
                                       cmocka_unit_test(two_ranks_share_a_gpu_only_when_told_to),
                                       cmocka_unit_test(all_ranks_compute_on_gpus_or_none_does),
                                       cmocka_unit_test(a_gpu_that_does_not_open_is_everybodys_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
