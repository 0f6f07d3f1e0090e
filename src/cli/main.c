/* crisol: finds the subcommand and leaves with its exit code. */
#include "cli.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {"synth", "make a small data set to try everything with", cli_synth},
    {"pack", "table and images → split, preprocessed, checksummed shards", cli_pack},
    {"inspect", "what is in a pack or a run directory", cli_inspect},
    {"verify", "re-read every byte of a pack or of a run's checkpoints", cli_verify},
    {"config", "every training option with default, type and meaning", cli_config},
    {"train", "train a model on a pack, on one rank or many", cli_train},
    {"sweep", "train many variants of a config, shared out over groups of ranks or jobs", cli_sweep},
    {"eval", "evaluate a run's checkpoint on a split", cli_eval},
    {"doctor", "what this machine has, and whether it works", cli_doctor},
    {"bench", "how fast: steps, evaluation, reading, reduction, scaling over ranks", cli_bench},
    {"repeat", "train again from a run's record and compare", cli_repeat},
    {"import", "how a file of pretrained weights fits", cli_import},
    {"export", "a run's model as safetensors for PyTorch", cli_export},
};
enum {
    N_COMMANDS = sizeof commands / sizeof *commands
};

static void print_usage(FILE *out)
{
    fputs("usage: crisol COMMAND [ARGUMENT …]\n"
          "\n"
          "Trains classifiers of an image together with a row of a table, on one machine or a cluster.\n"
          "\n",
          out);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'crisol COMMAND --help' tells about a command, 'crisol --version' about this program and its libraries.\n"
          "Exit codes: 0 done, 64 usage, 65 bad data, 66 missing input, 70 internal error or rank lost, 74 "
          "input/output,\n"
          "75 stopped with a verified checkpoint (run the same command again), 76 non-finite numbers, 77 permission,\n"
          "78 bad configuration.\n",
          out);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return CR_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_usage(stdout);
        return CR_OK;
    }
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        cli_print_version();
        return CR_OK;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(name, commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "crisol: there is no command '%s'\n\n", name);
    print_usage(stderr);
    return CR_USAGE;
}

/* A pack's shards are all open at once, and the usual soft limit of 1,024 files is there for select(), which nobody
 * calls here. */
static void allow_open_files(void)
{
    const rlim_t enough = 1 << 18;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= enough)
        return;
    limit.rlim_cur = limit.rlim_max < enough ? limit.rlim_max : enough;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* A closed standard stream would be the next file that is opened, and messages would go into a shard. */
static void open_standard_streams(void)
{
    int descriptor;
    do
        descriptor = open("/dev/null", O_RDWR);
    while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor >= 0)
        close(descriptor);
}

/* `crisol config | head`: whoever reads has seen enough. */
static bool reader_has_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

int main(int argc, char **argv)
{
    open_standard_streams();
    /* a file-size limit or a closed pipe is an error of the call, with its message, not a death */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    allow_open_files();
    int code = run(argc, argv);
    /* what was printed is a command's result, too */
    if ((fflush(stdout) || ferror(stdout)) && code == CR_OK && !reader_has_left())
        code = cli_report(NULL, cr_fail(CR_IO, "cannot print: standard output is full or cannot be written to"));
    return code;
}
