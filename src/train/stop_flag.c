#include "stop_flag.h"
#include "crisol/train.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number)
{
    (void)signal_number;
    stop_requested = 1;
}

void cr_stop_flag_install(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

bool cr_stop_flag_is_set(void)
{
    return stop_requested != 0;
}

bool cr_train_is_stopped(void)
{
    cr_stop_flag_install();
    return cr_stop_flag_is_set();
}
