/* What a record says of the program, its libraries and the machine. */
#include "crisol/clock.h"
#include "crisol/json.h"
#include "crisol/record.h"
#include "crisol/workers.h"
#include "crisol_version.h"

#include <ctype.h>
#include <glob.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Nothing else of the environment is copied: it may hold secrets. */
static const char *const environment_names[] = {
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_MAX_CPU_ISA",
    "NCCL_ALGO",
    "NCCL_IB_DISABLE",
    "NCCL_NVLS_ENABLE",
    "NCCL_PROTO",
    "NCCL_SOCKET_IFNAME",
    "OMPI_COMM_WORLD_SIZE",
    "OMP_NUM_THREADS",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "ONEDNN_MAX_CPU_ISA",
    "SLURMD_NODENAME",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_CLUSTER_NAME",
    "SLURM_CPUS_ON_NODE",
    "SLURM_CPUS_PER_TASK",
    "SLURM_CPU_BIND",
    "SLURM_GPUS_ON_NODE",
    "SLURM_JOB_END_TIME",
    "SLURM_JOB_ID",
    "SLURM_JOB_NAME",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_NUM_NODES",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_START_TIME",
    "SLURM_NTASKS",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_RESTART_COUNT",
    "SLURM_STEP_ID",
};
/* Instruction sets that decide which kernels run, by the names of /proc/cpuinfo. */
static const char *const isa_names[] = {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile"};

enum {
    VALUE_MAX = 4096,
    LINE_MAX_BYTES = 1 << 16,
    CORES_MAX = 1 << 16
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

/* First line of a small file that begins with `key`, without it; "" when there is none. */
static void read_line(const char *path, const char *key, char *text, size_t bytes)
{
    char line[512];
    FILE *in = fopen(path, "r");
    text[0] = 0;
    while (in && !text[0] && fgets(line, sizeof line, in)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *value = line + strlen(key);
        value += strspn(value, " \t:");
        snprintf(text, bytes, "%.*s", (int)strcspn(value, "\n"), value);
    }
    if (in)
        fclose(in);
}

/* What NVIDIA's kernel driver says of itself, for which no library is needed; absent without one. */
static void add_gpus(json_t *host)
{
    glob_t files = {0};
    char text[256];
    json_t *gpus = json_array();
    if (!glob("/proc/driver/nvidia/gpus/*/information", 0, NULL, &files)) {
        for (size_t i = 0; i < files.gl_pathc; i++) {
            read_line(files.gl_pathv[i], "Model", text, sizeof text);
            json_array_append_new(gpus, json_string(text));
        }
    }
    globfree(&files);
    json_object_set_new(host, "gpus", gpus);
    read_line("/proc/driver/nvidia/version", "NVRM version", text, sizeof text);
    if (text[0])
        json_object_set_new(host, "gpu_driver", json_string(text));
}

static int count_numa_nodes(void)
{
    glob_t nodes = {0};
    int n = glob("/sys/devices/system/node/node[0-9]*", 0, NULL, &nodes) ? 1 : (int)nodes.gl_pathc;
    globfree(&nodes);
    return n;
}

void cr_record_cores(char *text, size_t bytes)
{
    cpu_set_t *set = CPU_ALLOC(CORES_MAX);
    size_t set_bytes = CPU_ALLOC_SIZE(CORES_MAX), used = 0;
    text[0] = 0;
    bool known = set && !sched_getaffinity(0, set_bytes, set);
    for (int first = 0; known && first < CORES_MAX; first++) {
        int last = first;
        if (!CPU_ISSET_S(first, set_bytes, set))
            continue;
        while (last + 1 < CORES_MAX && CPU_ISSET_S(last + 1, set_bytes, set))
            last++;
        int printed =
            snprintf(text + used, bytes - used, last > first ? "%s%d-%d" : "%s%d", used ? "," : "", first, last);
        if (printed < 0 || (size_t)printed >= bytes - used)
            break;
        used += (size_t)printed;
        first = last;
    }
    CPU_FREE(set);
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
    json_object_set_new(host, "numa_nodes", json_integer(count_numa_nodes()));
    json_object_set_new(host, "memory_bytes",
                        json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
    add_gpus(host);
    return host;
}

/* "HDF5 1.10.8, libpng 1.6.39" → one entry each; a version begins at the last blank. */
static void add_libraries(json_t *all, const char *list)
{
    char *text = strdup(list), *rest = NULL;
    for (char *one = text ? strtok_r(text, ",", &rest) : NULL; one; one = strtok_r(NULL, ",", &rest)) {
        one += strspn(one, " ");
        char *version = strrchr(one, ' ');
        if (version)
            *version++ = 0;
        json_object_set_new(all, one, json_string(version ? version + (version[0] == 'v' && isdigit(version[1])) : ""));
    }
    free(text);
}

struct json_t *cr_record_facts(const char *const libraries[], int n)
{
    char binary[CR_HASH_TEXT] = "";
    uint64_t bytes;
    json_t *found = json_object();
    for (int i = 0; i < n; i++)
        add_libraries(found, libraries[i]);
    json_object_set_new(found, "C library", json_string(gnu_get_libc_version()));
    if (cr_hash_file("/proc/self/exe", &bytes, binary) != CR_OK) /* no /proc: the record lacks it, the run does not */
        snprintf(binary, sizeof binary, "unknown");
    return json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:s}, s:o, s:o, s:o}", "program", "version", CRISOL_VERSION,
                     "revision", CRISOL_REVISION, "diff", CRISOL_DIFF, "compiler", CRISOL_COMPILER, "flags",
                     CRISOL_FLAGS, "binary", binary, "libraries", found, "host", host_facts(), "environment",
                     environment_facts());
}
