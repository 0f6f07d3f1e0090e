#include "number_cell.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static bool is_white(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_white(const char *text)
{
    while (is_white(*text))
        text++;
    return text;
}

bool cr_cell_is_missing(const char *cell)
{
    static const char *const words[] = {"", "NA", "nan", "NaN"};
    cell = skip_white(cell);
    size_t length = strlen(cell);
    while (length > 0 && is_white(cell[length - 1]))
        length--;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == length && memcmp(words[i], cell, length) == 0)
            return true;
    return false;
}

static const char *skip_digits(const char *text)
{
    while (is_digit(*text))
        text++;
    return text;
}

/* The end of the number that starts at `text`, or null. */
static const char *number_end(const char *text)
{
    if (*text == '+' || *text == '-')
        text++;
    const char *whole = text;
    text = skip_digits(text);
    bool digits = text > whole;
    if (*text == '.') {
        const char *fraction = ++text;
        text = skip_digits(text);
        digits = digits || text > fraction;
    }
    if (!digits)
        return NULL;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+' || *text == '-')
            text++;
        if (!is_digit(*text))
            return NULL;
        text = skip_digits(text);
    }
    return text;
}

cr_number_kind cr_number_parse(const char *cell, double *value)
{
    if (cr_cell_is_missing(cell))
        return CR_NUMBER_MISSING;
    cell = skip_white(cell);
    const char *end = number_end(cell);
    if (end == NULL || *skip_white(end) != '\0')
        return CR_NUMBER_BAD;
    pthread_once(&c_locale_once, make_c_locale);
    double number = strtod_l(cell, NULL, c_locale);
    if (!isfinite(number))
        return CR_NUMBER_BAD;
    *value = number;
    return CR_NUMBER_VALUE;
}
