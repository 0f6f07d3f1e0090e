#include "crisol/clock.h"

#include <time.h>

double cr_clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cr_clock_utc(char *text, size_t text_bytes)
{
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(text, text_bytes, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
