#include "session.h"

#include "crisol/atomic_file.h"
#include "crisol/device.h"
#include "crisol/log.h"
#include "resident.h"

#include <stdlib.h>
#include <string.h>

cr_status cr_session_read_config(const char *run, cr_config **config)
{
    char *path = cr_path_join(run, "config.yaml");
    cr_status status = CR_OK;
    if (!path)
        return cr_fail_memory("a path", 1);
    CR_TRY(cr_config_create(config));
    CR_TRY(cr_config_read(*config, path));
done:
    if (status == CR_MISSING)
        cr_fail(status, "%s is no run directory: it has no config.yaml; 'crisol train' makes one", run);
    free(path);
    return status;
}

static cr_status find_class(const cr_pack *pack, const char *name, int64_t *label)
{
    int64_t n = cr_pack_n_classes(pack);
    for (*label = 0; *label < n; (*label)++)
        if (!strcmp(cr_pack_class_name(pack, *label), name))
            return CR_OK;
    char known[512] = "";
    for (int64_t i = 0; i < n; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", cr_pack_class_name(pack, i));
    }
    return cr_fail(CR_BAD_CONFIG, "data.classes: the pack %s has no class '%s'; it has %s", cr_pack_folder(pack), name,
                   known);
}

static cr_status choose_classes(cr_session *session)
{
    const cr_strings *wanted = &session->config->data.classes;
    int64_t n_all = cr_pack_n_classes(session->pack);
    session->n_classes = wanted->n ? wanted->n : n_all;
    session->class_of = calloc((size_t)n_all, sizeof *session->class_of);
    session->class_names = calloc((size_t)session->n_classes, sizeof *session->class_names);
    if (!session->class_of || !session->class_names)
        return cr_fail_memory("class names", (size_t)n_all * sizeof *session->class_of);
    for (int64_t i = 0; i < n_all; i++)
        session->class_of[i] = wanted->n ? -1 : (int32_t)i;
    for (int64_t k = 0; k < session->n_classes; k++) {
        int64_t label = k;
        if (wanted->n) {
            cr_status status = find_class(session->pack, wanted->items[k], &label);
            if (status != CR_OK)
                return status;
            if (session->class_of[label] >= 0)
                return cr_fail(CR_BAD_CONFIG, "data.classes: '%s' is named twice", wanted->items[k]);
            session->class_of[label] = (int32_t)k;
        }
        session->class_names[k] = cr_pack_class_name(session->pack, label);
    }
    if (session->n_classes < 2)
        return cr_fail(CR_BAD_CONFIG, "data.classes: a classifier needs at least two classes");
    return CR_OK;
}

static cr_status choose_samples(cr_session *session)
{
    const int64_t limits[CR_N_SPLITS] = {session->config->data.limit_train, session->config->data.limit_val,
                                         session->config->data.limit_test};
    for (int split = 0; split < CR_N_SPLITS; split++) {
        cr_status status = cr_subset_create(session->pack, (cr_split)split, session->class_of, limits[split],
                                            &session->subsets[split]);
        if (status != CR_OK)
            return status;
    }
    return CR_OK;
}

static cr_status build_net(cr_session *session)
{
    const cr_config *config = session->config;
    cr_status status = CR_OK;
    cr_fusion_params *params = &session->model;
    *params = (cr_fusion_params){
        .backbone = cr_net_backbone_name(config->model.backbone),
        .inputs = (cr_inputs)config->model.inputs,
        .image_size = CR_PACK_IMAGE_SIZE,
        .n_classes = session->n_classes,
        .n_metadata_hidden = (int)config->model.metadata.hidden.n,
        .metadata_dropout = config->model.metadata.dropout,
        .n_head_hidden = (int)config->model.head.hidden.n,
        .head_dropout = config->model.head.dropout,
    };
    for (int64_t i = 0; i < config->model.metadata.hidden.n && i < CR_NET_MAX_HIDDEN; i++)
        params->metadata_hidden[i] = config->model.metadata.hidden.items[i];
    for (int64_t i = 0; i < config->model.head.hidden.n && i < CR_NET_MAX_HIDDEN; i++)
        params->head_hidden[i] = config->model.head.hidden.items[i];
    if (params->inputs != CR_INPUTS_IMAGE) {
        CR_TRY(cr_encoder_create(session->pack, (const char *const *)config->model.metadata.columns.items,
                                 (int)config->model.metadata.columns.n, &session->encoder));
        params->n_features = cr_encoder_width(session->encoder);
    }
    CR_TRY(cr_net_create_fusion(params, &session->net));
done:
    return status;
}

