/* HDF5 on the file system at hand. */
#include "crisol/atomic_file.h"
#include "crisol/pack.h"
#include "shard_hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int32_t numbers[4] = {2, 3, 5, 7};

static cr_status write_numbers(const char *path)
{
    const hsize_t dims[1] = {4};
    hid_t access = cr_hdf5_access();
    hid_t file = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, access);
    hid_t space = H5Screate_simple(1, dims, NULL);
    hid_t set = file >= 0 ? H5Dcreate2(file, "/numbers", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)
                          : H5I_INVALID_HID;
    bool good = set >= 0 && H5Dwrite(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0;
    cr_status status = good ? CR_OK : cr_fail(CR_IO, "%s: HDF5 cannot write: %s", path, cr_hdf5_message());
    if (set >= 0)
        H5Dclose(set);
    H5Sclose(space);
    if (file >= 0 && H5Fclose(file) < 0 && good)
        status = cr_fail(CR_IO, "%s: HDF5 cannot close: %s", path, cr_hdf5_message());
    H5Pclose(access);
    return status;
}

static bool read_numbers(const char *path, hid_t access)
{
    int32_t found[4] = {0};
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    hid_t set = file >= 0 ? H5Dopen2(file, "/numbers", H5P_DEFAULT) : H5I_INVALID_HID;
    bool good = set >= 0 && H5Dread(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, found) >= 0 &&
                !memcmp(found, numbers, sizeof found);
    if (set >= 0)
        H5Dclose(set);
    if (file >= 0)
        H5Fclose(file);
    return good;
}

cr_status cr_pack_try(const char *folder, bool *locks)
{
    char name[64];
    snprintf(name, sizeof name, ".crisol-hdf5-%ld.h5", (long)getpid());
    char *path = cr_path_join(folder, name);
    if (!path)
        return cr_fail_memory("a path", sizeof name);
    cr_hdf5_enter();
    cr_status status = write_numbers(path);
    hid_t access = cr_hdf5_access();
    if (status == CR_OK && !read_numbers(path, access))
        status = cr_fail(CR_IO, "%s: HDF5 cannot read what it wrote: %s", path, cr_hdf5_message());
    *locks = status == CR_OK && read_numbers(path, H5P_DEFAULT);
    H5Pclose(access);
    cr_hdf5_leave();
    unlink(path);
    free(path);
    return status;
}
