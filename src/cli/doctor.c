/* crisol doctor */
#include "cli.h"
#include "crisol/check.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] = "usage: [mpirun -n RANKS] crisol doctor [FOLDER] [--json]\n"
                            "\n"
                            "Says what this machine has and tries whether it works, in a few seconds: processor, "
                            "cores, memory, a training step on\n"
                            "each backend against stored numbers, GPUs and their libraries, network, Slurm, and in "
                            "FOLDER (default: the current\n"
                            "one), where runs are to be written, room, write + fsync + rename, HDF5 and its locks; at "
                            "last two ranks that add up.\n"
                            "Under mpirun or srun it tries those ranks instead, and whether they see the same FOLDER. "
                            "Each line says what to do\n"
                            "where something is not well. Exit code 70 when a check failed.\n"
                            "\n"
                            "  --json    the same as JSON\n"
                            "  --help    this text\n";

int cli_doctor(int argc, char **argv)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                          {"ranks", no_argument, NULL, 'r'}, /* of ranks that a doctor started */
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    cr_doctor_options options = {.folder = "."};
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return CR_OK;
        }
        if (option == 'j')
            options.json = true;
        else if (option == 'r')
            options.only_ranks = true;
        else
            return cli_usage_error("doctor", "see above");
    }
    if (argc - optind > 1)
        return cli_usage_error("doctor", "one FOLDER at most");
    if (optind < argc)
        options.folder = argv[optind];
    cr_comm *comm = NULL;
    cr_status status = CR_OK;
    CR_TRY(cli_open_world(true, &comm));
    cr_comm_set_patience(comm, 120, cli_rank_lost); /* the others wait while the first one looks around */
    CR_TRY(cr_doctor_run(comm, &options));
done:;
    int code = cli_report(comm, status);
    cr_comm_close(&comm);
    return code;
}
