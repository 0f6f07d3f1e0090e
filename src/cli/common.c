#include "cli.h"
#include "crisol/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cr_status cli_open_world(bool quiet, cr_comm **comm)
{
    cr_status status = cr_comm_open_world(comm);
    if (status == CR_OK)
        cr_log_set_rank(cr_comm_rank(*comm), cr_comm_size(*comm));
    cr_log_set_quiet(quiet);
    return status;
}

int cli_report(const cr_comm *comm, cr_status status)
{
    if (status == CR_STOPPED)
        cr_log_info("%s", cr_error_message());
    else if (status != CR_OK && (!comm || cr_comm_rank(comm) == 0))
        cr_log_error("%s (exit code %d: %s)", cr_error_message(), (int)status, cr_status_text(status));
    return (int)status;
}

void cli_rank_lost(cr_comm *comm, const char *message)
{
    cr_log_error("%s (exit code %d: %s)", message, CR_INTERNAL, cr_status_text(CR_INTERNAL));
    cr_comm_abort(comm, CR_INTERNAL);
}

int cli_usage_error(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "crisol %s: ", command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "; 'crisol %s --help' tells more\n", command);
    va_end(arguments);
    return CR_USAGE;
}

static void print_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+@%-";
    if (*word && strspn(word, plain) == strlen(word)) {
        fprintf(out, " %s", word);
        return;
    }
    fputs(" '", out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

char *cli_join(int argc, char **argv)
{
    char *line = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&line, &bytes);
    if (!out)
        return NULL;
    fputs("crisol", out);
    for (int i = 0; i < argc; i++)
        print_word(out, argv[i]);
    if (fclose(out)) {
        free(line);
        return NULL;
    }
    return line;
}
