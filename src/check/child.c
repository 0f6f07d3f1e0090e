#include "doctor.h"

#include "crisol/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Until the end of the file, or of the time: true for the former. */
static bool read_all(int descriptor, double seconds, char *text, size_t bytes)
{
    char rest[4096];
    size_t used = 0;
    double end = cr_clock_s() + seconds;
    text[0] = 0;
    for (;;) {
        double left = end - cr_clock_s();
        struct pollfd wait = {.fd = descriptor, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)(left * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        bool has_room = used + 1 < bytes;
        ssize_t got = read(descriptor, has_room ? text + used : rest, has_room ? bytes - 1 - used : sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        used += has_room ? (size_t)got : 0;
        text[used] = 0;
    }
}

/* A group of its own, so that what the program starts can be ended with it. */
static int start(char *const arguments[], int out, int other_end, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, other_end);
    posix_spawn_file_actions_addclose(&actions, out);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(child, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

bool cr_child_run(char *const arguments[], double seconds, char *text, size_t bytes, bool *found)
{
    int ends[2], state = 1;
    pid_t child;
    text[0] = 0;
    *found = false;
    if (pipe(ends))
        return false;
    int error = start(arguments, ends[1], ends[0], &child);
    close(ends[1]);
    bool in_time = false;
    if (!error) {
        in_time = read_all(ends[0], seconds, text, bytes);
        if (!in_time)
            kill(-child, SIGKILL);
        while (waitpid(child, &state, 0) < 0 && errno == EINTR)
            continue;
    }
    close(ends[0]);
    *found = !error && !(WIFEXITED(state) && WEXITSTATUS(state) == 127);
    return !error && in_time && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}
