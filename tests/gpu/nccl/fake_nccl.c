/* A libnccl.so.2 for machines without a GPU: it moves arrays of the host between processes of one machine through a
 * file that they map, and fails on command. What is checked with it is our use of NCCL, not NCCL.
 *
 * CRISOL_FAKE_NCCL, e.g. "Send:3@1=system": the third ncclSend of rank 1 fails. Without ":3" every call fails, without
 * "@1" on every rank. Errors: system, internal, remote (the peer is gone), hang (calls that wait, wait for ever).
 * CRISOL_FAKE_NCCL_VERSION: the number that ncclGetVersion tells. */
#include <errno.h>
#include <fcntl.h>
#include <nccl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    MOST_RANKS = 8,
    MOST_FLOWS = 4 * MOST_RANKS,
    RING = 1 << 16
};

typedef struct ring { /* bytes from one rank to another */
    _Atomic uint64_t written, taken;
    char bytes[RING];
} ring;

typedef struct board { /* what all ranks map */
    atomic_int n_arrived, n_left;
    ring rings[MOST_RANKS][MOST_RANKS]; /* [from][to] */
} board;

typedef struct flow { /* one array on its way */
    bool sends;
    int peer;
    char *at;
    size_t left;
} flow;

struct ncclComm {
    int rank, n_ranks;
    board *shared;
    bool arrived;
    flow flows[MOST_FLOWS];
    int n_flows;
    float *sum, *parts; /* of an all-reduce: where to, and the ranks' arrays */
    size_t n_sum;
    ncclResult_t error; /* for ever after */
};

static struct ncclComm *the_comm; /* one a process */
static int group_depth;
static char last_error[128];

/* --- failing on command ------------------------------------------------------------------------------------------ */

static ncclResult_t result_of(const char *word)
{
    return !strcmp(word, "system")     ? ncclSystemError
           : !strcmp(word, "internal") ? ncclInternalError
           : !strcmp(word, "remote")   ? ncclRemoteError
                                       : ncclInProgress;
}

/* The result that CRISOL_FAKE_NCCL wants of this call, or ncclSuccess. */
static ncclResult_t ordered(const char *call, int *n_calls)
{
    const char *order = getenv("CRISOL_FAKE_NCCL");
    char name[32] = "", word[16] = "";
    int nth = 0, rank = -1;
    ++*n_calls;
    if (!order || sscanf(order, "%31[A-Za-z]", name) != 1 || strcmp(name, call) != 0)
        return ncclSuccess;
    const char *colon = strchr(order, ':'), *at = strchr(order, '@'), *equals = strchr(order, '=');
    nth = colon ? atoi(colon + 1) : 0;
    rank = at ? atoi(at + 1) : -1;
    snprintf(word, sizeof word, "%s", equals ? equals + 1 : "system");
    const char *mine = getenv("OMPI_COMM_WORLD_RANK");
    if ((nth > 0 && *n_calls != nth) || (rank >= 0 && rank != (mine ? atoi(mine) : 0)))
        return ncclSuccess;
    snprintf(last_error, sizeof last_error, "as ordered, in call %d of nccl%s", *n_calls, call);
    return result_of(word);
}

#define FAIL_IF_ORDERED(call)                                                                                          \
    do {                                                                                                               \
        static int n_calls;                                                                                            \
        ncclResult_t wanted = ordered(call, &n_calls);                                                                 \
        if (wanted == ncclInProgress && the_comm)                                                                      \
            the_comm->error = ncclInProgress;                                                                          \
        if (wanted != ncclSuccess)                                                                                     \
            return wanted;                                                                                             \
    } while (0)

/* --- moving bytes ------------------------------------------------------------------------------------------------ */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* As many bytes as there are, or as there is room for. */
static void move(flow *f, ring *r)
{
    uint64_t written = atomic_load(&r->written), taken = atomic_load(&r->taken);
    size_t n = least(f->left, f->sends ? RING - (size_t)(written - taken) : (size_t)(written - taken));
    for (size_t i = 0; i < n; i++) {
        if (f->sends)
            r->bytes[(written + i) % RING] = f->at[i];
        else
            f->at[i] = r->bytes[(taken + i) % RING];
    }
    f->at += n;
    f->left -= n;
    if (f->sends)
        atomic_store(&r->written, written + n);
    else
        atomic_store(&r->taken, taken + n);
}

/* The ranks' arrays from the last to the first: not the tree's order, as a library's may be. */
static void finish_sum(struct ncclComm *comm)
{
    for (size_t i = 0; comm->sum && i < comm->n_sum; i++) {
        float sum = 0;
        for (int r = comm->n_ranks - 1; r >= 0; r--)
            sum += r == comm->rank ? comm->sum[i] : comm->parts[(size_t)r * comm->n_sum + i];
        comm->sum[i] = sum;
    }
    free(comm->parts);
    comm->sum = comm->parts = NULL;
}

/* True when all has arrived. Arrays between the same two ranks go one after the other. */
static bool progress(struct ncclComm *comm)
{
    bool is_busy[2][MOST_RANKS] = {{false}};
    int n_left = 0;
    for (int i = 0; i < comm->n_flows; i++) {
        flow *f = &comm->flows[i];
        if (f->left > 0 && !is_busy[f->sends][f->peer])
            move(f, f->sends ? &comm->shared->rings[comm->rank][f->peer] : &comm->shared->rings[f->peer][comm->rank]);
        is_busy[f->sends][f->peer] |= f->left > 0;
        n_left += f->left > 0;
    }
    if (n_left > 0)
        return false;
    comm->n_flows = 0;
    finish_sum(comm);
    return true;
}

