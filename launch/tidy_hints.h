/* What clang's analyzer cannot see, because it looks at one file at a time: the functions of crisol/status.h that
 * report a failure never return CR_OK. launch/tidy.sh includes this in front of each file but status.c. */
#ifndef CRISOL_TIDY_HINTS_H
#define CRISOL_TIDY_HINTS_H

#include "crisol/status.h"

#define cr_fail(status, ...) ((void)cr_fail((status), __VA_ARGS__), (status))
#define cr_fail_context(status, ...) ((void)cr_fail_context((status), __VA_ARGS__), (status))
#define cr_fail_errno(...) ((void)cr_fail_errno(__VA_ARGS__), CR_IO)
#define cr_fail_memory(what, bytes) ((void)cr_fail_memory((what), (bytes)), CR_INTERNAL)

#endif
