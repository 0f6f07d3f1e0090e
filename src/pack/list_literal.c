#include "list_literal.h"

#include "number_cell.h"

#include <stdlib.h>
#include <string.h>

void cr_list_free(cr_list *list)
{
    free(list->items);
    free(list->is_number);
    free(list->text);
    *list = (cr_list){0};
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static const char *skip_white(const char *at)
{
    while (is_white(*at))
        at++;
    return at;
}

/* Value of up to `most` digits of `base`; *n is how many there were. */
static uint32_t read_digits(const char *at, uint32_t base, int most, int *n)
{
    uint32_t value = 0;
    for (*n = 0; *n < most; ++*n) {
        char c = at[*n];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A') + 10;
        else
            break;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    return value;
}

/* Null for what no UTF-8 text can hold. An escape is never shorter than the UTF-8 that it stands for. */
static char *write_utf8(char *out, uint32_t code)
{
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return NULL;
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    }
    return out;
}

/* The escape whose backslash is at *at; null when Python would refuse it or when it stands for no text of ours. */
static char *read_escape(const char **at, char *out)
{
    static const char plain[] = "\\'\"abfnrtv", meaning[] = "\\'\"\a\b\f\n\r\t\v";
    char c = (*at)[1];
    int n = 0;
    if (c == '\0')
        return NULL;
    const char *found = strchr(plain, c);
    if (found != NULL) {
        *at += 2;
        *out++ = meaning[found - plain];
        return out;
    }
    if (c == '\n') { /* joined lines */
        *at += 2;
        return out;
    }
    if (c >= '0' && c <= '7') {
        uint32_t code = read_digits(*at + 1, 8, 3, &n);
        *at += 1 + n;
        return write_utf8(out, code);
    }
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0) {
        uint32_t code = read_digits(*at + 2, 16, digits, &n);
        *at += 2 + n;
        return n == digits ? write_utf8(out, code) : NULL;
    }
    if (c == 'N')
        return NULL;
    *at += 1; /* Python keeps the backslash of an escape that it does not know */
    *out++ = '\\';
    return out;
}

/* A quoted item; *at stands on its quote. */
static char *read_quoted(const char **at, char *out)
{
    char quote = *(*at)++;
    while (**at != quote) {
        if (**at == '\0' || **at == '\n' || **at == '\r')
            return NULL;
        if (**at == '\\')
            out = read_escape(at, out);
        else
            *out++ = *(*at)++;
        if (out == NULL)
            return NULL;
    }
    ++*at;
    return out;
}

static char *read_number(const char **at, char *out)
{
    char *start = out;
    while (**at != '\0' && strchr("+-.0123456789eE", **at) != NULL)
        *out++ = *(*at)++;
    *out = '\0';
    double value;
    return cr_number_parse(start, &value) == CR_NUMBER_VALUE ? out : NULL;
}

static cr_status make_room(const char *cell, cr_list *list)
{
    size_t bytes = 2 * strlen(cell) + 2; /* a NUL an item, and an item is at least one byte */
    if (list->text == NULL || bytes > list->text_capacity) {
        free(list->text);
        list->text_capacity = 0;
        list->text = malloc(bytes);
        if (list->text == NULL)
            return cr_fail_memory("a list cell", bytes);
        list->text_capacity = bytes;
    }
    return CR_OK;
}

static cr_status add_item(cr_list *list, char *item, bool is_number)
{
    if (list->n == list->capacity) {
        int64_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        char **items = realloc(list->items, (size_t)capacity * sizeof *items);
        if (items == NULL)
            return cr_fail_memory("items of a list", (size_t)capacity * sizeof *items);
        list->items = items;
        bool *numbers = realloc(list->is_number, (size_t)capacity * sizeof *numbers);
        if (numbers == NULL)
            return cr_fail_memory("items of a list", (size_t)capacity * sizeof *numbers);
        list->is_number = numbers;
        list->capacity = capacity;
    }
    list->items[list->n] = item;
    list->is_number[list->n++] = is_number;
    return CR_OK;
}

cr_status cr_list_parse(const char *cell, cr_list *list, bool *good)
{
    cr_status status = CR_OK;
    *good = false;
    list->n = 0;
    CR_TRY(make_room(cell, list));
    char *out = list->text;
    const char *at = skip_white(cell);
    if (*at != '[')
        goto done;
    at = skip_white(at + 1);
    while (*at != ']') {
        bool quoted = *at == '\'' || *at == '"';
        char *item = out;
        if (list->n == CR_LIST_MAX_ITEMS)
            goto done;
        out = quoted ? read_quoted(&at, out) : read_number(&at, out);
        if (out == NULL)
            goto done;
        *out++ = '\0';
        CR_TRY(add_item(list, item, !quoted));
        at = skip_white(at);
        if (*at == ',')
            at = skip_white(at + 1);
        else if (*at != ']')
            goto done;
    }
    *good = *skip_white(at + 1) == '\0';
done:
    return status;
}
