#include "crisol/libraries.h"

#include <stdio.h>

#include <hdf5.h>
#include <jpeglib.h>
#include <png.h>

#define QUOTE(token) #token
#define TEXT(macro) QUOTE(macro)

const char *cr_pack_libraries(void)
{
    static char text[128];
    unsigned major = 0;
    unsigned minor = 0;
    unsigned release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "HDF5 %u.%u.%u, libjpeg-turbo %s, libpng %s", major, minor, release,
             TEXT(LIBJPEG_TURBO_VERSION), png_get_libpng_ver(NULL));
    return text;
}
