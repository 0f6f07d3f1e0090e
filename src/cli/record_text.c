#include "crisol/record.h"
#include "run_text.h"

#include <jansson.h>
#include <stdio.h>

cr_status cli_print_record(const char *path)
{
    json_t *record = NULL;
    cr_status status = cr_record_read(path, &record);
    if (status == CR_OK && (json_dumpf(record, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) || puts("") < 0))
        status = cr_fail(CR_IO, "%s: the record cannot be printed", path);
    json_decref(record);
    return status;
}
