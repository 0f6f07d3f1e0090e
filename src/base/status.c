#include "crisol/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char error_message[CR_ERROR_MAX];

static bool is_control(char character)
{
    return (unsigned char)character < ' ' || character == 0x7f;
}

bool cr_is_plain(const char *text)
{
    while (*text && !is_control(*text))
        text++;
    return !*text;
}

/* Messages quote files and words of others. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if (is_control(*text))
            *text = *text == '\n' || *text == '\t' ? ' ' : '?';
}

cr_status cr_fail(cr_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    /* through a second buffer: an argument may be the current message itself */
    char text[CR_ERROR_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    make_plain(text);
    memcpy(error_message, text, sizeof error_message);
    return status;
}

cr_status cr_fail_errno(const char *format, ...)
{
    int error = errno;
    char text[CR_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cr_status status = CR_IO;
    if (error == ENOENT || error == ENOTDIR)
        status = CR_MISSING;
    else if (error == EACCES || error == EPERM || error == EROFS)
        status = CR_PERMISSION;
    else if (error == ENOMEM)
        status = CR_INTERNAL;
    return cr_fail(status, "%s: %s", text, strerror(error));
}

cr_status cr_fail_context(cr_status status, const char *format, ...)
{
    char text[CR_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return cr_fail(status, "%s: %s", text, error_message);
}

cr_status cr_fail_memory(const char *what, size_t bytes)
{
    return cr_fail(CR_INTERNAL, "out of memory: %zu bytes for %s", bytes, what);
}

const char *cr_error_message(void)
{
    return error_message;
}

const char *cr_status_text(cr_status status)
{
    switch (status) {
#define CR_STATUS_CASE(name, value, text)                                                                              \
    case name:                                                                                                         \
        return text;
        CR_STATUS_LIST(CR_STATUS_CASE)
#undef CR_STATUS_CASE
    }
    return "unknown status";
}
