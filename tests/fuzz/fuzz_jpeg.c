/* JPEG files. The second run starts with a JPEG's first bytes whatever the input has there. */
#include "fuzz_input.h"
#include "fuzz_picture.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint8_t start[3] = {0xff, 0xd8, 0xff};
    fuzz_picture(data, bytes);
    if (bytes < sizeof start || !memcmp(data, start, sizeof start))
        return 0;
    uint8_t *copy = (uint8_t *)fuzz_text(data, bytes);
    memcpy(copy, start, sizeof start);
    fuzz_picture(copy, bytes);
    free(copy);
    return 0;
}
