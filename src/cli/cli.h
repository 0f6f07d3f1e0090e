/* Subcommands: each takes its own arguments (argv[0] is the subcommand's name) and returns the process's exit code. */
#ifndef CRISOL_CLI_H
#define CRISOL_CLI_H

int cli_pack(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_synth(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_train(int argc, char **argv);
int cli_eval(int argc, char **argv);

#endif
