/* Every collective of crisol/comm.h on as many ranks as the launcher started. */
#include "crisol/clock.h"
#include "mpi_check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LARGE = 300007
};

/* Byte i of what rank `from` has for rank `to`. */
static unsigned char token(int from, int to, size_t i)
{
    return (unsigned char)(31 * from + 7 * to + i % 251 + i / 251);
}

static void *make(size_t bytes)
{
    void *data = calloc(bytes ? bytes : 1, 1);
    if (!data)
        abort();
    return data;
}

static void check_broadcast(cr_comm *comm)
{
    unsigned char *data = make(LARGE);
    for (int root = 0; root < cr_comm_size(comm); root++) {
        for (size_t i = 0; i < LARGE; i++)
            data[i] = cr_comm_rank(comm) == root ? token(root, root, i) : 0;
        CHECK_OK(comm, cr_comm_broadcast(comm, data, LARGE, root));
        for (size_t i = 0; i < LARGE; i++)
            CHECK(comm, data[i] == token(root, root, i));
    }
    CHECK_OK(comm, cr_comm_broadcast(comm, NULL, 0, 0));
    CHECK(comm, cr_comm_broadcast(comm, data, 1, cr_comm_size(comm)) == CR_INTERNAL);
    free(data);
}

static void check_allgather(cr_comm *comm)
{
    int size = cr_comm_size(comm), rank = cr_comm_rank(comm);
    int *all = make((size_t)size * sizeof *all);
    int mine = 10 * rank;
    CHECK_OK(comm, cr_comm_allgather(comm, &mine, sizeof mine, all));
    for (int r = 0; r < size; r++)
        CHECK(comm, all[r] == 10 * r);
    free(all);
}

/* Different sizes, one of them nothing, with gaps between; once from outside and once in place. */
static void check_allgatherv(cr_comm *comm)
{
    int size = cr_comm_size(comm), rank = cr_comm_rank(comm);
    size_t *counts = make((size_t)size * sizeof *counts), *offsets = make((size_t)size * sizeof *offsets), end = 0;
    for (int r = 0; r < size; r++) {
        counts[r] = r == 1 ? 0 : (size_t)(LARGE / (r + 1));
        offsets[r] = end + 5;
        end = offsets[r] + counts[r];
    }
    for (int in_place = 0; in_place < 2; in_place++) {
        unsigned char *all = make(end), *mine = make(counts[rank]);
        for (size_t i = 0; i < counts[rank]; i++)
            mine[i] = token(rank, 0, i);
        if (in_place)
            memcpy(all + offsets[rank], mine, counts[rank]);
        CHECK_OK(comm, cr_comm_allgatherv(comm, in_place ? NULL : mine, all, counts, offsets));
        for (int r = 0; r < size; r++)
            for (size_t i = 0; i < counts[r]; i++)
                CHECK(comm, all[offsets[r] + i] == token(r, 0, i));
        free(all);
        free(mine);
    }
    free(counts);
    free(offsets);
}

/* Bytes that rank `from` sends rank `to`; some pairs have nothing for each other. */
static size_t amount(int from, int to)
{
    return (from + to) % 3 == 2 ? 0 : (size_t)(1 + LARGE / 5 * from + 999 * to);
}

static void check_alltoallv(cr_comm *comm)
{
    int size = cr_comm_size(comm), rank = cr_comm_rank(comm);
    size_t *table = make(4 * (size_t)size * sizeof *table), send_bytes = 0, receive_bytes = 0;
    size_t *send_counts = table, *send_offsets = table + size, *receive_counts = send_offsets + size,
           *receive_offsets = receive_counts + size;
    for (int r = 0; r < size; r++) {
        send_counts[r] = amount(rank, r);
        send_offsets[r] = send_bytes;
        send_bytes += send_counts[r];
        receive_counts[r] = amount(r, rank);
        receive_offsets[r] = receive_bytes;
        receive_bytes += receive_counts[r];
    }
    unsigned char *send = make(send_bytes), *receive = make(receive_bytes);
    for (int r = 0; r < size; r++)
        for (size_t i = 0; i < send_counts[r]; i++)
            send[send_offsets[r] + i] = token(rank, r, i);
    CHECK_OK(comm, cr_comm_alltoallv(comm, send, send_counts, send_offsets, receive, receive_counts, receive_offsets));
    for (int r = 0; r < size; r++)
        for (size_t i = 0; i < receive_counts[r]; i++)
            CHECK(comm, receive[receive_offsets[r] + i] == token(r, rank, i));
    free(send);
    free(receive);
    free(table);
}

static void check_sum(cr_comm *comm)
{
    int size = cr_comm_size(comm), rank = cr_comm_rank(comm);
    float *data = make(LARGE * sizeof *data);
    for (int64_t i = 0; i < LARGE; i++)
        data[i] = (float)(rank + i % 1000); /* small whole numbers: exact in any order */
    CHECK_OK(comm, cr_comm_sum_unordered(comm, data, LARGE));
    for (int64_t i = 0; i < LARGE; i++)
        CHECK(comm, data[i] == (float)(size * (i % 1000) + size * (size - 1) / 2));
    free(data);
}

