/* Which splits' images a device keeps, and that they are the pack's. The ranks are threads; the device is a backend
 * that has nothing but a memory of so many images, and says what it is told to say of the room in it. */
#include "comm_threads.h"
#include "crisol/log.h"
#include "resident.h"
#include "tiny_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MOST = 4,
    N_TRAIN = 20, /* of the chosen classes */
    N_VAL = 4,
    PLENTY = 1000
};

typedef struct device {
    int64_t room, limit; /* images: what it says, what it has */
    int64_t n_used;      /* floats */
} device;

typedef struct scene {
    const char *wanted; /* device.resident */
    int n_ranks, ranks_per_device;
    int64_t rooms[MOST];  /* images free on each rank's device */
    int64_t limits[MOST]; /* … that can really be had; 0: plenty */
    bool no_images;       /* of the net */
    bool keeps_none;      /* of the backend */
    /* what must come of it on every rank */
    cr_status status;
    const char *says; /* part of the message, or what is kept; null: the question does not arise */
    atomic_int n_wrong;
} scene;

static cr_pack *pack;
static cr_subset subsets[CR_N_SPLITS];

/* ---- the device ---- */

static cr_status allocate(const cr_memory *memory, int64_t n, const char *what, float **floats)
{
    device *d = memory->context;
    if ((d->n_used + n) * 4 > d->limit * TINY_IMAGE_BYTES)
        return cr_fail(CR_INTERNAL, "no room for %s", what);
    float *made = malloc((size_t)n * sizeof *made + 64); /* in front: how many */
    if (!made)
        return cr_fail_memory(what, (size_t)n * sizeof *made);
    memcpy(made, &n, sizeof n);
    d->n_used += n;
    *floats = made + 16;
    return CR_OK;
}

static void release(const cr_memory *memory, float *floats)
{
    device *d = memory->context;
    int64_t n;
    memcpy(&n, floats - 16, sizeof n);
    d->n_used -= n;
    free(floats - 16);
}

static cr_status write_floats(const cr_memory *memory, const float *host, int64_t n, float *to)
{
    (void)memory;
    memcpy(to, host, (size_t)n * sizeof *to);
    return CR_OK;
}

static cr_status room(const cr_memory *memory, int64_t *bytes)
{
    const device *d = memory->context;
    *bytes = d->room * TINY_IMAGE_BYTES;
    return CR_OK;
}

static const cr_memory *memory_of(const cr_backend *backend)
{
    return backend->context;
}

/* ---- a rank ---- */

static bool holds_the_packs_images(const cr_session *session)
{
    bool good = true;
    for (int split = 0; split < CR_N_SPLITS; split++) {
        const uint8_t *kept = (const uint8_t *)session->kept_images[split];
        for (int64_t i = 0; kept && i < subsets[split].n_samples; i++)
            for (int64_t b = 0; b < TINY_IMAGE_BYTES; b++) {
                int row = tiny_first_row((cr_split)split) + (int)subsets[split].samples[i];
                good = good && kept[i * TINY_IMAGE_BYTES + b] == tiny_pixel(row, b);
            }
    }
    return good;
}

static bool is_as_wanted(const scene *s, const cr_session *session, cr_status status)
{
    const char *kept = cr_resident_text(session);
    if (status != s->status)
        return false;
    if (status != CR_OK)
        return strstr(cr_error_message(), s->says) != NULL;
    return (kept && s->says ? !strcmp(kept, s->says) : kept == s->says) && holds_the_packs_images(session);
}

static void rank_main(void *context, cr_comm *comm)
{
    static const cr_memory_ops memory_ops = {
        .name = "test", .allocate = allocate, .release = release, .write = write_floats, .room = room};
    scene *s = context;
    int rank = cr_comm_rank(comm);
    device d = {.room = s->rooms[rank], .limit = s->limits[rank] ? s->limits[rank] : PLENTY};
    cr_memory memory = {.ops = &memory_ops, .context = &d};
    const cr_backend_ops ops = {.name = "test", .memory = memory_of, .keeps_images = !s->keeps_none};
    cr_backend backend = {&ops, &memory};
    cr_net net = {.uses_image = !s->no_images};
    cr_session session = {.comm = comm,
                          .pack = pack,
                          .net = &net,
                          .backend = &backend,
                          .ranks_per_device = s->ranks_per_device ? s->ranks_per_device : 1};
    cr_config *config = NULL;
    char text[64];
    memcpy(session.subsets, subsets, sizeof subsets);
    snprintf(text, sizeof text, "device.resident=%s", s->wanted);
    bool good = cr_config_create(&config) == CR_OK && cr_config_set(config, text) == CR_OK;
    session.config = config;
    cr_status status = good ? cr_resident_load(&session) : CR_INTERNAL;
    if (!good || !is_as_wanted(s, &session, status) || (status != CR_OK && d.n_used > 0)) {
        const char *kept = cr_resident_text(&session);
        printf("rank %d: status %d, %s, keeps %s\n", rank, (int)status, cr_error_message(), kept ? kept : "-");
        s->n_wrong++;
    }
    cr_resident_release(&session);
    s->n_wrong += d.n_used != 0;
    cr_config_destroy(&config);
}

static void play(scene s)
{
    s.n_ranks = s.n_ranks ? s.n_ranks : 1;
    run_ranks(s.n_ranks, rank_main, &s);
    assert_int_equal(s.n_wrong, 0);
}

