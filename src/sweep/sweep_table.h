/* sweep.csv, and what the sweep as a whole came to. */
#ifndef CRISOL_SWEEP_TABLE_H
#define CRISOL_SWEEP_TABLE_H

#include "ledger.h"
#include "plan.h"

/* Writes folder/sweep.csv: a row a trial of the plan, in its order. */
CR_NODISCARD cr_status cr_sweep_table_write(const cr_sweep *sweep, const cr_ledger *ledger, const char *folder);
/* CR_OK, or the status of the first trial that failed, with how many did. */
CR_NODISCARD cr_status cr_sweep_table_judge(const cr_sweep *sweep, const cr_ledger *ledger);

#endif
