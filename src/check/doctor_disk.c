/* The file system where runs are written: every step of writing a checkpoint, room, HDF5. */
#include "doctor.h"

#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/pack.h"
#include "crisol/run.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum {
    TRIAL_BYTES = 1 << 20
};
static const double room_gb = 1; /* for a few checkpoints of ResNet-18 with AdamW's moments, 136 MB each */

/* From linux/magic.h; Lustre's and GPFS's from their own sources. */
static const char *file_system_name(long type)
{
    static const struct {
        long type;
        const char *name;
    } known[] = {{0xEF53, "ext4"},        {0x58465342, "XFS"},    {0x9123683E, "Btrfs"},  {0x01021994, "tmpfs"},
                 {0x794C7630, "overlay"}, {0x6969, "NFS"},        {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},
                 {0x19830326, "BeeGFS"},  {0x00C36400, "CephFS"}, {0x65735546, "FUSE"},   {0x2FC12FC1, "ZFS"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == type)
            return known[i].name;
    return "another";
}

static void say_room(cr_doctor *doctor)
{
    struct statfs disk;
    if (statfs(doctor->folder, &disk)) {
        cr_fail_errno("%s", doctor->folder);
        cr_doctor_say(doctor, "disk room", CR_HEALTH_FAILED, "name a folder that exists", "%s", cr_error_message());
        return;
    }
    double free_gb = (double)disk.f_bavail * (double)disk.f_bsize / 1e9;
    bool is_enough = free_gb >= room_gb;
    const char *name = file_system_name((long)disk.f_type);
    bool is_memory = !strcmp(name, "tmpfs");
    cr_doctor_say(doctor, "disk room", is_enough && !is_memory ? CR_HEALTH_OK : CR_HEALTH_WARNING,
                  is_memory    ? "name a folder on a disk: this one is gone after a restart"
                  : !is_enough ? "make room, or lower train.keep_last"
                               : NULL,
                  "%.1f GB free in %s (%s file system)", free_gb, doctor->folder, name);
}

/* As a checkpoint is written: temporary file, write, fsync, rename, fsync of the folder; then read back. */
static void say_writing(cr_doctor *doctor)
{
    char name[64], *read = NULL;
    size_t bytes = 0;
    snprintf(name, sizeof name, ".crisol-doctor-%ld", (long)getpid());
    char *path = cr_path_join(doctor->folder, name), *data = malloc(TRIAL_BYTES);
    cr_status status = path && data ? CR_OK : cr_fail_memory("a trial", TRIAL_BYTES);
    double start = cr_clock_s(), seconds = 0;
    CR_TRY(status);
    for (int i = 0; i < TRIAL_BYTES; i++)
        data[i] = (char)(i * 7 + i / 256);
    CR_TRY(cr_atomic_file_save(path, data, TRIAL_BYTES));
    CR_TRY(cr_atomic_file_save(path, data, TRIAL_BYTES)); /* over the former one */
    seconds = (cr_clock_s() - start) / 2;
    CR_TRY(cr_read_file(path, TRIAL_BYTES, &read, &bytes));
    if (bytes != TRIAL_BYTES || memcmp(read, data, bytes) != 0)
        status = cr_fail(CR_IO, "%s: reads back differently from what was written", path);
done:
    if (status == CR_OK)
        cr_doctor_say(doctor, "writing", CR_HEALTH_OK, NULL, "write, fsync, rename, read back of 1 MB: %.1f ms",
                      1e3 * seconds);
    else
        cr_doctor_say(doctor, "writing", CR_HEALTH_FAILED, "choose another folder for runs", "%s", cr_error_message());
    if (path)
        unlink(path);
    free(path);
    free(data);
    free(read);
}

void cr_doctor_remove_run(const char *folder)
{
    char *path;
    DIR *open_folder = opendir(folder);
    for (struct dirent *entry = NULL; open_folder && (entry = readdir(open_folder));)
        if (entry->d_name[0] != '.' && (path = cr_path_join(folder, entry->d_name))) {
            unlink(path);
            free(path);
        }
    if (open_folder)
        closedir(open_folder);
    rmdir(folder);
}

/* Two owners of one run directory are told apart. */
static void say_lease(cr_doctor *doctor)
{
    char name[64];
    cr_run *first = NULL, *second = NULL;
    snprintf(name, sizeof name, ".crisol-doctor-run-%ld", (long)getpid());
    char *folder = cr_path_join(doctor->folder, name);
    cr_status status = folder ? CR_OK : cr_fail_memory("a path", 1);
    CR_TRY(status);
    CR_TRY(cr_run_open(folder, &first));
    CR_TRY(cr_run_take(first, 1));
    CR_TRY(cr_run_open(folder, &second));
    if (cr_run_take(second, 1) == CR_OK)
        status = cr_fail(CR_IO, "%s: two jobs may own a run directory at once", doctor->folder);
done:
    if (status == CR_OK)
        cr_doctor_say(doctor, "run lease", CR_HEALTH_OK, NULL, "a second job in a run directory is turned away");
    else
        cr_doctor_say(doctor, "run lease", CR_HEALTH_FAILED, "choose another folder for runs", "%s",
                      cr_error_message());
    cr_run_close(&second);
    cr_run_close(&first);
    if (folder)
        cr_doctor_remove_run(folder);
    free(folder);
}

static void say_hdf5(cr_doctor *doctor)
{
    bool locks = false;
    if (cr_pack_try(doctor->folder, &locks) != CR_OK)
        cr_doctor_say(doctor, "HDF5", CR_HEALTH_FAILED, "choose another folder for packs", "%s", cr_error_message());
    else if (!locks)
        cr_doctor_say(
            doctor, "HDF5", CR_HEALTH_WARNING, "for h5py and others: export HDF5_USE_FILE_LOCKING=FALSE",
            "packs can be written and read, but the file system refuses the locks that other programs ask for");
    else
        cr_doctor_say(doctor, "HDF5", CR_HEALTH_OK, NULL, "packs can be written and read, with and without file locks");
}

void cr_doctor_disk(cr_doctor *doctor)
{
    say_room(doctor);
    say_writing(doctor);
    say_lease(doctor);
    say_hdf5(doctor);
}
