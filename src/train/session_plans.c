#include "session_plans.h"

#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/log.h"
#include "crisol/run.h"
#include "plans_file.h"
#include "team.h"

#include <stdlib.h>
#include <string.h>

/* Alike on every rank: all have GPUs, or none has. */
static bool has_choice(const cr_session *session)
{
    return session->config->cuda.plans == CR_PLANS_MEASURED && cr_backend_plan_target(session->backend);
}

/* Times of one kind of GPU say nothing about another, and one table cannot name engines of two libraries. */
static cr_status check_targets(const cr_session *session)
{
    cr_status status = CR_OK;
    int n = cr_comm_size(session->comm);
    cr_plan_target *all = calloc((size_t)n, sizeof *all);
    CR_TRY(cr_comm_agree(session->comm, all ? CR_OK : cr_fail_memory("the ranks' GPUs", sizeof *all)));
    CR_TRY(cr_comm_allgather(session->comm, cr_backend_plan_target(session->backend), sizeof *all, all));
    for (int r = 1; r < n && status == CR_OK; r++)
        // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): all ranks have agreed that there is one
        if (strcmp(all[r].device, all[0].device) != 0 || strcmp(all[r].library, all[0].library) != 0)
            status = cr_fail(CR_BAD_CONFIG,
                             "cuda.plans: measure needs one kind of GPU: rank %d has %s with %s, rank 0 %s with %s; "
                             "set rule",
                             r, all[r].device, all[r].library, all[0].device, all[0].library);
done:
    free(all);
    return status;
}

/* *found: whether there is such a file. */
static cr_status load(cr_session *session, const char *path, bool is_used, bool *found)
{
    cr_status status = cr_plans_load(path, is_used, &session->plans);
    *found = status != CR_MISSING;
    return *found ? status : CR_OK;
}

/* Where engines stood once, they should stand still. */
static cr_status load_of_run(cr_session *session, const char *run, bool is_own)
{
    cr_status status = CR_OK;
    cr_checkpoint_info *list = NULL;
    int64_t n = 0;
    bool found;
    char *path = cr_path_join(run, CR_PLANS_FILE);
    CR_TRY(path ? CR_OK : cr_fail_memory("a path", 1));
    CR_TRY(load(session, path, is_own, &found));
    if (!found && is_own)
        CR_TRY(cr_checkpoint_list(run, &list, &n, NULL));
    if (!found && (n > 0 || !is_own))
        cr_log_warning("%s: is not there; engines are measured anew, so the weights' bits may be others", path);
done:
    free(list);
    free(path);
    return status;
}

static cr_status load_all(cr_session *session, const char *run, const char *repeated)
{
    cr_status status = CR_OK;
    bool found;
    const char *shared = session->config->cuda.plans_file;
    if (run)
        CR_TRY(load_of_run(session, run, true));
    if (repeated)
        CR_TRY(load_of_run(session, repeated, false));
    if (shared[0])
        CR_TRY(load(session, shared, false, &found));
done:
    return status;
}

/* A program that is made while the backend measures leaves its choices in the table. */
static cr_status try_program(cr_session *session, bool training, int frozen_layers)
{
    cr_program *program = NULL;
    cr_program_params params = cr_team_params(session, training, frozen_layers);
    cr_status status = cr_program_create(session->backend, session->net, &params, &program);
    cr_program_destroy(&program);
    return status;
}

static int64_t count_used(const cr_plans *plans)
{
    int64_t n = 0;
    for (int64_t i = 0; i < plans->n; i++)
        n += plans->items[i].is_used;
    return n;
}

static void say_gain(const cr_session *session, int64_t first, double seconds)
{
    const cr_plans *plans = &session->plans;
    double chosen = 0, by_rule = 0;
    for (int64_t i = first; i < plans->n; i++) {
        chosen += plans->items[i].microseconds;
        by_rule += plans->items[i].by_rule_us;
    }
    cr_log_info("measured the engines of %lld convolutions in %.1f s: together %.0f us, %.0f us by the fixed rule",
                (long long)(plans->n - first), seconds, chosen, by_rule);
}

static cr_status save_of_run(const cr_session *session, const char *run)
{
    char *path = cr_path_join(run, CR_PLANS_FILE);
    cr_status status = path ? cr_plans_save(path, &session->plans, true) : cr_fail_memory("a path", 1);
    free(path);
    return status;
}

/* The file that others start from may be for reading only. */
static void save_shared(const cr_session *session)
{
    const char *path = session->config->cuda.plans_file;
    if (path[0] && cr_plans_save(path, &session->plans, false) != CR_OK)
        cr_log_warning("cuda.plans_file: %s", cr_error_message());
}

static cr_status measure(cr_session *session, const char *run, const char *repeated, int frozen_layers)
{
    cr_status status = CR_OK;
    double start_s = cr_clock_s();
    CR_TRY(load_all(session, run, repeated));
    int64_t n_known = session->plans.n, n_used = count_used(&session->plans);
    cr_backend_use_plans(session->backend, &session->plans, true);
    CR_TRY(try_program(session, true, frozen_layers));
    CR_TRY(try_program(session, false, 0));
    if (run && count_used(&session->plans) > n_used)
        CR_TRY(save_of_run(session, run));
    if (session->plans.n > n_known) {
        save_shared(session);
        say_gain(session, n_known, cr_clock_s() - start_s);
    }
done:
    return status;
}

/* Rank 0's table becomes everybody's. */
static cr_status share(cr_session *session)
{
    cr_status status = CR_OK;
    cr_plans *plans = &session->plans;
    int64_t n = plans->n;
    CR_TRY(cr_comm_broadcast(session->comm, &n, sizeof n, 0));
    if (n > 0 && cr_comm_rank(session->comm) != 0) {
        cr_plans_clear(plans);
        plans->items = calloc((size_t)n, sizeof *plans->items);
        if (!plans->items)
            status = cr_fail_memory("plans of convolutions", (size_t)n * sizeof *plans->items);
        else
            plans->n = plans->room = n;
    }
    CR_TRY(cr_comm_agree(session->comm, status));
    if (n > 0)
        CR_TRY(cr_comm_broadcast(session->comm, plans->items, (size_t)n * sizeof *plans->items, 0));
    cr_backend_use_plans(session->backend, plans, false);
done:
    return status;
}

cr_status cr_session_measure_plans(cr_session *session, const char *run, const char *repeated, int frozen_layers)
{
    cr_status status = CR_OK;
    if (!has_choice(session))
        return CR_OK;
    CR_TRY(check_targets(session));
    if (cr_comm_rank(session->comm) == 0)
        status = measure(session, run, repeated, frozen_layers);
    CR_TRY(cr_comm_agree(session->comm, status));
    CR_TRY(share(session));
done:
    return status;
}

cr_status cr_session_read_plans(cr_session *session, const char *run)
{
    cr_status status = CR_OK;
    bool found;
    if (!has_choice(session))
        return CR_OK;
    if (cr_comm_rank(session->comm) == 0) {
        char *path = cr_path_join(run, CR_PLANS_FILE);
        status = path ? load(session, path, true, &found) : cr_fail_memory("a path", 1);
        free(path);
    }
    CR_TRY(cr_comm_agree(session->comm, status));
    CR_TRY(share(session));
done:
    return status;
}
