/* Requests are numbered from 0. Request k's positions lie in list k mod 3 (two may be open while the caller still uses
 * a third), its samples in slot k mod 2. The reading thread may start request k once k - 2 is no longer the caller's,
 * that is when the caller waits for k - 1 or did. */
#include "crisol/clock.h"
#include "crisol/data.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 2,
    LISTS = 3,
    MOST_OPEN = 2,
    MAX_CAPACITY = 1 << 20,
    IMAGE_BYTES = CR_PACK_IMAGE_SIZE * CR_PACK_IMAGE_SIZE * 3,
    IMAGE_FLOATS = IMAGE_BYTES / (int)sizeof(float) /* the memory's unit, which divides them */
};
_Static_assert(IMAGE_BYTES % sizeof(float) == 0, "an image is a whole number of floats");

typedef struct batch_slot {
    float *images;   /* [capacity, 224, 224, 3] bytes, pinned, or null */
    float *metadata; /* [capacity, width] or null */
    int32_t *labels; /* [capacity] */
    cr_status status;
    char message[CR_ERROR_MAX];
} batch_slot;

typedef struct request {
    int64_t *positions; /* [capacity] */
    int64_t n;
    bool is_wrong; /* more than the capacity, or a position outside the subset */
} request;

struct cr_loader {
    const cr_subset *subset;
    const cr_encoder *encoder;
    const cr_memory *memory; /* of images, or null */
    int64_t capacity, width;
    batch_slot slots[SLOTS];
    request requests[LISTS];

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t n_requested, n_read, n_waited;
    bool too_many;    /* a third request was made */
    atomic_bool stop; /* read between samples without the mutex */
    double wait_s;
};

static cr_status read_sample(const cr_loader *loader, batch_slot *slot, int64_t i, int64_t position)
{
    const cr_subset *subset = loader->subset;
    int64_t sample = subset->samples[position];
    slot->labels[i] = subset->labels[position];
    if (loader->encoder)
        cr_encoder_encode(loader->encoder, cr_pack_metadata(subset->pack, subset->split, sample),
                          slot->metadata + i * loader->width);
    return loader->memory ? cr_subset_read_image(subset, position, (uint8_t *)slot->images + i * IMAGE_BYTES) : CR_OK;
}