/* ---- tests ---- */

static void what_fits_into_half_the_room_is_kept(void **state)
{
    (void)state;
    assert_int_equal(subsets[CR_SPLIT_TRAIN].n_samples, N_TRAIN);
    assert_int_equal(subsets[CR_SPLIT_VAL].n_samples, N_VAL);
    const int64_t both = N_TRAIN + N_VAL;
    play((scene){.wanted = "auto", .rooms = {PLENTY}, .says = "train, val"});
    play((scene){.wanted = "auto", .rooms = {2 * both}, .says = "train, val"});
    play((scene){.wanted = "auto", .rooms = {2 * both - 1}, .says = "train"});
    play((scene){.wanted = "auto", .rooms = {2 * N_TRAIN - 1}, .says = "val"});
    play((scene){.wanted = "auto", .rooms = {2 * N_VAL - 1}, .says = "none"});
    play((scene){.wanted = "off", .rooms = {PLENTY}, .says = "none"});
}

static void ranks_share_the_room_and_choose_alike(void **state)
{
    (void)state;
    const int64_t both = N_TRAIN + N_VAL;
    for (int n = 2; n <= MOST; n++) {
        int64_t enough = 2 * n * both;
        play((scene){.wanted = "auto",
                     .n_ranks = n,
                     .ranks_per_device = n,
                     .rooms = {enough, enough, enough, enough},
                     .says = "train, val"});
        play((scene){.wanted = "auto",
                     .n_ranks = n,
                     .ranks_per_device = n,
                     .rooms = {enough - 1, enough, enough, enough},
                     .says = "train"});
    }
    play((scene){.wanted = "auto",
                 .n_ranks = 3,
                 .rooms = {PLENTY, 2 * N_TRAIN - 1, PLENTY},
                 .says = "val"}); /* a fuller device */
}

static void without_room_after_all_auto_does_without_and_on_fails(void **state)
{
    (void)state;
    play((scene){.wanted = "auto",
                 .n_ranks = 3,
                 .rooms = {PLENTY, PLENTY, PLENTY},
                 .limits = {PLENTY, N_TRAIN - 1, PLENTY},
                 .says = "none"});
    play((scene){.wanted = "on", .limits = {N_TRAIN + N_VAL}, .says = "train, val"}); /* asks nobody */
    play((scene){.wanted = "on",
                 .n_ranks = 2,
                 .limits = {PLENTY, N_TRAIN + N_VAL - 1},
                 .status = CR_BAD_CONFIG,
                 .says = "device.resident is on"});
    play((scene){.wanted = "on",
                 .n_ranks = 2,
                 .limits = {PLENTY, N_TRAIN + N_VAL - 1},
                 .status = CR_BAD_CONFIG,
                 .says = "no room for the images of val"});
}

static void where_no_image_is_kept_nothing_is_said(void **state)
{
    (void)state;
    play((scene){.wanted = "on", .rooms = {PLENTY}, .no_images = true});
    play((scene){.wanted = "on", .rooms = {PLENTY}, .keeps_none = true});
}

static void a_damaged_sample_is_the_loaders_error(void **state)
{
    (void)state;
    const int64_t position = 7;
    cr_loader *loader = NULL;
    cr_loaded loaded;
    char message[CR_ERROR_MAX];
    tiny_pack_damage((int)subsets[CR_SPLIT_TRAIN].samples[position]);
    assert_int_equal(cr_loader_create(&subsets[CR_SPLIT_TRAIN], NULL, cr_memory_host(), 1, &loader), CR_OK);
    cr_loader_request(loader, &position, 1);
    assert_int_equal(cr_loader_wait(loader, &loaded), CR_BAD_DATA);
    snprintf(message, sizeof message, "%s", cr_error_message());
    cr_loader_destroy(&loader);
    for (int n = 1; n <= 2; n++)
        play((scene){.wanted = n == 1 ? "auto" : "on",
                     .n_ranks = n,
                     .rooms = {PLENTY, PLENTY},
                     .status = CR_BAD_DATA,
                     .says = message});
    tiny_pack_damage((int)subsets[CR_SPLIT_TRAIN].samples[position]);
}

static int open_pack(void **state)
{
    (void)state;
    static const int32_t class_of[TINY_CLASSES] = {1, -1, 0}; /* so that positions are not sample numbers */
    cr_log_set_quiet(true);
    pack = tiny_pack_open();
    for (int split = 0; split < CR_N_SPLITS; split++)
        assert_int_equal(cr_subset_create(pack, (cr_split)split, class_of, 0, &subsets[split]), CR_OK);
    return 0;
}

static int close_pack(void **state)
{
    (void)state;
    for (int split = 0; split < CR_N_SPLITS; split++)
        cr_subset_destroy(&subsets[split]);
    cr_pack_close(&pack);
    tiny_pack_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_fits_into_half_the_room_is_kept),
                                       cmocka_unit_test(ranks_share_the_room_and_choose_alike),
                                       cmocka_unit_test(without_room_after_all_auto_does_without_and_on_fails),
                                       cmocka_unit_test(where_no_image_is_kept_nothing_is_said),
                                       cmocka_unit_test(a_damaged_sample_is_the_loaders_error)};
    return cmocka_run_group_tests(tests, open_pack, close_pack);
}
