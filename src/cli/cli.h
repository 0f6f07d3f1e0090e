/* Subcommands: each takes its own arguments (argv[0] is the subcommand's name) and returns the process's exit code. */
#ifndef CRISOL_CLI_H
#define CRISOL_CLI_H

#include "crisol/comm.h"
#include "crisol/status.h"

#include <stdbool.h>

int cli_pack(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_synth(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_train(int argc, char **argv);
int cli_sweep(int argc, char **argv);
int cli_eval(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_repeat(int argc, char **argv);
int cli_import(int argc, char **argv);
int cli_export(int argc, char **argv);

/* All ranks of the job; messages then come from rank 0, information only unless `quiet`. Collective. */
CR_NODISCARD cr_status cli_open_world(bool quiet, cr_comm **comm);
/* Prints a failure's one line (on rank 0, where `comm` is not null: errors are agreed) and returns the exit code. */
int cli_report(const cr_comm *comm, cr_status status);
/* A cr_comm_lost: prints the line and ends all ranks with CR_INTERNAL. */
void cli_rank_lost(cr_comm *comm, const char *message);
/* Says what is wrong with the arguments and where help is; returns CR_USAGE. */
int cli_usage_error(const char *command, const char *format, ...) CR_PRINTF(2, 3);
/* "crisol" and the arguments as a POSIX shell reads them back, for records; malloc'ed, null when out of memory. */
char *cli_join(int argc, char **argv);
/* Versions of Crisol and of every library that it runs on. */
void cli_print_version(void);

#endif
