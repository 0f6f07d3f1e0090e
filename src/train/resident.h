/* Images that a device keeps: they go there once, when a training starts, and batches name them by their places. */
#ifndef CRISOL_RESIDENT_H
#define CRISOL_RESIDENT_H

#include "session.h"

typedef enum cr_resident { /* device.resident */
    CR_RESIDENT_AUTO,
    CR_RESIDENT_ON,
    CR_RESIDENT_OFF
} cr_resident;

/* Whether the question arises: the backend can keep images, and the net reads them. */
bool cr_resident_is_possible(const cr_session *session);

/* If so, fills session->kept_images with the training split and then the validation split, in subset order, each sample
 * checked as the loader does; the same splits on all ranks. auto: a split that needs no more than this rank's share of
 * half the memory that is free now; the other half is for what is still to come, so this is to be called when the
 * training has its own. Where it turns out that there is no room after all, the images are left to the loader. Errors,
 * the same on all ranks: CR_BAD_CONFIG when device.resident is on and there is no room; the loader's for a damaged
 * sample; the memory's. Collective. */
CR_NODISCARD cr_status cr_resident_load(cr_session *session);
/* Local. */
void cr_resident_release(cr_session *session);

/* Which splits the device keeps, "train, val" or "none"; null where it is not possible. */
const char *cr_resident_text(const cr_session *session);

#endif
