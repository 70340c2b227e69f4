// Defaults and lists of the public API.
#include "belljar.h"
#include "box/box.h"
#include "cpu/insn.h"
#include "host/capstone.h"
#include "host/clock.h"
#include "host/io.h"
#include "jit/lockstep.h"
#include "jit/verify.h"
#include "syscalls/kernel.h"
#include <stdio.h>
#include <string.h>

const char *const belljar_default_env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    NULL,
};

void belljar_options_init(struct belljar_options *o)
{
    memset(o, 0, sizeof *o);
    o->cwd = "/";
    o->hostname = "belljar";
    for (int i = 0; i < 3; i++) o->stdio[i].fd = i;
    o->terminal = true;
    o->memory = 1ull << 30;
    o->pids = o->files = 1024;
    o->cpu_level = CPU_LEVEL_V3;
    o->trace_fd = 2;
    o->start_ns = host_clock_monotonic();
}

int belljar_prepare(const struct belljar_options *o, struct belljar_error *why)
{
    if (o->engine == BELLJAR_LOCKSTEP) lockstep_load();
    if (o->trace & BELLJAR_TRACE_FAULTS && host_capstone_load())
        return belljar_fail(why, BELLJAR_NO_RESOURCES,
                            "the tracing of faults needs libcapstone, which is not to be had");
    char lacks[200];
    if (o->verify_code && o->engine != BELLJAR_INTERP && !verify_load(lacks, sizeof lacks))
        return belljar_fail(why, BELLJAR_NO_RESOURCES, "%s", lacks);
    return BELLJAR_OK;
}

void belljar_trace_phase(const struct belljar_options *o, const char *phase)
{
    if (!(o->trace & BELLJAR_TRACE_STARTUP)) return;
    uint64_t wall = host_clock_monotonic() - o->start_ns, cpu = host_clock_process() + o->start_cpu_ns;
    char line[120];
    int n = snprintf(line, sizeof line, "startup: %9.3f ms %9.3f ms of CPU  %.60s\n", (double)wall / 1e6,
                     (double)cpu / 1e6, phase);
    (void)host_write_all(o->trace_fd, line, (size_t)n);
}

const char *belljar_version(void)
{
    return BELLJAR_VERSION;
}

int belljar_syscall_list(unsigned index, struct belljar_syscall *out)
{
    static const char *const support[] = {[SYS_NONE] = "NONE",
                                          [SYS_REFUSED] = "REFUSED",
                                          [SYS_STUB] = "STUB",
                                          [SYS_PARTIAL] = "PARTIAL",
                                          [SYS_FULL] = "FULL"};
    for (unsigned nr = 0; nr < SYS_MAX; nr++) {
        const struct sys_info *s = sys_lookup(nr);
        if (!s || index--) continue;
        *out = (struct belljar_syscall){nr, s->name, support[s->support], s->note};
        return 1;
    }
    return 0;
}

int belljar_insn_list(unsigned index, struct belljar_insn *out)
{
    static const char *const proof[] = {
        [TEST_HOST] = "host", [TEST_VECTOR] = "vectors", [TEST_PROPERTY] = "properties"};
    if (index >= INSN_COUNT) return 0;
    const struct insn_row *r = &insn_rows[index];
    *out = (struct belljar_insn){r->name, r->operands, r->encoding, r->feature, proof[r->test]};
    return 1;
}
