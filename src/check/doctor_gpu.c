/* GPUs and the libraries for them. None is linked against here: what is there is found and asked at run time. */
#include "doctor.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

static int count_gpus(char *model, size_t bytes)
{
    glob_t files = {0};
    char line[256];
    int n = 0;
    model[0] = 0;
    if (!glob("/proc/driver/nvidia/gpus/*/information", 0, NULL, &files))
        n = (int)files.gl_pathc;
    FILE *in = n > 0 ? fopen(files.gl_pathv[0], "r") : NULL;
    while (in && !model[0] && fgets(line, sizeof line, in))
        if (!strncmp(line, "Model:", 6))
            snprintf(model, bytes, "%.*s", (int)strcspn(line + 6 + strspn(line + 6, " \t"), "\n"),
                     line + 6 + strspn(line + 6, " \t"));
    if (in)
        fclose(in);
    globfree(&files);
    return n;
}

/* A function of no or one argument from a library that may be absent; the union is POSIX's way from data to code. */
typedef union symbol {
    void *address;
    size_t (*cudnn_version)(void);
    int (*nccl_version)(int *version);
} symbol;

static symbol find(const char *const names[], const char *function)
{
    void *library = NULL;
    for (int i = 0; names[i] && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return (symbol){.address = library ? dlsym(library, function) : NULL}; /* stays open: the version is all we ask */
}

static void say_libraries(cr_doctor *doctor, cr_health missing)
{
    static const char *const cudnn_names[] = {"libcudnn.so.9", "libcudnn.so", NULL};
    static const char *const nccl_names[] = {"libnccl.so.2", "libnccl.so", NULL};
    int version = 0;
    symbol cudnn = find(cudnn_names, "cudnnGetVersion"), nccl = find(nccl_names, "ncclGetVersion");
    if (cudnn.address) { /* 9 · 10000 + 8 · 100 + 0 since version 9 */
        size_t v = cudnn.cudnn_version();
        bool is_new = v >= 90800;
        cr_doctor_say(doctor, "cuDNN", is_new ? CR_HEALTH_OK : CR_HEALTH_WARNING,
                      is_new ? NULL : "install cuDNN 9.8 or newer", "version %zu.%zu.%zu", v / 10000, v / 100 % 100,
                      v % 100);
    } else {
        cr_doctor_say(doctor, "cuDNN", missing, "install libcudnn9, or add its folder to LD_LIBRARY_PATH",
                      "libcudnn.so.9 is not found");
    }
    if (nccl.address && nccl.nccl_version(&version) == 0)
        cr_doctor_say(doctor, "NCCL", CR_HEALTH_OK, NULL, "version %d.%d.%d", version / 10000, version / 100 % 100,
                      version % 100);
    else
        cr_doctor_say(doctor, "NCCL", missing, "install libnccl2, or add its folder to LD_LIBRARY_PATH",
                      "libnccl.so.2 is not found");
}

void cr_doctor_gpus(cr_doctor *doctor)
{
    char model[128];
    int n = count_gpus(model, sizeof model);
    if (n > 0)
        cr_doctor_say(doctor, "GPUs", CR_HEALTH_OK, NULL, "%d x %s", n, model);
    else
        cr_doctor_say(doctor, "GPUs", CR_HEALTH_ABSENT, NULL, "no NVIDIA driver or device; training runs on the CPU");
    say_libraries(doctor, n > 0 ? CR_HEALTH_WARNING : CR_HEALTH_ABSENT);
}
