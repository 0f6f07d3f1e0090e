#include "doctor.h"

#include "crisol/clock.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cr_doctor_say(cr_doctor *doctor, const char *what, cr_health health, const char *remedy, const char *format, ...)
{
    static const char *const states[] = {"ok", "warning", "absent", "FAILED"};
    char text[CR_ERROR_MAX + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(doctor->findings, json_pack("{s:s, s:s, s:s, s:s?}", "what", what, "state", states[health],
                                                      "text", text, "remedy", remedy));
    if (health == CR_HEALTH_FAILED && doctor->n_failed++ == 0)
        snprintf(doctor->first, sizeof doctor->first, "%.200s: %.700s", what, text);
    if (!doctor->speaks)
        return;
    printf("%-8s %s: %s%s%s\n", states[health], what, text, remedy ? "  -> " : "", remedy ? remedy : "");
    fflush(stdout);
}

static cr_status examine(cr_doctor *doctor, bool only_ranks)
{
    cr_status status = CR_OK;
    bool is_first = cr_comm_rank(doctor->comm) == 0, is_alone = cr_comm_size(doctor->comm) == 1;
    if (is_first && !only_ranks) {
        cr_doctor_machine(doctor);
        cr_doctor_backends(doctor);
        cr_doctor_gpus(doctor);
        cr_doctor_network(doctor);
        cr_doctor_slurm(doctor);
        cr_doctor_disk(doctor);
        if (is_alone)
            cr_doctor_launch(doctor);
    }
    CR_TRY(cr_doctor_sum(doctor));
    if (!is_alone && !only_ranks)
        CR_TRY(cr_doctor_share(doctor));
done:
    return status;
}

static void print_json(const cr_doctor *doctor, double seconds)
{
    json_t *all = json_pack("{s:i, s:O, s:i, s:f}", "doctor_format", 1, "findings", doctor->findings, "failed",
                            doctor->n_failed, "seconds", seconds);
    json_dumpf(all, stdout, JSON_INDENT(1));
    puts("");
    json_decref(all);
}

cr_status cr_doctor_run(cr_comm *comm, const cr_doctor_options *options)
{
    bool is_first = cr_comm_rank(comm) == 0;
    double start = cr_clock_s();
    cr_doctor doctor = {
        .comm = comm, .folder = options->folder, .speaks = is_first && !options->json, .findings = json_array()};
    cr_status status = examine(&doctor, options->only_ranks);
    if (is_first && options->json)
        print_json(&doctor, cr_clock_s() - start);
    if (status == CR_OK && doctor.n_failed > 0)
        status = cr_fail(CR_INTERNAL, "%d of %zu checks failed; the first: %s", doctor.n_failed,
                         json_array_size(doctor.findings), doctor.first);
    json_decref(doctor.findings);
    return cr_comm_agree(comm, status);
}
