/* SHA-256 (FIPS 180-4), because the references name pixels and weights by it. */
#ifndef CRISOL_TEST_SHA256_H
#define CRISOL_TEST_SHA256_H

#include <stddef.h>

enum {
    SHA256_TEXT = 65
}; /* 64 hexadecimal digits and NUL */

void sha256_text(const void *data, size_t bytes, char text[SHA256_TEXT]);

#endif
