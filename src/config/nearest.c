/* The word that was meant. */
#include "crisol/yaml.h"

#include <string.h>

enum {
    MAX_LENGTH = 63
};

static int smallest(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, changes and swaps of neighbours (Damerau 1964). */
static int distance(const char *a, int length_a, const char *b, int length_b)
{
    int rows[3][MAX_LENGTH + 1];
    for (int j = 0; j <= length_b; j++)
        rows[0][j] = j;
    for (int i = 1; i <= length_a; i++) {
        int *now = rows[i % 3];
        const int *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= length_b; j++) {
            now[j] = smallest(before[j], now[j - 1]) + 1;
            now[j] = smallest(now[j], before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smallest(now[j], two_before[j - 2] + 1);
        }
    }
    return rows[length_a % 3][length_b];
}

const char *cr_yaml_nearest(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    int least = MAX_LENGTH + 1;
    size_t length = strlen(word);
    if (length > MAX_LENGTH)
        return NULL;
    for (; *words; words++) {
        size_t other = strlen(*words);
        if (other > MAX_LENGTH)
            continue;
        int apart = distance(word, (int)length, *words, (int)other);
        if (apart < least && 3 * (size_t)apart <= (length > other ? length : other)) {
            least = apart;
            nearest = *words;
        }
    }
    return nearest;
}
