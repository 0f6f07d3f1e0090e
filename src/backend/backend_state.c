/* The dispatcher's other half: what is done to a whole state. */
#include "crisol/backend.h"

#include <string.h>

static int64_t count_state(const cr_net *net)
{
    return net->n_params + net->n_stats;
}

static void import_layout(cr_backend *backend, const cr_net *net, const float *canonical, float *native)
{
    if (backend->ops->state_import)
        backend->ops->state_import(backend, net, canonical, native);
    else
        memcpy(native, canonical, (size_t)count_state(net) * sizeof *native);
}

static void export_layout(cr_backend *backend, const cr_net *net, const float *native, float *canonical)
{
    if (backend->ops->state_export)
        backend->ops->state_export(backend, net, native, canonical);
    else
        memcpy(canonical, native, (size_t)count_state(net) * sizeof *canonical);
}

cr_status cr_backend_state_import(cr_backend *backend, const cr_net *net, const float *canonical, float *native)
{
    const cr_memory *memory = cr_backend_memory(backend);
    float *passing = NULL;
    cr_status status = CR_OK;
    if (cr_memory_is_host(memory)) {
        import_layout(backend, net, canonical, native);
        return CR_OK;
    }
    CR_TRY(cr_memory_allocate(cr_memory_host(), count_state(net), "a state on its way to a device", &passing));
    import_layout(backend, net, canonical, passing);
    CR_TRY(cr_memory_write(memory, passing, count_state(net), native));
done:
    cr_memory_release(cr_memory_host(), &passing);
    return status;
}

cr_status cr_backend_state_export(cr_backend *backend, const cr_net *net, const float *native, float *canonical)
{
    const cr_memory *memory = cr_backend_memory(backend);
    float *passing = NULL;
    cr_status status = CR_OK;
    if (cr_memory_is_host(memory)) {
        export_layout(backend, net, native, canonical);
        return CR_OK;
    }
    CR_TRY(cr_memory_allocate(cr_memory_host(), count_state(net), "a state on its way from a device", &passing));
    CR_TRY(cr_memory_read(memory, native, count_state(net), passing));
    export_layout(backend, net, passing, canonical);
done:
    cr_memory_release(cr_memory_host(), &passing);
    return status;
}

cr_status cr_backend_sum_of_squares(cr_backend *backend, const float *values, int64_t n, double *sum)
{
    if (backend->ops->sum_of_squares)
        return backend->ops->sum_of_squares(backend, values, n, sum);
    *sum = cr_sum_of_squares(values, n);
    return CR_OK;
}

typedef struct sharing {
    const cr_update *update;
    int n_workers;
} sharing;

static cr_status update_share(void *context, int worker)
{
    const sharing *s = context;
    cr_update_share(s->update, s->n_workers, worker);
    return CR_OK;
}

cr_status cr_backend_update(cr_backend *backend, cr_workers *workers, const cr_update *update)
{
    if (backend->ops->update)
        return backend->ops->update(backend, update);
    sharing s = {update, cr_workers_count(workers)};
    return cr_workers_run(workers, update_share, &s);
}
