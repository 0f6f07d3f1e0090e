#include "shard_hdf5.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t hdf5_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char last_message[256];

void cr_hdf5_enter(void)
{
    pthread_mutex_lock(&hdf5_mutex);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0); /* a file may name a filter, and HDF5 would load a library for it */
}

void cr_hdf5_leave(void)
{
    pthread_mutex_unlock(&hdf5_mutex);
}

hid_t cr_hdf5_access(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0)
        return access;
    /* both bounds, so that a newer HDF5 writes the same bytes; this format puts checksums on all of its structures */
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_alignment(access, CR_IMAGE_BYTES, CR_SHARD_ALIGNMENT);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, 0, 1); /* network file systems refuse or lose locks; packs are written once */
#endif
    return access;
}

static herr_t keep_message(unsigned n, const H5E_error2_t *error, void *context)
{
    (void)context;
    if (n == 0) /* walking upward: the innermost, which knows the cause */
        snprintf(last_message, sizeof last_message, "%s", error->desc ? error->desc : "");
    return 0;
}

const char *cr_hdf5_message(void)
{
    snprintf(last_message, sizeof last_message, "no reason given");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_message, NULL);
    return last_message;
}

hid_t cr_hdf5_text(size_t bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, bytes) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
                      H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(type);
        type = H5I_INVALID_HID;
    }
    return type;
}

size_t cr_longest_name(const char *const *names, int64_t n)
{
    size_t longest = 1;
    for (int64_t i = 0; i < n; i++)
        if (strlen(names[i]) > longest)
            longest = strlen(names[i]);
    return longest;
}

cr_status cr_array_shape_get(cr_shard_array array, const cr_shard_info *info, cr_array_shape *shape)
{
    hsize_t n = (hsize_t)info->n_samples, n_features = (hsize_t)info->n_features;
    switch (array) {
    case CR_ARRAY_IMAGES:
        *shape = (cr_array_shape){
            "images", H5Tcopy(H5T_STD_U8LE), 4, {n, CR_PACK_IMAGE_SIZE, CR_PACK_IMAGE_SIZE, CR_IMAGE_CHANNELS}};
        break;
    case CR_ARRAY_METADATA:
        *shape = (cr_array_shape){"metadata", H5Tcopy(H5T_IEEE_F32LE), 2, {n, n_features}};
        break;
    case CR_ARRAY_LABELS:
        *shape = (cr_array_shape){"labels", H5Tcopy(H5T_STD_I32LE), 1, {n}};
        break;
    case CR_ARRAY_IDS:
        *shape = (cr_array_shape){"ids", cr_hdf5_text(CR_PACK_ID_BYTES), 1, {n}};
        break;
    case CR_ARRAY_GROUPS:
        *shape = (cr_array_shape){"groups", H5Tcopy(H5T_STD_I64LE), 1, {n}};
        break;
    case CR_ARRAY_CHECKSUMS:
        *shape = (cr_array_shape){"checksums", H5Tcopy(H5T_STD_U64LE), 1, {n}};
        break;
    case CR_ARRAY_CLASS_NAMES:
        *shape = (cr_array_shape){"class_names",
                                  cr_hdf5_text(cr_longest_name(info->class_names, info->n_classes)),
                                  1,
                                  {(hsize_t)info->n_classes}};
        break;
    default:
        *shape = (cr_array_shape){
            "feature_names", cr_hdf5_text(cr_longest_name(info->feature_names, info->n_features)), 1, {n_features}};
    }
    return shape->type < 0 ? cr_fail(CR_INTERNAL, "HDF5 makes no type: %s", cr_hdf5_message()) : CR_OK;
}

uint64_t *cr_array_offset(cr_shard_array array, cr_shard_offsets *offsets)
{
    switch (array) {
    case CR_ARRAY_IMAGES:
        return &offsets->images;
    case CR_ARRAY_METADATA:
        return &offsets->metadata;
    case CR_ARRAY_LABELS:
        return &offsets->labels;
    case CR_ARRAY_IDS:
        return &offsets->ids;
    case CR_ARRAY_GROUPS:
        return &offsets->groups;
    case CR_ARRAY_CHECKSUMS:
        return &offsets->checksums;
    default:
        return NULL;
    }
}

void cr_shard_attributes(const cr_shard_info *info, cr_shard_attribute attributes[CR_SHARD_N_ATTRIBUTES])
{
    const cr_shard_attribute values[CR_SHARD_N_ATTRIBUTES] = {
        {"format", CR_SHARD_FORMAT, 0},           {"version", NULL, CR_SHARD_VERSION},
        {"split", cr_split_name(info->split), 0}, {"shard_index", NULL, info->index},
        {"shard_count", NULL, info->count},
    };
    memcpy(attributes, values, sizeof values);
}
