/* Drawing and encoding of the synthetic pictures. */
#ifndef CRISOL_SYNTH_PICTURE_H
#define CRISOL_SYNTH_PICTURE_H

#include "crisol/rng.h"
#include "crisol/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CR_SYNTH_MIN_SIDE = 208,
    CR_SYNTH_MAX_SIDE = 320
};

typedef enum cr_synth_texture {
    CR_SYNTH_STRIPES,
    CR_SYNTH_DOTS
} cr_synth_texture;

typedef struct cr_synth_picture {
    int width, height;
    uint8_t pixels[CR_SYNTH_MAX_SIDE * CR_SYNTH_MAX_SIDE * 3]; /* [height, width, 3], RGB */
} cr_synth_picture;

/* A texture in two colours under uneven light, a plain shape lying on it, and noise. Everything but the texture is
 * drawn from `rng` and tells nothing of the class. */
void cr_synth_draw(cr_rng *rng, cr_synth_texture texture, cr_synth_picture *picture);

/* Writes the file; not atomically, the table is what makes a data set complete. Errors: CR_IO, CR_PERMISSION,
 * CR_INTERNAL. */
CR_NODISCARD cr_status cr_synth_write_png(const cr_synth_picture *picture, const char *path);
CR_NODISCARD cr_status cr_synth_write_jpeg(const cr_synth_picture *picture, int quality, const char *path);

#endif
