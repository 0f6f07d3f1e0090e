/* Status codes and error messages.
 *
 * Every fallible function returns a cr_status and gives its result by out pointer. A failing function describes the
 * failure once, where it is known best, with cr_fail(); callers only relay the code with CR_TRY(). The message is kept
 * per thread, so a worker's message must be carried to the thread that reports it (cr_error_message() is a copyable
 * string). A status is also the process's exit code (sysexits.h, except 76).
 */
#ifndef CRISOL_STATUS_H
#define CRISOL_STATUS_H

#include <stdbool.h>
#include <stddef.h>

/* One list for code, value and text, so that they cannot part. */
#define CR_STATUS_LIST(X)                                                                                              \
    X(CR_OK, 0, "done")                                                                                                \
    X(CR_USAGE, 64, "wrong usage")                                                                                     \
    X(CR_BAD_DATA, 65, "bad data")                                                                                     \
    X(CR_MISSING, 66, "missing input")                                                                                 \
    X(CR_INTERNAL, 70, "internal error or rank lost")                                                                  \
    X(CR_IO, 74, "input/output error")                                                                                 \
    X(CR_STOPPED, 75, "stopped with a verified checkpoint, requeue me")                                                \
    X(CR_NON_FINITE, 76, "non-finite number")                                                                          \
    X(CR_PERMISSION, 77, "permission denied")                                                                          \
    X(CR_BAD_CONFIG, 78, "bad configuration")

typedef enum cr_status {
#define CR_STATUS_ENUM(name, value, text) name = (value),
    CR_STATUS_LIST(CR_STATUS_ENUM)
#undef CR_STATUS_ENUM
} cr_status;

#define CR_NODISCARD __attribute__((warn_unused_result))
#define CR_PRINTF(text, first) __attribute__((format(printf, text, first)))

enum {
    CR_ERROR_MAX = 1024
}; /* bytes of a message with its final NUL; longer ones are cut */

/* Relays a failure to the function's one `done:` label. Needs a local `cr_status status`. */
#define CR_TRY(call)                                                                                                   \
    do {                                                                                                               \
        status = (call);                                                                                               \
        if (status != CR_OK)                                                                                           \
            goto done;                                                                                                 \
    } while (0)

/* Records the message of this thread's latest failure and returns `status`, for `return cr_fail(CR_IO, …)`.
 * The text is one line: what, where (file:line or shard and sample), what to do. Control characters in it (of a word
 * that it quotes) become blanks or question marks. Local. */
cr_status cr_fail(cr_status status, const char *format, ...) CR_PRINTF(2, 3);

/* As cr_fail(), with errno's text appended, the code chosen from errno: ENOENT → CR_MISSING, EACCES/EPERM/EROFS →
 * CR_PERMISSION, ENOMEM → CR_INTERNAL, otherwise CR_IO. */
cr_status cr_fail_errno(const char *format, ...) CR_PRINTF(1, 2);

/* Puts `prefix: ` in front of the current message (context that only the caller knows) and returns `status`. */
cr_status cr_fail_context(cr_status status, const char *format, ...) CR_PRINTF(2, 3);

/* Out of memory while making room for `bytes` bytes of `what`; returns CR_INTERNAL. */
cr_status cr_fail_memory(const char *what, size_t bytes);

/* This thread's latest message, never null, valid until the thread's next failure. */
const char *cr_error_message(void);

/* Whether a text holds no control characters: those of somebody else's file would forge lines of a log, and a terminal
 * obeys them. */
bool cr_is_plain(const char *text);

/* Text of a code ("bad data"), never null. */
const char *cr_status_text(cr_status status);

#endif