static ncclResult_t add_flow(struct ncclComm *comm, bool sends, int peer, const void *array, size_t count)
{
    if (comm->n_flows == MOST_FLOWS || peer == comm->rank || peer < 0 || peer >= comm->n_ranks || group_depth == 0)
        return ncclInvalidUsage;
    comm->flows[comm->n_flows++] = (flow){sends, peer, (char *)(uintptr_t)array, count * sizeof(float)};
    return ncclSuccess;
}

/* --- NCCL --------------------------------------------------------------------------------------------------------- */

ncclResult_t ncclGetVersion(int *version)
{
    const char *told = getenv("CRISOL_FAKE_NCCL_VERSION");
    FAIL_IF_ORDERED("GetVersion");
    *version = told ? atoi(told) : NCCL_VERSION_CODE;
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
    return result == ncclSystemError     ? "unhandled system error"
           : result == ncclInternalError ? "internal error"
           : result == ncclRemoteError   ? "remote process exited or there was a network error"
           : result == ncclInvalidUsage  ? "invalid usage"
                                         : "another result";
}

const char *ncclGetLastError(ncclComm_t comm)
{
    (void)comm;
    return last_error;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    FAIL_IF_ORDERED("GetUniqueId");
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "/crisol-fake-nccl-%ld", (long)getpid());
    int file = shm_open(id->internal, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || ftruncate(file, sizeof(board)) != 0)
        return ncclSystemError;
    close(file);
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config)
{
    if (config->blocking != 0 || n_ranks > MOST_RANKS)
        return ncclInvalidUsage;
    struct ncclComm *made = calloc(1, sizeof *made);
    int file = shm_open(id.internal, O_RDWR, 0600);
    if (!made || file < 0) {
        free(made);
        return ncclSystemError;
    }
    *made = (struct ncclComm){.rank = rank, .n_ranks = n_ranks};
    made->shared = mmap(NULL, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (made->shared == MAP_FAILED) {
        free(made);
        return ncclSystemError;
    }
    if (atomic_fetch_add(&made->shared->n_arrived, 1) + 1 == n_ranks)
        shm_unlink(id.internal); /* all have it */
    *comm = the_comm = made;
    FAIL_IF_ORDERED("CommInitRankConfig");
    return ncclInProgress;
}

/* Counted are the calls that say that all is well, whose number does not depend on timing. */
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error)
{
    if (comm->error == ncclSuccess && !comm->arrived)
        comm->arrived = atomic_load(&comm->shared->n_arrived) == comm->n_ranks;
    *error = comm->error;
    if (comm->error == ncclSuccess && !(comm->arrived && progress(comm)))
        *error = ncclInProgress;
    if (*error == ncclSuccess)
        FAIL_IF_ORDERED("CommGetAsyncError");
    return ncclSuccess;
}

static ncclResult_t release(ncclComm_t comm)
{
    munmap(comm->shared, sizeof *comm->shared);
    free(comm->parts);
    free(comm);
    the_comm = NULL;
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm)
{
    (void)comm;
    FAIL_IF_ORDERED("CommFinalize");
    return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    return release(comm);
}

ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    return release(comm);
}

ncclResult_t ncclGroupStart(void); /* nccl.h has no prototypes of these two */
ncclResult_t ncclGroupEnd(void);

ncclResult_t ncclGroupStart(void)
{
    FAIL_IF_ORDERED("GroupStart");
    group_depth++;
    return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void)
{
    if (--group_depth < 0)
        return ncclInvalidUsage;
    FAIL_IF_ORDERED("GroupEnd");
    return ncclInProgress;
}

ncclResult_t ncclSend(const void *array, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream)
{
    FAIL_IF_ORDERED("Send");
    return type != ncclFloat || !stream ? ncclInvalidArgument : add_flow(comm, true, peer, array, count);
}

ncclResult_t ncclRecv(void *array, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream)
{
    FAIL_IF_ORDERED("Recv");
    return type != ncclFloat || !stream ? ncclInvalidArgument : add_flow(comm, false, peer, array, count);
}

ncclResult_t ncclBroadcast(const void *from, void *to, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream)
{
    ncclResult_t result = type != ncclFloat || !stream || from != to ? ncclInvalidArgument : ncclSuccess;
    FAIL_IF_ORDERED("Broadcast");
    for (int r = 0; r < comm->n_ranks && result == ncclSuccess; r++) {
        if (root == comm->rank && r != root)
            result = add_flow(comm, true, r, from, count);
        else if (root != comm->rank && r == root)
            result = add_flow(comm, false, root, to, count);
    }
    return result;
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream)
{
    FAIL_IF_ORDERED("AllReduce");
    if (type != ncclFloat || op != ncclSum || from != to || !stream || comm->sum)
        return ncclInvalidArgument;
    comm->parts = calloc((size_t)comm->n_ranks * count, sizeof(float));
    if (!comm->parts)
        return ncclSystemError;
    comm->sum = to;
    comm->n_sum = count;
    ncclResult_t result = ncclSuccess;
    for (int r = 0; r < comm->n_ranks && result == ncclSuccess; r++) {
        if (r == comm->rank)
            continue;
        result = add_flow(comm, true, r, from, count);
        if (result == ncclSuccess)
            result = add_flow(comm, false, r, comm->parts + (size_t)r * count, count);
    }
    return result;
}
