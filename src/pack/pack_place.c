/* A pack is made in a folder beside its place and renamed into it when it is complete, so the place holds no pack or a
 * whole one. A pack that is replaced is swapped in one step (RENAME_EXCHANGE) where the file system can. */
#include "pack_job.h"

#include "crisol/atomic_file.h"
#include "crisol/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name that packing gives to a file. */
static bool is_pack_file(const char *name)
{
    if (!strcmp(name, CR_MANIFEST_FILE) || !strcmp(name, CR_MANIFEST_REJECTS) || !strcmp(name, CR_MANIFEST_SAMPLES))
        return true;
    for (int s = 0; s < CR_N_SPLITS; s++) {
        const char *split = cr_split_name((cr_split)s);
        size_t n = strlen(split);
        if (strncmp(name, split, n) || strlen(name) != n + strlen("-00000-of-00001.h5"))
            continue;
        const char *shape = "-#####-of-#####.h5", *at = name + n;
        while (*shape && (*shape == '#' ? *at >= '0' && *at <= '9' : *shape == *at)) {
            shape++;
            at++;
        }
        if (!*shape)
            return true;
    }
    return false;
}

/* Also files that an interrupted write of one of them left: a pack's own name, then something. */
static bool is_leftover(const char *name)
{
    return strstr(name, CR_MANIFEST_FILE) || strstr(name, CR_MANIFEST_REJECTS) || strstr(name, CR_MANIFEST_SAMPLES);
}

/* Deletes the files of a pack and then the folder. What is not a pack's stays, and so does the folder then. */
static void delete_pack(const char *folder, bool leftovers)
{
    DIR *list = opendir(folder);
    if (!list)
        return;
    unlinkat(dirfd(list), CR_MANIFEST_FILE, 0); /* first: what is half deleted is no pack any more */
    for (struct dirent *entry; (entry = readdir(list));)
        if (is_pack_file(entry->d_name) || (leftovers && is_leftover(entry->d_name)))
            unlinkat(dirfd(list), entry->d_name, 0);
    closedir(list);
    if (rmdir(folder) && errno != ENOENT)
        cr_log_warning("%s holds files that are no pack's; they were left there", folder);
}

/* A folder that has a manifest of ours, be it damaged. */
static bool is_pack(const char *folder)
{
    char *path = cr_path_join(folder, CR_MANIFEST_FILE), head[128] = {0};
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool found = descriptor >= 0 && read(descriptor, head, sizeof head - 1) > 0 &&
                 strstr(head, "\"format\": \"" CR_MANIFEST_FORMAT "\"");
    if (descriptor >= 0)
        close(descriptor);
    free(path);
    return found;
}

static bool is_empty(const char *folder)
{
    DIR *list = opendir(folder);
    int n = 0;
    if (!list)
        return false;
    for (struct dirent *entry; (entry = readdir(list));)
        n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(list);
    return n == 0;
}

static cr_status look_at(const char *output, bool force, bool *replace)
{
    struct stat info;
    *replace = false;
    if (lstat(output, &info))
        return errno == ENOENT ? CR_OK : cr_fail_errno("%s: cannot look at it", output);
    if (!S_ISDIR(info.st_mode))
        return cr_fail(CR_BAD_CONFIG, "%s: exists and is no folder; choose another output", output);
    if (is_pack(output)) {
        *replace = true;
        return force ? CR_OK : cr_fail(CR_BAD_CONFIG, "%s: a pack exists there already; --force replaces it", output);
    }
    if (!is_empty(output))
        return cr_fail(CR_BAD_CONFIG, "%s: a folder that is no pack is there; it is not touched, choose another output",
                       output);
    return CR_OK;
}

cr_status cr_pack_place_find(const char *output, bool force, cr_pack_place *place)
{
    cr_status status = CR_OK;
    char resolved[PATH_MAX];
    size_t length = strlen(output);
    *place = (cr_pack_place){0};
    while (length > 1 && output[length - 1] == '/')
        length--;
    if (!length)
        return cr_fail(CR_BAD_CONFIG, "an output folder without a name");
    place->output = strndup(output, length);
    if (place->output && realpath(place->output, resolved)) { /* a link to a folder: its target is replaced, not it */
        free(place->output);
        place->output = strdup(resolved);
    }
    if (!place->output || asprintf(&place->temporary, "%s.tmp-%ld", place->output, (long)getpid()) < 0 ||
        asprintf(&place->rejects, "%s.rejects.csv", place->output) < 0)
        return cr_fail_memory("a path", length);
    status = look_at(place->output, force, &place->replace);
    return status;
}

cr_status cr_pack_place_make_parent(const cr_pack_place *place)
{
    char *parent = cr_path_parent(place->output);
    cr_status status = parent ? cr_make_folders(parent) : cr_fail_memory("a path", strlen(place->output));
    free(parent);
    return status;
}

cr_status cr_pack_place_make(cr_pack_place *place)
{
    cr_status status = cr_pack_place_make_parent(place);
    if (status != CR_OK)
        return status;
    /* left by a process of the same number that was killed */
    if (!access(place->temporary, F_OK))
        delete_pack(place->temporary, true);
    if (mkdir(place->temporary, 0777))
        return cr_fail_errno("%s: cannot make the folder", place->temporary);
    return CR_OK;
}

/* The new pack into the place of the old one. Without an exchange there is a moment with no pack in the place. */
static cr_status swap_packs(const cr_pack_place *place)
{
    if (!renameat2(AT_FDCWD, place->temporary, AT_FDCWD, place->output, RENAME_EXCHANGE)) {
        delete_pack(place->temporary, false);
        return CR_OK;
    }
    if (errno != EINVAL && errno != ENOSYS)
        return cr_fail_errno("%s: cannot put the new pack into its place", place->output);
    char *aside = NULL;
    if (asprintf(&aside, "%s.old-%ld", place->output, (long)getpid()) < 0)
        return cr_fail_memory("a path", strlen(place->output));
    cr_status status = CR_OK;
    if (rename(place->output, aside)) {
        status = cr_fail_errno("%s: cannot move the former pack aside", place->output);
    } else if (rename(place->temporary, place->output)) {
        status = cr_fail_errno("%s: cannot put the new pack into its place", place->output);
        if (rename(aside, place->output))
            cr_log_error("the former pack is now %s", aside);
    } else {
        delete_pack(aside, false);
    }
    free(aside);
    return status;
}

cr_status cr_pack_place_publish(cr_pack_place *place)
{
    bool replace = false;
    cr_status status;
    CR_TRY(cr_sync_folder(place->temporary));
    CR_TRY(look_at(place->output, place->replace, &replace)); /* minutes have passed */
    if (replace)
        CR_TRY(swap_packs(place));
    else if (rename(place->temporary, place->output)) { /* an empty folder in the place is replaced */
        status = cr_fail_errno("%s: cannot put the pack into its place", place->output);
        goto done;
    }
    free(place->temporary); /* nothing of ours has that name any more */
    place->temporary = NULL;
    unlink(place->rejects); /* of an earlier attempt that failed */
    CR_TRY(cr_sync_parent(place->output));
done:
    return status;
}

void cr_pack_place_clear(cr_pack_place *place)
{
    if (place->temporary && !access(place->temporary, F_OK))
        delete_pack(place->temporary, true);
    free(place->output);
    free(place->temporary);
    free(place->rejects);
    *place = (cr_pack_place){0};
}
