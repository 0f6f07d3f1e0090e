/* The state of every trial after the lines of a ledger, one by one. */
#ifndef CRISOL_LEDGER_FOLD_H
#define CRISOL_LEDGER_FOLD_H

#include "ledger.h"

enum {
    CR_SESSION_BYTES = 33
};

typedef struct cr_fold { /* all zero at first */
    cr_record **records; /* [n_records] in the order of their first line, owned */
    int64_t n_records, n_room;
    void *by_id; /* tree of them */
    char stopped_session[CR_SESSION_BYTES];
} cr_fold;

/* Errors: memory alone; what an event lacks or has too much is no fact. */
CR_NODISCARD cr_status cr_fold_add(cr_fold *fold, const struct json_t *event);
const cr_record *cr_fold_find(const cr_fold *fold, const char *id);
void cr_fold_clear(cr_fold *fold);

#endif
