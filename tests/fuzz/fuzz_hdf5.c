#include "fuzz_hdf5.h"

#include <stdbool.h>
#include <string.h>

typedef struct file {
    uint8_t *data;
    size_t bytes;
    uint64_t hole, hole_bytes;
} file;

enum {
    CHECK = 4,
    SIGNATURE = 4,
    SUPERBLOCK = 44, /* bytes before its checksum, with 8-byte addresses */
    CONTINUATION = 16,
    MAX_DEPTH = 4
};

static uint32_t rotate(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

/* Bob Jenkins, lookup3.c, hashlittle() with initval 0, byte by byte. */
static uint32_t lookup3(const uint8_t *key, size_t bytes)
{
    uint32_t a = 0xdeadbeef + (uint32_t)bytes, b = a, c = a;
    uint8_t last[12] = {0};
    for (;; bytes -= 12, key += 12) {
        const uint8_t *k = key;
        bool end = bytes <= 12;
        if (end) {
            if (bytes == 0)
                return c;
            memcpy(last, key, bytes);
            k = last;
        }
        a += k[0] | (uint32_t)k[1] << 8 | (uint32_t)k[2] << 16 | (uint32_t)k[3] << 24;
        b += k[4] | (uint32_t)k[5] << 8 | (uint32_t)k[6] << 16 | (uint32_t)k[7] << 24;
        c += k[8] | (uint32_t)k[9] << 8 | (uint32_t)k[10] << 16 | (uint32_t)k[11] << 24;
        if (end)
            break;
        a = (a - c) ^ rotate(c, 4), c += b;
        b = (b - a) ^ rotate(a, 6), a += c;
        c = (c - b) ^ rotate(b, 8), b += a;
        a = (a - c) ^ rotate(c, 16), c += b;
        b = (b - a) ^ rotate(a, 19), a += c;
        c = (c - b) ^ rotate(b, 4), b += a;
    }
    c = (c ^ b) - rotate(b, 14);
    a = (a ^ c) - rotate(c, 11);
    b = (b ^ a) - rotate(a, 25);
    c = (c ^ b) - rotate(b, 16);
    a = (a ^ c) - rotate(c, 4);
    b = (b ^ a) - rotate(a, 14);
    return (c ^ b) - rotate(b, 24);
}

static uint64_t read_number(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static void mend(file *f, size_t start, size_t bytes)
{
    uint32_t check = lookup3(f->data + start, bytes);
    for (int i = 0; i < CHECK; i++)
        f->data[start + bytes + (size_t)i] = (uint8_t)(check >> 8 * i);
}

/* Messages from `at` to `end`; follows those that say where the header goes on. */
static void walk_messages(file *f, size_t at, size_t end, uint8_t flags, int depth)
{
    size_t head = flags & 4 ? 6 : 4;
    while (depth < MAX_DEPTH && end - at >= head) {
        uint8_t type = f->data[at];
        size_t bytes = (size_t)read_number(f->data + at + 1, 2);
        at += head;
        if (bytes > end - at)
            return;
        if (type == CONTINUATION && bytes >= 16) {
            uint64_t address = read_number(f->data + at, 8), length = read_number(f->data + at + 8, 8);
            if (address >= f->hole + f->hole_bytes && address > f->hole)
                address -= f->hole_bytes;
            if (address <= f->bytes && length <= f->bytes - address && length >= SIGNATURE + CHECK) {
                mend(f, (size_t)address, (size_t)length - CHECK);
                walk_messages(f, (size_t)address + SIGNATURE, (size_t)(address + length) - CHECK, flags, depth + 1);
            }
        }
        at += bytes;
    }
}

static void mend_object_header(file *f, size_t start)
{
    size_t at = start + 6;
    if (f->bytes - start < 6 + CHECK)
        return;
    uint8_t flags = f->data[start + 5];
    at += (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    size_t width = (size_t)1 << (flags & 3);
    if (at + width > f->bytes)
        return;
    uint64_t size = read_number(f->data + at, (int)width);
    at += width;
    if (f->bytes - at < CHECK || size > f->bytes - at - CHECK)
        return;
    mend(f, start, at + (size_t)size - start);
    walk_messages(f, at, at + (size_t)size, flags, 0);
}

void fuzz_mend_hdf5(uint8_t *data, size_t bytes, uint64_t hole, uint64_t hole_bytes)
{
    file f = {.data = data, .bytes = bytes, .hole = hole, .hole_bytes = hole == UINT64_MAX ? 0 : hole_bytes};
    if (bytes >= SUPERBLOCK + CHECK && (data[8] == 2 || data[8] == 3))
        mend(&f, 0, SUPERBLOCK);
    for (size_t at = 0; at + SIGNATURE <= bytes; at++)
        if (!memcmp(data + at, "OHDR", SIGNATURE))
            mend_object_header(&f, at);
}
