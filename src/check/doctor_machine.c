/* Processor, cores, memory, and settings of the environment that decide how they are used. */
#include "doctor.h"

#include "crisol/record.h"
#include "crisol/train.h"
#include "crisol/workers.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const double least_memory_gb = 2; /* of ResNet-18 with a micro-batch of 8 on two workers, and some more */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "unknown";
}

static void say_processor(cr_doctor *doctor, const json_t *host)
{
    char isa[128] = "";
    size_t i;
    json_t *one;
    bool has_avx2 = false, has_avx512 = false, has_bf16 = false;
    json_array_foreach(json_object_get(host, "isa"), i, one)
    {
        const char *name = json_string_value(one);
        snprintf(isa + strlen(isa), sizeof isa - strlen(isa), " %s", name);
        has_avx2 = has_avx2 || !strcmp(name, "avx2");
        has_avx512 = has_avx512 || !strcmp(name, "avx512f");
        has_bf16 = has_bf16 || strstr(name, "bf16");
    }
    const char *speed = has_avx512 ? "AVX-512 kernels" : has_avx2 ? "AVX2 kernels" : "no AVX2, so slow ones";
    cr_doctor_say(doctor, "processor", has_avx2 ? CR_HEALTH_OK : CR_HEALTH_WARNING,
                  has_avx2 ? NULL : "train on a machine with AVX2 or AVX-512", "%s,%s: %s; bf16 %s",
                  text_of(host, "cpu"), isa, speed, has_bf16 ? "by instructions" : "not");
}

/* A container's share of time, in cores; 0: no limit. */
static double cgroup_cores(void)
{
    double quota = 0, period = 0;
    FILE *in = fopen("/sys/fs/cgroup/cpu.max", "r"); /* version 2: "max 100000" or "150000 100000" */
    if (in && fscanf(in, "%lf %lf", &quota, &period) != 2)
        quota = 0;
    if (in)
        fclose(in);
    return quota > 0 && period > 0 ? quota / period : 0;
}

static void say_cores(cr_doctor *doctor)
{
    char cores[128];
    int n = cr_cores_available();
    long all = sysconf(_SC_NPROCESSORS_ONLN);
    double quota = cgroup_cores();
    cr_record_cores(cores, sizeof cores);
    if (quota > 0 && quota < n)
        cr_doctor_say(doctor, "cores", CR_HEALTH_WARNING, "ask for whole cores, or set cpu.workers to the share",
                      "%d of %ld (%s), but the container may use the time of %.1f", n, all, cores, quota);
    else
        cr_doctor_say(doctor, "cores", CR_HEALTH_OK, NULL, "this process may use %d of %ld (%s)", n, all, cores);
}

/* A line of /proc/meminfo in bytes. */
static double memory_line(const char *name)
{
    char line[128];
    double found = 0;
    FILE *in = fopen("/proc/meminfo", "r");
    while (in && found == 0 && fgets(line, sizeof line, in))
        if (!strncmp(line, name, strlen(name)))
            found = 1024 * strtod(line + strlen(name), NULL);
    if (in)
        fclose(in);
    return found;
}

static double cgroup_memory(void)
{
    double limit = 0;
    FILE *in = fopen("/sys/fs/cgroup/memory.max", "r"); /* a number, or "max" */
    if (in && fscanf(in, "%lf", &limit) != 1)
        limit = 0;
    if (in)
        fclose(in);
    return limit;
}

static void say_memory(cr_doctor *doctor)
{
    struct rlimit space;
    double free_gb = memory_line("MemAvailable:") / 1e9, all_gb = memory_line("MemTotal:") / 1e9;
    double limit_gb = cgroup_memory() / 1e9;
    if (limit_gb > 0 && limit_gb < free_gb)
        free_gb = limit_gb;
    if (!getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY && (double)space.rlim_cur / 1e9 < free_gb)
        free_gb = (double)space.rlim_cur / 1e9;
    bool is_enough = free_gb >= least_memory_gb;
    cr_doctor_say(doctor, "memory", is_enough ? CR_HEALTH_OK : CR_HEALTH_WARNING,
                  is_enough ? NULL : "ask for more memory, or set data.micro_batch and cpu.workers lower",
                  "%.1f GB may be used of %.1f GB", free_gb, all_gb);
}

/* What would silently make things slower or other bits. */
static void say_settings(cr_doctor *doctor)
{
    const char *threads = getenv("OMP_NUM_THREADS"), *bind = getenv("OMP_PROC_BIND"), *isa = getenv("DNNL_MAX_CPU_ISA");
    bool is_odd = false;
    if (!isa)
        isa = getenv("ONEDNN_MAX_CPU_ISA");
    if (isa && (is_odd = true))
        cr_doctor_say(doctor, "settings", CR_HEALTH_WARNING, "unset it, unless you mean it",
                      "DNNL_MAX_CPU_ISA=%s keeps oneDNN from newer instructions, and changes the bits", isa);
    if (bind && strcmp(bind, "false") != 0 && (is_odd = true))
        cr_doctor_say(doctor, "settings", CR_HEALTH_WARNING, "unset OMP_PROC_BIND",
                      "OMP_PROC_BIND=%s may put several workers on one core", bind);
    if (!is_odd)
        cr_doctor_say(doctor, "settings", CR_HEALTH_OK, NULL, "nothing in the environment slows the workers down%s%s",
                      threads ? "; OMP_NUM_THREADS=" : "", threads ? threads : "");
}

void cr_doctor_machine(cr_doctor *doctor)
{
    json_t *facts = cr_train_facts();
    const json_t *program = json_object_get(facts, "program"), *host = json_object_get(facts, "host");
    cr_doctor_say(doctor, "program", CR_HEALTH_OK, NULL, "crisol %s (%s), %s, %s", text_of(program, "version"),
                  text_of(program, "revision"), text_of(program, "compiler"), text_of(program, "flags"));
    say_processor(doctor, host);
    say_cores(doctor);
    say_memory(doctor);
    say_settings(doctor);
    json_decref(facts);
}