static void check_agree(cr_comm *comm)
{
    int size = cr_comm_size(comm), rank = cr_comm_rank(comm);
    CHECK_OK(comm, cr_comm_agree(comm, CR_OK));
    for (int bad = 0; bad < size; bad++) { /* ranks `bad` and above fail; the lowest one's story is told */
        cr_status mine = rank < bad ? CR_OK : cr_fail(rank == bad ? CR_BAD_DATA : CR_IO, "shard %d is damaged", rank);
        char expected[64], start[64];
        snprintf(expected, sizeof expected, "%sshard %d is damaged", size > 1 ? "): " : "", bad);
        snprintf(start, sizeof start, size > 1 ? "rank %d (" : "shard %d", bad);
        CHECK(comm, cr_comm_agree(comm, mine) == CR_BAD_DATA);
        CHECK(comm, strstr(cr_error_message(), expected));
        CHECK(comm, strncmp(cr_error_message(), start, strlen(start)) == 0);
    }
    CHECK_OK(comm, cr_comm_agree(comm, CR_OK)); /* and work can go on */
}

/* Two groups by parity that work at the same time, a rank that is in none, and a group of a group. */
static void check_split(cr_comm *comm)
{
    int size = cr_comm_size(comm), rank = cr_comm_rank(comm);
    cr_comm *part = NULL, *lone = NULL;
    CHECK_OK(comm, cr_comm_split(comm, rank % 2, &part));
    CHECK(comm, part && cr_comm_rank(part) == rank / 2);
    CHECK(comm, cr_comm_size(part) == (size + 1 - rank % 2) / 2);
    CHECK(comm, cr_comm_local_rank(part) == cr_comm_rank(part)); /* all on this host */
    CHECK(comm, cr_comm_host_rank(part) == cr_comm_rank(comm));
    check_allgather(part);
    check_agree(part);
    CHECK_OK(part, cr_comm_split(part, cr_comm_rank(part), &lone));
    CHECK(part, cr_comm_size(lone) == 1);
    cr_comm_close(&lone);
    cr_comm_close(&part);
    CHECK_OK(comm, cr_comm_split(comm, rank == size - 1 ? -1 : 5, &part));
    CHECK(comm, (part == NULL) == (rank == size - 1));
    if (part)
        CHECK_OK(comm, cr_comm_barrier(part));
    cr_comm_close(&part);
}

/* While another works, a waiting rank leaves the processor alone. */
static void check_waiting_sleeps(cr_comm *comm)
{
    const struct timespec late = {0, 400 * 1000 * 1000};
    if (cr_comm_rank(comm) == 0)
        nanosleep(&late, NULL);
    double start_s = cr_clock_s();
    clock_t before = clock();
    CHECK_OK(comm, cr_comm_barrier(comm));
    double used_s = (double)(clock() - before) / CLOCKS_PER_SEC;
    CHECK(comm, cr_comm_rank(comm) == 0 || used_s < 0.5 * (cr_clock_s() - start_s));
}

/* srun without PMIx: processes that cannot find each other must not each do the whole job. */
static int check_srun_alone(void)
{
    cr_comm *comm = NULL;
    setenv("SLURM_STEP_NUM_TASKS", "2", 1);
    cr_status status = cr_comm_open_world(&comm);
    unsetenv("SLURM_STEP_NUM_TASKS");
    if (status == CR_BAD_CONFIG && !comm && strstr(cr_error_message(), "--mpi=pmix"))
        return 0;
    fprintf(stderr, "two srun tasks without PMIx: status %d, %s\n", (int)status, cr_error_message());
    return 1;
}

/* The last rank gives up while the others wait for it: all end, with its code. */
static void abort_on_last_rank(cr_comm *comm)
{
    if (cr_comm_rank(comm) == cr_comm_size(comm) - 1)
        cr_comm_abort(comm, CR_BAD_DATA);
    CHECK_OK(comm, cr_comm_barrier(comm));
}

int main(int argc, char **argv)
{
    cr_comm *comm = NULL, *again = NULL;
    const char *launched = getenv("OMPI_COMM_WORLD_SIZE");
    if (!launched && check_srun_alone() != 0)
        return 1;
    if (cr_comm_open_world(&comm) != CR_OK) {
        fprintf(stderr, "%s\n", cr_error_message());
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "abort") == 0)
        abort_on_last_rank(comm);
    CHECK(comm, cr_comm_size(comm) == (launched ? atoi(launched) : 1));
    CHECK(comm, strcmp(cr_comm_library(comm), "serial") == 0 || launched);
    CHECK(comm, cr_comm_local_rank(comm) == cr_comm_rank(comm) && cr_comm_local_size(comm) == cr_comm_size(comm));
    if (launched)
        CHECK(comm, cr_comm_open_world(&again) == CR_INTERNAL && !again);
    CHECK_OK(comm, cr_comm_barrier(comm));
    check_broadcast(comm);
    check_allgather(comm);
    check_allgatherv(comm);
    check_alltoallv(comm);
    check_sum(comm);
    check_agree(comm);
    check_split(comm);
    check_waiting_sleeps(comm);
    if (cr_comm_rank(comm) == 0)
        printf("%d ranks, %s: all collectives right\n", cr_comm_size(comm), cr_comm_library(comm));
    cr_comm_close(&comm);
    cr_comm_close(&comm);
    return 0;
}
