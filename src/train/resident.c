#include "resident.h"

#include "crisol/log.h"

#include <stdlib.h>

enum {
    IMAGE_BYTES = CR_PACK_IMAGE_SIZE * CR_PACK_IMAGE_SIZE * 3,
    IMAGE_FLOATS = IMAGE_BYTES / (int)sizeof(float), /* the memory's unit, which divides them */
    PIECE = 64,                                      /* images that travel together: 9.6 MB */
    SHARE = 2                                        /* auto: one in so many of the free bytes */
};
_Static_assert(IMAGE_BYTES % sizeof(float) == 0, "an image is a whole number of floats");

/* Those that every epoch reads, the larger one first. An evaluation by itself reads each image once: keeping them would
 * only delay it. */
static const cr_split splits[] = {CR_SPLIT_TRAIN, CR_SPLIT_VAL};
enum {
    N_SPLITS = sizeof splits / sizeof *splits
};

bool cr_resident_is_possible(const cr_session *session)
{
    return session->net->uses_image && cr_backend_keeps_images(session->backend);
}

/* The smallest share that a rank finds, so that all choose alike. No rank allocates before all have looked. */
static cr_status find_room(const cr_session *session, int64_t *room)
{
    cr_comm *comm = session->comm;
    cr_status status = CR_OK;
    int n = cr_comm_size(comm);
    int64_t mine = 0, *all = calloc((size_t)n, sizeof *all);
    CR_TRY(cr_comm_agree(comm, all ? cr_memory_room(cr_backend_memory(session->backend), &mine)
                                   : cr_fail_memory("ranks' room", (size_t)n * sizeof *all)));
    mine /= (int64_t)SHARE * session->ranks_per_device;
    CR_TRY(cr_comm_allgather(comm, &mine, sizeof mine, all));
    *room = mine;
    for (int r = 0; r < n; r++)
        *room = all[r] < *room ? all[r] : *room;
done:
    free(all);
    return status;
}

static cr_status choose(const cr_session *session, bool chosen[CR_N_SPLITS], bool *any)
{
    int64_t room = INT64_MAX;
    *any = false;
    cr_status status = CR_OK;
    if (session->config->device.resident == CR_RESIDENT_AUTO)
        CR_TRY(find_room(session, &room));
    for (int s = 0; s < N_SPLITS; s++) {
        int64_t bytes = session->subsets[splits[s]].n_samples * IMAGE_BYTES;
        chosen[splits[s]] = bytes > 0 && bytes <= room;
        room -= chosen[splits[s]] ? bytes : 0;
        *any = *any || chosen[splits[s]];
    }
done:
    return status;
}

static cr_status allocate(cr_session *session, const bool chosen[CR_N_SPLITS], float **piece)
{
    const cr_memory *memory = cr_backend_memory(session->backend);
    cr_status status = CR_OK;
    for (int split = 0; split < CR_N_SPLITS; split++) {
        char what[64];
        snprintf(what, sizeof what, "the images of %s", cr_split_name((cr_split)split));
        if (chosen[split])
            CR_TRY(cr_memory_allocate(memory, session->subsets[split].n_samples * IMAGE_FLOATS, what,
                                      &session->kept_images[split]));
    }
    CR_TRY(cr_memory_allocate_pinned(memory, (int64_t)PIECE * IMAGE_FLOATS, "images on their way", piece));
done:
    return status;
}

static cr_status send_piece(const cr_session *session, cr_split split, int64_t first, int64_t n, float *piece)
{
    cr_status status = CR_OK;
    for (int64_t i = 0; i < n; i++)
        CR_TRY(cr_subset_read_image(&session->subsets[split], first + i, (uint8_t *)piece + i * IMAGE_BYTES));
    CR_TRY(cr_memory_write(cr_backend_memory(session->backend), piece, n * IMAGE_FLOATS,
                           session->kept_images[split] + first * IMAGE_FLOATS));
done:
    return status;
}

/* In step, so that a rank with a slow disk keeps the others waiting for a piece and not for a whole split. */
static cr_status send_split(const cr_session *session, cr_split split, float *piece)
{
    int64_t n = session->subsets[split].n_samples;
    cr_status status = CR_OK;
    for (int64_t first = 0; first < n; first += PIECE) {
        int64_t end = n - first < PIECE ? n : first + PIECE;
        CR_TRY(cr_comm_agree(session->comm, send_piece(session, split, first, end - first, piece)));
        cr_log_progress(false, "%lld of %lld images of %s are on the device", (long long)end, (long long)n,
                        cr_split_name(split));
    }
done:
    return status;
}

cr_status cr_resident_load(cr_session *session)
{
    bool chosen[CR_N_SPLITS] = {false}, any;
    float *piece = NULL;
    cr_status status = CR_OK;
    int wanted = session->config->device.resident;
    if (!cr_resident_is_possible(session) || wanted == CR_RESIDENT_OFF)
        return CR_OK;
    CR_TRY(choose(session, chosen, &any));
    if (!any)
        goto done;
    status = cr_comm_agree(session->comm, allocate(session, chosen, &piece));
    if (status != CR_OK && wanted == CR_RESIDENT_AUTO) {
        cr_log_info("the device keeps no images: %s", cr_error_message());
        cr_resident_release(session);
        status = CR_OK;
        goto done;
    }
    if (status != CR_OK) {
        status = cr_fail_context(CR_BAD_CONFIG, "device.resident is on, but the images do not fit; set it to auto");
        goto done;
    }
    for (int s = 0; s < N_SPLITS; s++)
        if (chosen[splits[s]])
            CR_TRY(send_split(session, splits[s], piece));
done:
    cr_memory_release_pinned(cr_backend_memory(session->backend), &piece);
    if (status != CR_OK)
        cr_resident_release(session);
    return status;
}

void cr_resident_release(cr_session *session)
{
    for (int split = 0; split < CR_N_SPLITS; split++)
        if (session->kept_images[split])
            cr_memory_release(cr_backend_memory(session->backend), &session->kept_images[split]);
}

const char *cr_resident_text(const cr_session *session)
{
    static const char *const texts[] = {"none", "train", "val", "train, val"};
    int which = (session->kept_images[CR_SPLIT_TRAIN] ? 1 : 0) + (session->kept_images[CR_SPLIT_VAL] ? 2 : 0);
    return cr_resident_is_possible(session) ? texts[which] : NULL;
}
