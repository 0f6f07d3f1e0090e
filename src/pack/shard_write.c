/* Makes a shard's HDF5 structure. Every data set is contiguous and allocated at once, so its place is known before its
 * content is; nothing has a time stamp, so the same arguments give the same bytes. */
#include "shard_hdf5.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cr_status fail_hdf5(const char *path, const char *what)
{
    return cr_fail(CR_IO, "%s: HDF5 cannot make %s: %s", path, what, cr_hdf5_message());
}

/* Names as a fixed-length string data set. */
static cr_status write_names(hid_t set, const cr_array_shape *shape, const char *const *names)
{
    size_t width = H5Tget_size(shape->type), n = (size_t)shape->dims[0];
    char *block = calloc(n ? n : 1, width);
    if (!block)
        return cr_fail_memory("names", n * width);
    for (size_t i = 0; i < n; i++)
        memcpy(block + i * width, names[i], strlen(names[i]));
    herr_t failed = n ? H5Dwrite(set, shape->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, block) : 0;
    free(block);
    return failed < 0 ? cr_fail(CR_IO, "HDF5 cannot write %s: %s", shape->name, cr_hdf5_message()) : CR_OK;
}

static cr_status make_array(hid_t file, const char *path, cr_shard_array array, const cr_shard_info *info,
                            cr_shard_offsets *offsets)
{
    cr_array_shape shape = {.type = H5I_INVALID_HID};
    hid_t space = H5I_INVALID_HID, list = H5I_INVALID_HID, set = H5I_INVALID_HID;
    cr_status status;
    CR_TRY(cr_array_shape_get(array, info, &shape));
    space = H5Screate_simple(shape.rank, shape.dims, NULL);
    list = H5Pcreate(H5P_DATASET_CREATE);
    if (space < 0 || list < 0 || H5Pset_layout(list, H5D_CONTIGUOUS) < 0 ||
        H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY) < 0 || H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) < 0 ||
        H5Pset_obj_track_times(list, 0) < 0 ||
        (set = H5Dcreate2(file, shape.name, shape.type, space, H5P_DEFAULT, list, H5P_DEFAULT)) < 0) {
        status = fail_hdf5(path, shape.name);
        goto done;
    }
    if (array == CR_ARRAY_CLASS_NAMES)
        CR_TRY(write_names(set, &shape, info->class_names));
    if (array == CR_ARRAY_FEATURE_NAMES)
        CR_TRY(write_names(set, &shape, info->feature_names));
    uint64_t *offset = cr_array_offset(array, offsets);
    if (offset) {
        haddr_t at = H5Dget_offset(set);
        *offset = H5Sget_simple_extent_npoints(space) && at != HADDR_UNDEF ? at : 0;
    }
done:
    if (set >= 0 && H5Dclose(set) < 0 && status == CR_OK)
        status = fail_hdf5(path, "a data set");
    if (list >= 0)
        H5Pclose(list);
    if (space >= 0)
        H5Sclose(space);
    if (shape.type >= 0)
        H5Tclose(shape.type);
    return status;
}

static cr_status make_attribute(hid_t file, const char *path, const cr_shard_attribute *attribute)
{
    hid_t type = attribute->text ? cr_hdf5_text(strlen(attribute->text)) : H5Tcopy(H5T_STD_I64LE);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t made = H5Acreate2(file, attribute->name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const void *value = attribute->text ? (const void *)attribute->text : &attribute->number;
    cr_status status = CR_OK;
    if (made < 0 || H5Awrite(made, attribute->text ? type : H5T_NATIVE_INT64, value) < 0)
        status = fail_hdf5(path, attribute->name);
    if (made >= 0 && H5Aclose(made) < 0 && status == CR_OK)
        status = fail_hdf5(path, attribute->name);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

/* Takes the name from a file that HDF5 has just made; it remains until its last descriptor is closed. */
static cr_status take_name(hid_t file, const char *path, int *descriptor)
{
    void *handle = NULL;
    *descriptor = H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) < 0 || !handle
                      ? -1
                      : fcntl(*(const int *)handle, F_DUPFD_CLOEXEC, 0);
    unlink(path);
    return *descriptor < 0 ? fail_hdf5(path, "a file without a name") : CR_OK;
}

cr_status cr_shard_make(const char *path, const cr_shard_info *info, cr_shard_offsets *offsets, int *descriptor)
{
    cr_shard_attribute attributes[CR_SHARD_N_ATTRIBUTES];
    hid_t access = cr_hdf5_access(), creation = H5Pcreate(H5P_FILE_CREATE), file = H5I_INVALID_HID;
    cr_status status = CR_OK;
    if (access < 0 || creation < 0 || H5Pset_obj_track_times(creation, 0) < 0 ||
        (file = H5Fcreate(path, H5F_ACC_EXCL, creation, access)) < 0) {
        status = fail_hdf5(path, "the file");
        goto done;
    }
    if (descriptor)
        CR_TRY(take_name(file, path, descriptor));
    cr_shard_attributes(info, attributes);
    for (int i = 0; i < CR_SHARD_N_ATTRIBUTES; i++)
        CR_TRY(make_attribute(file, path, &attributes[i]));
    for (int array = 0; array < CR_N_ARRAYS; array++)
        CR_TRY(make_array(file, path, (cr_shard_array)array, info, offsets));
done:
    if (file >= 0 && H5Fclose(file) < 0 && status == CR_OK)
        status = fail_hdf5(path, "the file");
    if (creation >= 0)
        H5Pclose(creation);
    if (access >= 0)
        H5Pclose(access);
    return status;
}

cr_status cr_shard_create(const char *path, const cr_shard_info *info, cr_shard_offsets *offsets, uint64_t *bytes)
{
    *offsets = (cr_shard_offsets){0};
    cr_hdf5_enter();
    cr_status status = cr_shard_make(path, info, offsets, NULL);
    cr_hdf5_leave();
    if (status != CR_OK)
        return status;
    struct stat file;
    if (stat(path, &file))
        return cr_fail_errno("%s: cannot look at the shard just made", path);
    *bytes = (uint64_t)file.st_size;
    if (offsets->images % CR_SHARD_ALIGNMENT)
        return cr_fail(CR_INTERNAL, "%s: HDF5 put the images at %llu, not at a multiple of %d", path,
                       (unsigned long long)offsets->images, CR_SHARD_ALIGNMENT);
    return cr_shard_check_offsets(path, info->n_samples, info->n_features, *bytes, offsets);
}
