/* Safetensors files: once the bytes as they are; once taken as header and data behind a length that fits the header
 * (everything up to the last brace), because hardly any mutation keeps that length right. */
#include "fuzz_input.h"

#include "safetensors_file.h"

#include <stdlib.h>
#include <string.h>

static void check_tensors(const cr_safetensors *file)
{
    const char *start = file->map;
    size_t covered = 0;
    fuzz_demand(!cr_safetensors_at(file, -1) && !cr_safetensors_at(file, file->n_tensors), "a tensor beyond the last");
    for (int64_t i = 0; i < cr_safetensors_count(file); i++) {
        const cr_tensor_view *tensor = cr_safetensors_at(file, i);
        const char *data = tensor->data;
        size_t bytes = 0;
        fuzz_demand(cr_tensor_bytes(tensor, &bytes) && bytes == tensor->bytes, "a shape is not as large as its data");
        fuzz_demand(data >= start + CR_SAFETENSORS_PREFIX && data <= start + file->map_bytes &&
                        tensor->bytes <= (size_t)(start + file->map_bytes - data),
                    "a tensor lies outside the file");
        fuzz_touch(data, bytes);
        fuzz_demand(cr_safetensors_find(file, tensor->name) == tensor, "two tensors have one name");
        covered += bytes;
    }
    fuzz_demand(covered + CR_SAFETENSORS_PREFIX <= file->map_bytes, "tensors overlap");
}

static void try_file(const void *data, size_t bytes)
{
    cr_safetensors *file = NULL;
    cr_status status = cr_safetensors_open(fuzz_memory_file(data, bytes), &file);
    fuzz_check_refusal(status);
    fuzz_demand((status == CR_OK) == (file != NULL), "status and file disagree");
    if (status != CR_OK)
        return;
    check_tensors(file);
    cr_safetensors_close(&file);
    fuzz_accepted = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t header = bytes;
    while (header > 0 && data[header - 1] != '}')
        header--;
    try_file(data, bytes);
    uint8_t *text = malloc(CR_SAFETENSORS_PREFIX + bytes + 1);
    fuzz_demand(text, "out of memory");
    for (int i = 0; i < CR_SAFETENSORS_PREFIX; i++)
        text[i] = (uint8_t)((uint64_t)header >> 8 * i);
    if (bytes)
        memcpy(text + CR_SAFETENSORS_PREFIX, data, bytes);
    try_file(text, CR_SAFETENSORS_PREFIX + bytes);
    free(text);
    return 0;
}
