/* A run from its record, once more. */
#include "repeat.h"

#include "crisol/log.h"
#include "crisol/train.h"

cr_status cr_repeat(cr_comm *comm, const cr_repeat_options *options)
{
    cr_repeat_source source;
    cr_status status = cr_comm_agree(comm, cr_repeat_open(options, &source));
    if (status != CR_OK)
        return status;
    cr_comm_set_patience(comm, source.config->train.watchdog, options->lost);
    cr_train_options training = {.config = source.config,
                                 .output = options->output,
                                 .command = options->command,
                                 .resume = CR_RESUME_NEVER,
                                 .repeats = options->run};
    status = cr_train(comm, &training);
    if (status == CR_STOPPED) { /* after the last epoch that was recorded, or because somebody asked */
        if (!cr_train_is_stopped())
            cr_log_info("%s: %s", options->output, cr_error_message());
        status =
            cr_comm_agree(comm, cr_train_is_stopped() ? cr_fail(CR_STOPPED,
                                                                "%s: stopped by a signal before it could be compared; "
                                                                "repeat the run again, with another --output",
                                                                options->output)
                                                      : CR_OK);
    }
    if (status == CR_OK)
        status = cr_comm_agree(comm, cr_comm_rank(comm) == 0 ? cr_repeat_judge(options, &source) : CR_OK);
    cr_repeat_close(&source);
    return status;
}
