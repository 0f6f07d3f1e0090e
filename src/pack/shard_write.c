/* Makes a shard's HDF5 structure. Every data set is contiguous and allocated at once, so its place is known before its
 * content is; nothing has a time stamp, so the same arguments give the same bytes. */
#include "shard_hdf5.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* HDF5 asks for a name, and when it cannot write its last blocks (a full disk), version 1.10 crashes as the program
 * ends. So the name is that of a file which takes everything, and the descriptor behind it becomes one of a file in
 * memory. */
static const char hdf5_name[] = "/dev/null";

static cr_status lead_to_memory(hid_t file, const char *path, int memory)
{
    void *handle = NULL;
    if (H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) < 0 || !handle)
        return fail_hdf5(path, "a file in memory");
    return dup3(memory, *(const int *)handle, O_CLOEXEC) < 0 ? cr_fail_errno("%s: no file in memory for HDF5", path)
                                                             : CR_OK;
}

/* Inside HDF5. */
static cr_status make_structure(const char *path, const cr_shard_info *info, cr_shard_offsets *offsets, int memory)
{
    cr_shard_attribute attributes[CR_SHARD_N_ATTRIBUTES];
    hid_t access = cr_hdf5_access(), creation = H5Pcreate(H5P_FILE_CREATE), file = H5I_INVALID_HID;
    cr_status status = CR_OK;
    if (access < 0 || creation < 0 || H5Pset_obj_track_times(creation, 0) < 0 ||
        (file = H5Fcreate(hdf5_name, H5F_ACC_TRUNC, creation, access)) < 0) {
        status = fail_hdf5(path, "the file");
        goto done;
    }
    CR_TRY(lead_to_memory(file, path, memory));
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

cr_status cr_shard_make(const char *path, const cr_shard_info *info, cr_shard_offsets *offsets, int *memory,
                        uint64_t *bytes)
{
    struct stat file;
    cr_status status = CR_OK;
    *memory = memfd_create("crisol-shard", MFD_CLOEXEC);
    if (*memory < 0)
        return cr_fail_errno("%s: no file in memory to make its structure in", path);
    CR_TRY(make_structure(path, info, offsets, *memory));
    if (fstat(*memory, &file))
        status = cr_fail_errno("%s: cannot look at its structure", path);
    else
        *bytes = (uint64_t)file.st_size;
done:
    return status;
}

/* What the file in memory holds, to the same places of a new one; the arrays stay holes. */
static cr_status copy_out(int memory, const char *path, uint64_t bytes)
{
    uint8_t block[4096];
    off_t at = 0, end = 0;
    cr_status status = CR_OK;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 || ftruncate(descriptor, (off_t)bytes)) {
        status = cr_fail_errno("%s: cannot make the shard", path);
        goto done;
    }
    while ((at = lseek(memory, end, SEEK_DATA)) >= 0 && (end = lseek(memory, at, SEEK_HOLE)) >= 0)
        for (size_t n; at < end; at += (off_t)n) {
            n = end - at < (off_t)sizeof block ? (size_t)(end - at) : sizeof block;
            CR_TRY(cr_pread(memory, path, block, n, (uint64_t)at));
            CR_TRY(cr_pwrite(descriptor, path, block, n, (uint64_t)at));
        }
    if (errno != ENXIO) /* which says that there is no more data */
        status = cr_fail_errno("%s: cannot go through its structure", path);
done:
    if (descriptor >= 0 && close(descriptor) && status == CR_OK)
        status = cr_fail_errno("%s: cannot make the shard", path);
    return status;
}

cr_status cr_shard_create(const char *path, const cr_shard_info *info, cr_shard_offsets *offsets, uint64_t *bytes)
{
    int memory;
    *offsets = (cr_shard_offsets){0};
    cr_hdf5_enter();
    cr_status status = cr_shard_make(path, info, offsets, &memory, bytes);
    cr_hdf5_leave();
    if (status == CR_OK)
        status = copy_out(memory, path, *bytes);
    if (memory >= 0)
        close(memory);
    if (status != CR_OK)
        return status;
    if (offsets->images % CR_SHARD_ALIGNMENT)
        return cr_fail(CR_INTERNAL, "%s: HDF5 put the images at %llu, not at a multiple of %d", path,
                       (unsigned long long)offsets->images, CR_SHARD_ALIGNMENT);
    return cr_shard_check_offsets(path, info->n_samples, info->n_features, *bytes, offsets);
}
