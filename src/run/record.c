#include "crisol/atomic_file.h"
#include "crisol/clock.h"
#include "crisol/json.h"
#include "crisol/run.h"
#include "crisol/workers.h"
#include "crisol_version.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Nothing else of the environment is copied: it may hold secrets. */
static const char *const environment_names[] = {
    "CUDA_VISIBLE_DEVICES",  "DNNL_MAX_CPU_ISA",     "NCCL_ALGO",
    "NCCL_IB_DISABLE",       "NCCL_PROTO",           "NCCL_SOCKET_IFNAME",
    "OMPI_COMM_WORLD_SIZE",  "OMP_NUM_THREADS",      "ONEDNN_MAX_CPU_ISA",
    "SLURMD_NODENAME",       "SLURM_ARRAY_JOB_ID",   "SLURM_ARRAY_TASK_ID",
    "SLURM_CLUSTER_NAME",    "SLURM_CPUS_ON_NODE",   "SLURM_CPUS_PER_TASK",
    "SLURM_GPUS_ON_NODE",    "SLURM_JOB_END_TIME",   "SLURM_JOB_ID",
    "SLURM_JOB_NAME",        "SLURM_JOB_NODELIST",   "SLURM_JOB_NUM_NODES",
    "SLURM_JOB_PARTITION",   "SLURM_JOB_START_TIME", "SLURM_NTASKS",
    "SLURM_NTASKS_PER_NODE", "SLURM_RESTART_COUNT",  "SLURM_STEP_ID",
};
/* Instruction sets that decide which kernels run, by the names of /proc/cpuinfo. */
static const char *const isa_names[] = {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile"};

enum {
    VALUE_MAX = 4096,
    LINE_MAX_BYTES = 1 << 16
};

static json_t *environment_facts(void)
{
    json_t *facts = json_object();
    for (size_t i = 0; i < sizeof environment_names / sizeof environment_names[0]; i++) {
        const char *value = getenv(environment_names[i]);
        if (value) /* json_string refuses what is not UTF-8: then the name is left out */
            json_object_set_new(facts, environment_names[i], json_stringn(value, strnlen(value, VALUE_MAX)));
    }
    return facts;
}

static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = line; (at = strstr(at, word)); at += length)
        if ((at == line || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

/* The first processor's entry; other systems than Linux on x86 leave it out. */
static void add_cpu(json_t *host)
{
    static const char path[] = "/proc/cpuinfo";
    FILE *in = fopen(path, "r");
    char *line = malloc(LINE_MAX_BYTES);
    bool named = false, listed = false;
    while (in && line && !(named && listed) && fgets(line, LINE_MAX_BYTES, in)) {
        line[strcspn(line, "\n")] = 0;
        const char *value = strchr(line, ':');
        if (!value)
            continue;
        value += 1 + (value[1] == ' ');
        if (!named && !strncmp(line, "model name", 10))
            named = !json_object_set_new(host, "cpu", json_string(value));
        if (!listed && !strncmp(line, "flags", 5)) {
            json_t *isa = json_array();
            for (size_t i = 0; i < sizeof isa_names / sizeof isa_names[0]; i++)
                if (has_word(value, isa_names[i]))
                    json_array_append_new(isa, json_string(isa_names[i]));
            listed = !json_object_set_new(host, "isa", isa);
        }
    }
    free(line);
    if (in)
        fclose(in);
}

static json_t *host_facts(void)
{
    json_t *host = json_object();
    struct utsname system;
    if (!uname(&system)) {
        json_object_set_new(host, "name", json_string(system.nodename));
        json_object_set_new(host, "kernel", json_sprintf("%s %s", system.sysname, system.release));
        json_object_set_new(host, "machine", json_string(system.machine));
    }
    add_cpu(host);
    json_object_set_new(host, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(host, "cores_allowed", json_integer(cr_cores_available()));
    json_object_set_new(host, "memory_bytes",
                        json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
    return host;
}

cr_status cr_run_save_record(cr_run *run, struct json_t *record)
{
    cr_status status = CR_OK;
    char now[24];
    char *path = cr_path_join(cr_run_folder(run), "record.json");
    cr_clock_utc(now, sizeof now);
    json_t *facts = json_pack("{s:s, s:{s:s, s:s, s:s, s:s}, s:o, s:o}", "started", now, "program", "version",
                              CRISOL_VERSION, "revision", CRISOL_REVISION, "compiler", CRISOL_COMPILER, "flags",
                              CRISOL_FLAGS, "host", host_facts(), "environment", environment_facts());
    if (!path || !facts || json_object_update(facts, record)) {
        status = cr_fail(CR_INTERNAL, "record.json: out of memory, or the record is no object");
        goto done;
    }
    CR_TRY(cr_json_save(path, facts));
done:
    json_decref(facts);
    json_decref(record);
    free(path);
    return status;
}
