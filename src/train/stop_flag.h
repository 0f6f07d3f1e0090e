/* Stop requests: a signal handler only sets a flag. */
#ifndef CRISOL_STOP_FLAG_H
#define CRISOL_STOP_FLAG_H

#include <stdbool.h>

/* SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 set the flag from now on; a second signal does no more than the first. */
void cr_stop_flag_install(void);
bool cr_stop_flag_is_set(void);

#endif
