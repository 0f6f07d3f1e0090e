#include "deadline.h"

#include "crisol/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const double patience_s = 5;

bool cr_deadline_parse_left(const char *text, double *seconds)
{
    double value = 0, days = 0;
    int n_parts = 0;
    while (isspace((unsigned char)*text))
        text++;
    for (;;) {
        char *end;
        if (!isdigit((unsigned char)*text))
            return false;
        double part = (double)strtoul(text, &end, 10);
        if (*end == '-' && n_parts == 0 && days == 0) {
            days = part;
            text = end + 1;
            continue;
        }
        value = 60 * value + part;
        n_parts++;
        text = end;
        if (*text != ':')
            break;
        text++;
    }
    while (isspace((unsigned char)*text))
        text++;
    if (*text || n_parts > 3)
        return false;
    *seconds = days * 86400 + value;
    return true;
}

/* What the process prints, until it ends or time is up. */
static void read_answer(int descriptor, char *text, size_t bytes)
{
    size_t used = 0;
    double start = cr_clock_s();
    while (used + 1 < bytes && !memchr(text, '\n', used)) {
        double left_s = patience_s - (cr_clock_s() - start);
        struct pollfd wait = {.fd = descriptor, .events = POLLIN};
        int ready = left_s > 0 ? poll(&wait, 1, (int)(left_s * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got = ready > 0 ? read(descriptor, text + used, bytes - 1 - used) : 0;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    text[used] = 0;
}

/* squeue -h -j JOB -o %L, without a shell. */
static bool ask_squeue(const char *job, double *seconds)
{
    char *arguments[] = {"squeue", "-h", "-j", (char *)job, "-o", "%L", NULL};
    char text[64] = "";
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe(ends))
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!error) {
        read_answer(ends[0], text, sizeof text);
        kill(child, SIGKILL); /* it has answered, or will not */
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close(ends[0]);
    return !error && cr_deadline_parse_left(text, seconds);
}

double cr_deadline_slurm_left_s(const char **source)
{
    const char *job = getenv("SLURM_JOB_ID"), *end_time = getenv("SLURM_JOB_END_TIME");
    char *end;
    double seconds;
    *source = "";
    if (!job || !*job || strspn(job, "0123456789_") != strlen(job))
        return INFINITY;
    if (end_time && *end_time) {
        long long at = strtoll(end_time, &end, 10);
        *source = "SLURM_JOB_END_TIME";
        if (!*end && at > 0)
            return (double)(at - (long long)time(NULL));
    }
    *source = "squeue";
    return ask_squeue(job, &seconds) ? seconds : INFINITY;
}