static cr_status open_local(cr_session *session)
{
    cr_status status = CR_OK;
    CR_TRY(cr_config_check(session->config));
    CR_TRY(cr_pack_open(session->config->data.pack, &session->pack));
    CR_TRY(choose_classes(session));
    CR_TRY(choose_samples(session));
    CR_TRY(cr_session_weigh_classes(session));
    CR_TRY(build_net(session));
done:
    return status;
}

/* Every rank must see the same pack: a stale copy on one node would silently change the result. */
static cr_status agree_on_pack(cr_session *session)
{
    char id[64] = "";
    snprintf(id, sizeof id, "%s", cr_pack_id(session->pack));
    cr_status status = cr_comm_broadcast(session->comm, id, sizeof id, 0);
    if (status == CR_OK && strcmp(id, cr_pack_id(session->pack)))
        status = cr_fail(CR_BAD_DATA, "data.pack: %s is pack %s here, but %s on rank 0", cr_pack_folder(session->pack),
                         cr_pack_id(session->pack), id);
    return cr_comm_agree(session->comm, status);
}

cr_status cr_session_open(cr_comm *comm, const cr_config *config, cr_session *session)
{
    memset(session, 0, sizeof *session);
    session->comm = comm;
    session->config = config;
    cr_status status = cr_comm_agree(comm, open_local(session));
    if (status == CR_OK)
        status = agree_on_pack(session);
    if (status == CR_OK)
        status = cr_device_open(comm, config, &session->backend, &session->ranks_per_device);
    if (status == CR_OK && cr_pack_leak_warning(session->pack))
        cr_log_info("warning: %s", cr_pack_leak_warning(session->pack));
    if (status != CR_OK)
        cr_session_close(session);
    return status;
}

void cr_session_close(cr_session *session)
{
    cr_net_destroy(&session->net);
    cr_resident_release(session);
    cr_backend_close(&session->backend);
    cr_plans_clear(&session->plans);
    cr_encoder_destroy(&session->encoder);
    for (int split = 0; split < CR_N_SPLITS; split++)
        cr_subset_destroy(&session->subsets[split]);
    free(session->class_of);
    free(session->class_names);
    free(session->class_weights);
    cr_pack_close(&session->pack);
    memset(session, 0, sizeof *session);
}

const cr_memory *cr_session_loads_images(const cr_session *session, cr_split split)
{
    return session->net->uses_image && !session->kept_images[split] ? cr_backend_memory(session->backend) : NULL;
}

int64_t cr_session_state_count(const cr_session *session)
{
    return session->net->n_params + session->net->n_stats;
}

double cr_session_weight_sum(const cr_session *session, const int32_t *labels, int64_t n)
{
    if (!session->class_weights)
        return (double)n;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)session->class_weights[labels[i]];
    return sum;
}

bool cr_monitor_is_maximized(const cr_config *config)
{
    static const char *const smaller_is_better[] = {"loss", "log_loss", "ece"};
    const char *slash = strrchr(config->train.monitor, '/');
    bool is_minimized = false;
    for (size_t i = 0; slash && i < sizeof smaller_is_better / sizeof *smaller_is_better; i++)
        is_minimized = is_minimized || !strcmp(slash + 1, smaller_is_better[i]);
    return config->train.mode == 2 || (config->train.mode == 0 && !is_minimized);
}
