/* What the tests of the YAML reader share. */
#ifndef CRISOL_TEST_YAML_CHECK_H
#define CRISOL_TEST_YAML_CHECK_H

#include "crisol/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline cr_yaml *parse(const char *text)
{
    cr_yaml *yaml = NULL;
    if (cr_yaml_parse(text, strlen(text), "f.yaml", &yaml) != CR_OK)
        fail_msg("%s", cr_error_message());
    return yaml;
}

static inline void assert_message_begins(const char *expected)
{
    if (strncmp(cr_error_message(), expected, strlen(expected)) != 0)
        fail_msg("expected '%s…', got '%s'", expected, cr_error_message());
}

static inline char *repeat(const char *unit, int n, const char *tail)
{
    char *text = calloc(1, strlen(unit) * (size_t)n + strlen(tail) + 1);
    assert_non_null(text);
    for (int i = 0; i < n; i++)
        memcpy(text + strlen(unit) * (size_t)i, unit, strlen(unit));
    strcpy(text + strlen(unit) * (size_t)n, tail);
    return text;
}

#endif
