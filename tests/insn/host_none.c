// In place of host_run.c where the host is no x86-64: no instruction can be run, and no feature is there. Cases then
// come from a record (record.h).
#include "host_run.h"
#include <stdio.h>

struct host_runner *hostcpu_open(void)
{
    fprintf(stderr, "this host is no x86-64: only records can be judged (insn-difftest --replay FILE)\n");
    return NULL;
}

void hostcpu_close(struct host_runner *h)
{
    (void)h;
}

void hostcpu_run(struct host_runner *h, const struct machine *in, struct outcome *out)
{
    (void)h, (void)in;
    out->vector = VECTOR_LOST;
}

void hostcpu_limit(struct host_runner *h, unsigned milliseconds)
{
    (void)h, (void)milliseconds;
}

bool hostcpu_has(const char *feature)
{
    (void)feature;
    return false;
}
