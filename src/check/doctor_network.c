/* What ranks of several nodes would talk over. */
#include "doctor.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* First line of PATH/name without its end; false when there is none. */
static bool read_value(const char *path, const char *name, char *text, size_t bytes)
{
    char file[512];
    snprintf(file, sizeof file, "%s/%s", path, name);
    FILE *in = fopen(file, "r");
    bool found = in && fgets(text, (int)bytes, in);
    if (in)
        fclose(in);
    if (found)
        text[strcspn(text, "\n")] = 0;
    return found;
}

static int say_verbs(cr_doctor *doctor)
{
    glob_t ports = {0};
    int n = 0;
    if (!glob("/sys/class/infiniband/*/ports/*", 0, NULL, &ports))
        for (size_t i = 0; i < ports.gl_pathc; i++) {
            char state[64] = "", rate[64] = "", layer[64] = "";
            const char *path = ports.gl_pathv[i];
            read_value(path, "state", state, sizeof state);
            read_value(path, "rate", rate, sizeof rate);
            read_value(path, "link_layer", layer, sizeof layer);
            bool is_up = strstr(state, "ACTIVE") != NULL;
            cr_doctor_say(doctor, "fabric", is_up ? CR_HEALTH_OK : CR_HEALTH_WARNING,
                          is_up ? NULL : "ask the administrator for the port", "%s, %s: %s, %s",
                          path + strlen("/sys/class/infiniband/"), layer, rate, state);
            n++;
        }
    globfree(&ports);
    if (!glob("/sys/class/cxi/*", 0, NULL, &ports))
        for (size_t i = 0; i < ports.gl_pathc; i++, n++)
            cr_doctor_say(doctor, "fabric", CR_HEALTH_OK, NULL, "Slingshot: %s", strrchr(ports.gl_pathv[i], '/') + 1);
    globfree(&ports);
    return n;
}

void cr_doctor_network(cr_doctor *doctor)
{
    glob_t cards = {0};
    double fastest = 0; /* Mb/s; virtual cards do not tell */
    char list[256] = "";
    if (say_verbs(doctor) > 0)
        return;
    if (!glob("/sys/class/net/*", 0, NULL, &cards))
        for (size_t i = 0; i < cards.gl_pathc; i++) {
            char speed[32] = "", state[32] = "";
            const char *name = strrchr(cards.gl_pathv[i], '/') + 1;
            bool is_up = read_value(cards.gl_pathv[i], "operstate", state, sizeof state) && !strcmp(state, "up");
            if (!is_up || !strcmp(name, "lo"))
                continue;
            if (read_value(cards.gl_pathv[i], "speed", speed, sizeof speed) && strtod(speed, NULL) > fastest)
                fastest = strtod(speed, NULL);
            snprintf(list + strlen(list), sizeof list - strlen(list), " %s", name);
        }
    globfree(&cards);
    if (!list[0])
        cr_doctor_say(doctor, "fabric", CR_HEALTH_ABSENT, NULL, "no network card is up: ranks on this machine only");
    else if (fastest > 0)
        cr_doctor_say(doctor, "fabric", fastest < 25000 ? CR_HEALTH_WARNING : CR_HEALTH_OK,
                      fastest < 25000
                          ? "larger data.batch makes a reduction rarer; tests/bench/scale tells what to expect"
                          : NULL,
                      "Ethernet at %.0f Gb/s (%s ), no InfiniBand or Slingshot", fastest / 1000, list);
    else
        cr_doctor_say(doctor, "fabric", CR_HEALTH_ABSENT, NULL,
                      "no InfiniBand or Slingshot; network cards that do not tell their speed:%s", list);
}
