/* The parts of `crisol doctor`: each looks at one side of the machine and says a line for everything that it finds. */
#ifndef CRISOL_CHECK_DOCTOR_H
#define CRISOL_CHECK_DOCTOR_H

#include "crisol/backend.h"
#include "crisol/check.h"

#include <stddef.h>

struct json_t;

typedef enum cr_health {
    CR_HEALTH_OK,
    CR_HEALTH_WARNING, /* it works, but not as well as it could */
    CR_HEALTH_ABSENT,  /* not there, and not needed */
    CR_HEALTH_FAILED
} cr_health;

typedef struct cr_doctor {
    cr_comm *comm;
    const char *folder;      /* where runs are to be written */
    bool speaks;             /* rank 0, and lines are wanted */
    struct json_t *findings; /* array of {"what", "state", "text", "remedy"} */
    int n_failed;
    char first[CR_ERROR_MAX]; /* failure */
} cr_doctor;

/* Notes and prints one line. `remedy` may be null. */
void cr_doctor_say(cr_doctor *doctor, const char *what, cr_health health, const char *remedy, const char *format, ...)
    CR_PRINTF(5, 6);

/* On rank 0 alone. */
void cr_doctor_machine(cr_doctor *doctor);  /* processor, cores, memory, settings */
void cr_doctor_backends(cr_doctor *doctor); /* a training step on each, against stored numbers */
void cr_doctor_gpus(cr_doctor *doctor);
void cr_doctor_network(cr_doctor *doctor);
void cr_doctor_slurm(cr_doctor *doctor);
void cr_doctor_disk(cr_doctor *doctor);
/* Starts two ranks by mpirun, which run cr_doctor_sum(). */
void cr_doctor_launch(cr_doctor *doctor);
/* Of all ranks: a sum in fixed order, compared with what it must be. Collective. */
CR_NODISCARD cr_status cr_doctor_sum(cr_doctor *doctor);
/* Of all ranks: they see the same folder. Collective. */
CR_NODISCARD cr_status cr_doctor_share(cr_doctor *doctor);

/* Removes a run directory that a check made. */
void cr_doctor_remove_run(const char *folder);

/* What a step of a small network comes to. */
typedef struct cr_doctor_numbers {
    double loss;
    double norm;       /* of the gradient */
    double projection; /* Σ ±gradient, signs by a fixed pattern */
} cr_doctor_numbers;
CR_NODISCARD cr_status cr_doctor_step(cr_backend *backend, cr_precision precision, cr_doctor_numbers *numbers);
/* Of the reference backend of tests/backend/suite, in double. */
extern const cr_doctor_numbers cr_doctor_expected;

/* Runs a program without a shell, for at most `seconds`, and returns what it printed on standard output. True when it
 * ended by itself with exit code 0; *found: it exists at all. */
bool cr_child_run(char *const arguments[], double seconds, char *text, size_t bytes, bool *found);

#endif