static cr_status read_request(cr_loader *loader, const request *asked, batch_slot *slot)
{
    if (asked->is_wrong)
        return cr_fail(CR_INTERNAL, "a request for %lld samples is outside the subset or above the loader's %lld",
                       (long long)asked->n, (long long)loader->capacity);
    for (int64_t i = 0; i < asked->n && !atomic_load(&loader->stop); i++) {
        cr_status status = read_sample(loader, slot, i, asked->positions[i]);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

static void *read_requests(void *argument)
{
    cr_loader *loader = argument;
    pthread_setname_np(pthread_self(), "loader");
    pthread_mutex_lock(&loader->mutex);
    while (!atomic_load(&loader->stop)) {
        int64_t k = loader->n_read;
        if (k >= loader->n_requested || k > loader->n_waited) {
            pthread_cond_wait(&loader->changed, &loader->mutex);
            continue;
        }
        pthread_mutex_unlock(&loader->mutex);
        batch_slot *slot = &loader->slots[k % SLOTS];
        slot->status = read_request(loader, &loader->requests[k % LISTS], slot);
        if (slot->status != CR_OK)
            memcpy(slot->message, cr_error_message(), CR_ERROR_MAX);
        pthread_mutex_lock(&loader->mutex);
        loader->n_read++;
        pthread_cond_broadcast(&loader->changed);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

static cr_status create_buffers(cr_loader *loader)
{
    size_t capacity = (size_t)loader->capacity;
    for (int i = 0; i < LISTS; i++) {
        loader->requests[i].positions = malloc(capacity * sizeof(int64_t));
        if (!loader->requests[i].positions)
            return cr_fail_memory("a loader's requests", capacity * sizeof(int64_t));
    }
    for (int i = 0; i < SLOTS; i++) {
        batch_slot *slot = &loader->slots[i];
        size_t metadata_bytes = capacity * (size_t)loader->width * sizeof(float);
        slot->labels = malloc(capacity * sizeof *slot->labels);
        slot->metadata = loader->encoder ? malloc(metadata_bytes > 0 ? metadata_bytes : 1) : NULL;
        if (!slot->labels || (loader->encoder && !slot->metadata))
            return cr_fail_memory("a loader's batch", capacity * sizeof *slot->labels + metadata_bytes);
        if (!loader->memory)
            continue;
        cr_status status = cr_memory_allocate_pinned(loader->memory, loader->capacity * IMAGE_FLOATS,
                                                     "a loader's images", &slot->images);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

/* Signals are for the thread that made the loader. */
static cr_status start_thread(cr_loader *loader)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&loader->thread, NULL, read_requests, loader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return cr_fail(CR_INTERNAL, "cannot start the loader's thread: %s", strerror(error));
    loader->has_thread = true;
    return CR_OK;
}

cr_status cr_loader_create(const cr_subset *subset, const cr_encoder *encoder, const cr_memory *memory,
                           int64_t capacity, cr_loader **loader)
{
    cr_status status = CR_OK;
    *loader = NULL;
    if (capacity < 1 || capacity > MAX_CAPACITY)
        return cr_fail(CR_BAD_CONFIG, "a loader for %lld samples at once; allowed are 1 to %d", (long long)capacity,
                       MAX_CAPACITY);
    cr_loader *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a loader", sizeof *made);
    made->subset = subset;
    made->encoder = encoder;
    made->memory = memory;
    made->capacity = capacity;
    made->width = encoder ? cr_encoder_width(encoder) : 0;
    pthread_mutex_init(&made->mutex, NULL); /* with default attributes these two cannot fail on Linux */
    pthread_cond_init(&made->changed, NULL);
    CR_TRY(create_buffers(made));
    CR_TRY(start_thread(made));
done:
    if (status != CR_OK)
        cr_loader_destroy(&made);
    *loader = made;
    return status;
}

void cr_loader_destroy(cr_loader **loader)
{
    if (!loader || !*loader)
        return;
    cr_loader *l = *loader;
    if (l->has_thread) {
        pthread_mutex_lock(&l->mutex);
        atomic_store(&l->stop, true);
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->mutex);
        pthread_join(l->thread, NULL);
    }
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mutex);
    for (int i = 0; i < LISTS; i++)
        free(l->requests[i].positions);
    for (int i = 0; i < SLOTS; i++) {
        if (l->memory)
            cr_memory_release_pinned(l->memory, &l->slots[i].images);
        free(l->slots[i].metadata);
        free(l->slots[i].labels);
    }
    free(l);
    *loader = NULL;
}

void cr_loader_request(cr_loader *loader, const int64_t *positions, int64_t n)
{
    pthread_mutex_lock(&loader->mutex);
    if (loader->n_requested - loader->n_waited >= MOST_OPEN) {
        loader->too_many = true;
    } else {
        request *asked = &loader->requests[loader->n_requested % LISTS]; /* neither read nor the caller's */
        asked->n = n;
        asked->is_wrong = n < 0 || n > loader->capacity;
        for (int64_t i = 0; !asked->is_wrong && i < n; i++) {
            asked->positions[i] = positions[i];
            asked->is_wrong = positions[i] < 0 || positions[i] >= loader->subset->n_samples;
        }
        loader->n_requested++;
        pthread_cond_broadcast(&loader->changed);
    }
    pthread_mutex_unlock(&loader->mutex);
}

cr_status cr_loader_wait(cr_loader *loader, cr_loaded *loaded)
{
    *loaded = (cr_loaded){0};
    cr_status status = CR_OK;
    double start_s = cr_clock_s();
    pthread_mutex_lock(&loader->mutex);
    int64_t k = loader->n_waited;
    if (loader->too_many || k == loader->n_requested)
        status = cr_fail(CR_INTERNAL, loader->too_many ? "more than two requests were open" : "no request is open");
    while (status == CR_OK && loader->n_read <= k)
        pthread_cond_wait(&loader->changed, &loader->mutex);
    if (status == CR_OK) {
        loader->n_waited++;
        pthread_cond_broadcast(&loader->changed);
    }
    pthread_mutex_unlock(&loader->mutex);
    loader->wait_s += cr_clock_s() - start_s;
    if (status != CR_OK)
        return status;
    const batch_slot *slot = &loader->slots[k % SLOTS];
    const request *asked = &loader->requests[k % LISTS];
    if (slot->status != CR_OK)
        return cr_fail(slot->status, "%s", slot->message);
    *loaded = (cr_loaded){asked->positions, (const uint8_t *)slot->images, slot->metadata, slot->labels, asked->n};
    return CR_OK;
}

double cr_loader_wait_s(const cr_loader *loader)
{
    return loader->wait_s;
}
