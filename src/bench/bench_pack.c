/* A pack to measure with, where the user has none: the synthetic data set through the ordinary recipe and packer. */
#include "bench_parts.h"

#include "crisol/atomic_file.h"
#include "crisol/pack_build.h"
#include "crisol/synth.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char recipe[] = "root: .\n"
                             "table: table.csv\n"
                             "image: \"{image}\"\n"
                             "id: \"{id}\"\n"
                             "group: group\n"
                             "columns:\n"
                             "  size_mm: {kind: numeric}\n"
                             "  material: {kind: categorical}\n"
                             "  marks: {kind: list}\n"
                             "label:\n"
                             "  column: label\n"
                             "  classes: [striped-small, dotted-small, striped-large, dotted-large]\n";

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static cr_status make(const char *folder, int64_t n_samples)
{
    char data[4096 + 16], path[4096 + 32], pack[4096 + 16];
    cr_status status = CR_OK;
    cr_pack_build_report report;
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(path, sizeof path, "%s/recipe.yaml", data);
    snprintf(pack, sizeof pack, "%s/pack", folder);
    if (mkdir(folder, 0700))
        return cr_fail_errno("%s: cannot make a folder for the synthetic pack; name another with --scratch", folder);
    CR_TRY(cr_synth_write(data, n_samples, 1));
    CR_TRY(cr_atomic_file_save(path, recipe, strlen(recipe)));
    cr_pack_build_options options = {.recipe = path, .output = pack};
    CR_TRY(cr_pack_build(&options, &report));
done:
    return status;
}

cr_status cr_bench_make_pack(cr_comm *comm, const char *scratch, int64_t n_samples, char folder[4096])
{
    char host[64] = "";
    uint64_t token = 0;
    cr_status status = CR_OK;
    gethostname(host, sizeof host - 1);
    if (getrandom(&token, sizeof token, 0) != sizeof token)
        token = (uint64_t)getpid();
    CR_TRY(cr_comm_broadcast(comm, &token, sizeof token, 0));
    snprintf(folder, 4096, "%.3900s/crisol-bench-%016llx-%s", scratch, (unsigned long long)token, host);
    CR_TRY(cr_comm_agree(comm, cr_comm_local_rank(comm) == 0 ? make(folder, n_samples) : CR_OK));
done:
    return status;
}

void cr_bench_remove_pack(cr_comm *comm, const char *folder)
{
    if (cr_comm_barrier(comm) == CR_OK && cr_comm_local_rank(comm) == 0)
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
