/* PNG files: once the bytes as they are, once with the signature and every chunk's checksum made right. */
#include "fuzz_input.h"
#include "fuzz_picture.h"

#include <stdlib.h>
#include <string.h>

/* CRC-32 as in the PNG specification, annex D. */
static uint32_t crc32_of(const uint8_t *data, size_t bytes)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void mend_chunks(uint8_t *data, size_t bytes)
{
    enum {
        SIGNATURE = 8,
        HEAD = 8, /* length and type */
        CHECK = 4
    };
    size_t at = SIGNATURE;
    while (bytes - at >= HEAD + CHECK) {
        size_t length = read_u32(data + at);
        if (length > bytes - at - HEAD - CHECK)
            return;
        uint32_t crc = crc32_of(data + at + 4, length + 4);
        at += HEAD + length;
        for (int i = 0; i < CHECK; i++)
            data[at++] = (uint8_t)(crc >> (24 - 8 * i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    fuzz_picture(data, bytes);
    if (bytes < sizeof signature)
        return 0;
    uint8_t *copy = (uint8_t *)fuzz_text(data, bytes);
    memcpy(copy, signature, sizeof signature);
    mend_chunks(copy, bytes);
    if (memcmp(copy, data, bytes) != 0)
        fuzz_picture(copy, bytes);
    free(copy);
    return 0;
}
