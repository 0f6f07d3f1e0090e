/* A small real pack, made by the packer from real PNG files and a table whose every cell and pixel is a formula. */
#ifndef CRISOL_TEST_TINY_PACK_H
#define CRISOL_TEST_TINY_PACK_H

#include "crisol/pack.h"

#include <stdbool.h>

enum {
    TINY_TRAIN = 30,
    TINY_VAL = 6,
    TINY_TEST = 4,
    TINY_CLASSES = 3,
    TINY_IMAGE_BYTES = CR_PACK_IMAGE_SIZE * CR_PACK_IMAGE_SIZE * 3
};

/* Makes it in a new folder, once a process; tiny_pack_remove() removes the folder. */
const char *tiny_pack_folder(void);
void tiny_pack_remove(void);
cr_pack *tiny_pack_open(void); /* fails the test if it cannot */

/* Row `row` of the table: the training rows first, then val, then test. */
int tiny_label(int row);
bool tiny_has_age(int row); /* some training rows have none */
double tiny_age(int row);
double tiny_height(int row);    /* every training row has one, one row of val has not */
const char *tiny_sex(int row);  /* "F", "M", "" or a word that the recipe does not list */
bool tiny_mark(int row, int i); /* of the list column's two words */
bool tiny_has_marks(int row);
uint8_t tiny_pixel(int row, int64_t byte);
int tiny_first_row(cr_split split);

/* Flips one bit of a packed image, and back when called again. */
void tiny_pack_damage(int row);

#endif
