#include "string_index.h"

#include "crisol/hash.h"

#include <stdlib.h>
#include <string.h>

void cr_string_index_free(cr_string_index *index)
{
    for (int64_t i = 0; i < index->n; i++)
        free(index->texts[i]);
    free(index->texts);
    free(index->slots);
    *index = (cr_string_index){0};
}

/* The slot of `text`, or the free one where it belongs. There is always a free one. */
static int64_t find_slot(const cr_string_index *index, const char *text)
{
    int64_t mask = index->n_slots - 1;
    int64_t slot = (int64_t)(cr_hash64(text, strlen(text)) & (uint64_t)mask);
    while (index->slots[slot] != 0 && strcmp(index->texts[index->slots[slot] - 1], text) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static cr_status grow(cr_string_index *index)
{
    int64_t n_slots = index->n_slots == 0 ? 64 : 2 * index->n_slots;
    size_t bytes = (size_t)n_slots * sizeof *index->slots;
    char **texts = realloc(index->texts, (size_t)n_slots / 2 * sizeof *texts);
    if (texts == NULL)
        return cr_fail_memory("an index of texts", bytes);
    index->texts = texts;
    int64_t *slots = calloc((size_t)n_slots, sizeof *slots);
    if (slots == NULL)
        return cr_fail_memory("an index of texts", bytes);
    free(index->slots);
    index->slots = slots;
    index->n_slots = n_slots;
    for (int64_t i = 0; i < index->n; i++)
        slots[find_slot(index, texts[i])] = i + 1;
    return CR_OK;
}

int64_t cr_string_index_find(const cr_string_index *index, const char *text)
{
    return index->n == 0 ? -1 : index->slots[find_slot(index, text)] - 1;
}

cr_status cr_string_index_add(cr_string_index *index, const char *text, int64_t *number, bool *added)
{
    cr_status status = CR_OK;
    if (index->n >= index->n_slots / 2)
        CR_TRY(grow(index));
    int64_t slot = find_slot(index, text);
    bool is_new = index->slots[slot] == 0;
    if (is_new) {
        char *copy = strdup(text);
        if (copy == NULL) {
            status = cr_fail_memory("an index of texts", strlen(text));
            goto done;
        }
        index->texts[index->n++] = copy;
        index->slots[slot] = index->n;
    }
    *number = index->slots[slot] - 1;
    if (added != NULL)
        *added = is_new;
done:
    return status;
}

int cr_compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}
