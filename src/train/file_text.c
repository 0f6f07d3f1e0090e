#include "file_text.h"

#include "crisol/atomic_file.h"

#include <stdlib.h>
#include <string.h>

cr_status cr_file_text_open(cr_file_text *text)
{
    memset(text, 0, sizeof *text);
    text->stream = open_memstream(&text->data, &text->bytes);
    return text->stream ? CR_OK : cr_fail_memory("a file's text", 1);
}

cr_status cr_file_text_save(cr_file_text *text, const char *folder, const char *name)
{
    char *path = cr_path_join(folder, name);
    cr_status status = CR_OK;
    if (fclose(text->stream) || !path)
        status = cr_fail_memory("a file's text", text->bytes);
    if (status == CR_OK)
        status = cr_atomic_file_save(path, text->data, text->bytes);
    free(path);
    free(text->data);
    memset(text, 0, sizeof *text);
    return status;
}

void cr_file_text_cell(FILE *out, const char *cell)
{
    if (!strpbrk(cell, ",\"\r\n")) {
        fputs(cell, out);
        return;
    }
    putc('"', out);
    for (; *cell; cell++) {
        if (*cell == '"')
            putc('"', out);
        putc(*cell, out);
    }
    putc('"', out);
}
