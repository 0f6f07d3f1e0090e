/* Checks a shard's HDF5 structure before anything in it is believed. */
#include "shard_hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cr_status refuse(const char *path, const char *name, const char *what)
{
    return cr_fail(CR_BAD_DATA, "%s: %s: %s: not a shard of this pack", path, name, what);
}

static cr_status check_names(hid_t set, const char *path, const cr_array_shape *shape, const char *const *names)
{
    size_t width = H5Tget_size(shape->type), n = (size_t)shape->dims[0];
    char *block = calloc(n ? n : 1, width);
    cr_status status = CR_OK;
    if (!block)
        return cr_fail_memory("names", n * width);
    if (n && H5Dread(set, shape->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, block) < 0) {
        status = refuse(path, shape->name, cr_hdf5_message());
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if (strnlen(block + i * width, width) != strlen(names[i]) ||
            memcmp(block + i * width, names[i], strlen(names[i]))) {
            status = refuse(path, shape->name, "other names than the manifest's");
            break;
        }
done:
    free(block);
    return status;
}

/* Layout, storage and place of one data set that has the right type and shape. */
static cr_status check_storage(hid_t set, const char *path, const char *name, uint64_t expected)
{
    hid_t list = H5Dget_create_plist(set);
    cr_status status = CR_OK;
    if (list < 0 || H5Pget_layout(list) != H5D_CONTIGUOUS)
        status = refuse(path, name, "not contiguous");
    else if (H5Pget_external_count(list) != 0)
        status = refuse(path, name, "stored in another file");
    else if (H5Pget_nfilters(list) != 0)
        status = refuse(path, name, "filtered");
    else if (expected && H5Dget_offset(set) != expected)
        status = refuse(path, name, "not where the manifest says");
    if (list >= 0)
        H5Pclose(list);
    return status;
}

static cr_status check_shape(hid_t set, const char *path, const cr_array_shape *shape)
{
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    hsize_t dims[CR_SHARD_MAX_RANK] = {0};
    cr_status status = CR_OK;
    if (type < 0 || H5Tequal(type, shape->type) <= 0)
        status = refuse(path, shape->name, "of another type");
    else if (space < 0 || H5Sget_simple_extent_ndims(space) != shape->rank ||
             H5Sget_simple_extent_dims(space, dims, NULL) != shape->rank ||
             memcmp(dims, shape->dims, (size_t)shape->rank * sizeof *dims))
        status = refuse(path, shape->name, "of another shape");
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

static cr_status check_array(hid_t file, const char *path, cr_shard_array array, const cr_shard_info *info,
                             const cr_shard_offsets *offsets)
{
    cr_shard_offsets places = *offsets;
    cr_array_shape shape = {.type = H5I_INVALID_HID};
    hid_t set = H5I_INVALID_HID;
    H5L_info_t link;
    cr_status status;
    CR_TRY(cr_array_shape_get(array, info, &shape));
    if (H5Lget_info(file, shape.name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
        status = refuse(path, shape.name, "missing, or a link elsewhere");
        goto done;
    }
    set = H5Dopen2(file, shape.name, H5P_DEFAULT);
    if (set < 0) {
        status = refuse(path, shape.name, "no data set");
        goto done;
    }
    CR_TRY(check_shape(set, path, &shape));
    const uint64_t *place = cr_array_offset(array, &places);
    CR_TRY(check_storage(set, path, shape.name, place ? *place : 0));
    if (array == CR_ARRAY_CLASS_NAMES)
        CR_TRY(check_names(set, path, &shape, info->class_names));
    if (array == CR_ARRAY_FEATURE_NAMES)
        CR_TRY(check_names(set, path, &shape, info->feature_names));
done:
    if (set >= 0)
        H5Dclose(set);
    if (shape.type >= 0)
        H5Tclose(shape.type);
    return status;
}

static cr_status check_attribute(hid_t file, const char *path, const cr_shard_attribute *expected)
{
    hid_t type = expected->text ? cr_hdf5_text(strlen(expected->text)) : H5Tcopy(H5T_STD_I64LE);
    hid_t attribute = H5Aopen(file, expected->name, H5P_DEFAULT);
    hid_t found = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : H5I_INVALID_HID;
    char text[64] = {0};
    int64_t number = 0;
    bool good = found >= 0 && space >= 0 && H5Tequal(found, type) > 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR;
    if (good && expected->text)
        good = H5Tget_size(found) < sizeof text && H5Aread(attribute, type, text) >= 0 && !strcmp(text, expected->text);
    else if (good)
        good = H5Aread(attribute, H5T_NATIVE_INT64, &number) >= 0 && number == expected->number;
    if (space >= 0)
        H5Sclose(space);
    if (found >= 0)
        H5Tclose(found);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (type >= 0)
        H5Tclose(type);
    return good ? CR_OK : refuse(path, expected->name, "missing, or another value than the manifest's");
}

static cr_status check_file(hid_t file, const char *path, const cr_shard_info *info, const cr_shard_offsets *offsets)
{
    cr_shard_attribute attributes[CR_SHARD_N_ATTRIBUTES];
    H5G_info_t root;
    cr_status status = CR_OK;
    if (H5Gget_info(file, &root) < 0 || root.nlinks != CR_N_ARRAYS)
        return refuse(path, "/", "other objects than a shard's");
    cr_shard_attributes(info, attributes);
    for (int i = 0; i < CR_SHARD_N_ATTRIBUTES; i++)
        CR_TRY(check_attribute(file, path, &attributes[i]));
    for (int array = 0; array < CR_N_ARRAYS; array++)
        CR_TRY(check_array(file, path, (cr_shard_array)array, info, offsets));
done:
    return status;
}

cr_status cr_shard_check_structure(int descriptor, const char *path, const cr_shard_info *info,
                                   const cr_shard_offsets *offsets)
{
    char same_file[64]; /* the very file that was hashed, even if the name now means another */
    snprintf(same_file, sizeof same_file, "/proc/self/fd/%d", descriptor);
    hid_t access = cr_hdf5_access();
    hid_t file = access >= 0 ? H5Fopen(same_file, H5F_ACC_RDONLY, access) : H5I_INVALID_HID;
    cr_status status;
    if (file < 0)
        status = cr_fail(CR_BAD_DATA, "%s: HDF5 cannot open it: %s", path, cr_hdf5_message());
    else
        status = check_file(file, path, info, offsets);
    if (file >= 0)
        H5Fclose(file);
    if (access >= 0)
        H5Pclose(access);
    return status;
}

cr_status cr_shard_check(int descriptor, const char *path, const cr_shard_info *info, const cr_shard_offsets *offsets)
{
    cr_hdf5_enter();
    cr_status status = cr_shard_check_frame(descriptor, path, info, offsets);
    if (status == CR_OK)
        status = cr_shard_check_structure(descriptor, path, info, offsets);
    cr_hdf5_leave();
    return status;
}
