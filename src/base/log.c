#include "crisol/log.h"

#include "crisol/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 4096
};
static const double plain_progress_interval_s = 10;

/* One speaker a process: threads take turns, so that no line is cut by another. */
static struct {
    pthread_mutex_t lock;
    int rank, size;
    bool quiet;
    bool shown; /* a progress line stands on the terminal */
    bool printed_plain;
    double last_plain_s;
} speaker = {.lock = PTHREAD_MUTEX_INITIALIZER, .size = 1};

void cr_log_set_rank(int rank, int size)
{
    pthread_mutex_lock(&speaker.lock);
    speaker.rank = rank;
    speaker.size = size;
    pthread_mutex_unlock(&speaker.lock);
}

void cr_log_set_quiet(bool quiet)
{
    pthread_mutex_lock(&speaker.lock);
    speaker.quiet = quiet;
    pthread_mutex_unlock(&speaker.lock);
}

/* The whole line in one write, so that lines of several ranks on one terminal or file stay whole. */
static void put(const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, stderr);
    fflush(stderr);
}

/* Needs the lock. */
static void say(const char *kind, const char *format, va_list arguments)
{
    char line[LINE_MAX_BYTES];
    const size_t room = sizeof line - 1; /* for the newline */
    size_t used = 0;
    if (speaker.shown)
        used = (size_t)snprintf(line, room, "\r\033[K");
    speaker.shown = false;
    if (speaker.rank != 0)
        used += (size_t)snprintf(line + used, room - used, "rank %d: ", speaker.rank);
    used += (size_t)snprintf(line + used, room - used, "%s", kind);
    int wanted = vsnprintf(line + used, room - used, format, arguments);
    size_t end = used + (wanted > 0 ? (size_t)wanted : 0);
    if (end > room - 1)
        end = room - 1;
    line[end] = '\n';
    put(line, end + 1);
}

void cr_log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&speaker.lock);
    if (speaker.rank == 0 && !speaker.quiet)
        say("", format, arguments);
    pthread_mutex_unlock(&speaker.lock);
    va_end(arguments);
}

void cr_log_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&speaker.lock);
    say("warning: ", format, arguments);
    pthread_mutex_unlock(&speaker.lock);
    va_end(arguments);
}

void cr_log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&speaker.lock);
    say("error: ", format, arguments);
    pthread_mutex_unlock(&speaker.lock);
    va_end(arguments);
}

/* Cuts UTF-8 text after `columns` characters: a line that wraps could not be replaced by the next one. */
static void cut_to_columns(char *text, int columns)
{
    int n = 0;
    for (char *at = text; *at; at++) {
        bool starts_character = ((unsigned char)*at & 0xC0) != 0x80;
        if (starts_character && n++ == columns) {
            *at = 0;
            return;
        }
    }
}

static void show_on_terminal(bool last, char *text)
{
    struct winsize window;
    if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &window) && window.ws_col > 1)
        cut_to_columns(text, window.ws_col - 1);
    char line[LINE_MAX_BYTES + 16];
    int bytes = snprintf(line, sizeof line, "\r%s\033[K%s", text, last ? "\n" : "");
    put(line, (size_t)bytes);
    speaker.shown = !last;
}

static void show_plain(bool last, const char *text)
{
    double now = cr_clock_s();
    if (!last && speaker.printed_plain && now - speaker.last_plain_s < plain_progress_interval_s)
        return;
    char line[LINE_MAX_BYTES + 2];
    int bytes = snprintf(line, sizeof line, "%s\n", text);
    put(line, (size_t)bytes);
    speaker.printed_plain = true;
    speaker.last_plain_s = now;
}

void cr_log_progress(bool last, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&speaker.lock);
    if (speaker.rank == 0 && !speaker.quiet) {
        if (isatty(STDERR_FILENO))
            show_on_terminal(last, text);
        else
            show_plain(last, text);
    }
    pthread_mutex_unlock(&speaker.lock);
}
