// The system-wide texts of /proc: one small machine, as sysinfo.c and cpuid tell it too.
#include "cpu/insn.h"
#include "syscalls/procfs.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SECOND = 1000000000 };

// ---------------------------------------------------------------- processor

struct feature {
    uint32_t leaf;
    uint8_t reg, bit;
    const char *name;
}; // reg: index in cpu_cpuid's result

// Those that are not instructions; the others are cpu/insn*.def's, which names them as /proc/cpuinfo does.
static const struct feature features[] = {
    {0x80000001, 3, 20, "nx"}, {0x80000001, 3, 29, "lm"}, {1, 2, 31, "hypervisor"}, {7, 1, 9, "erms"}};

static bool has_feature(const struct cpu *c, const struct feature *f)
{
    uint32_t top[4], r[4];
    cpu_cpuid(c, f->leaf & 0x80000000, 0, top);
    if (top[0] < f->leaf) return false;
    cpu_cpuid(c, f->leaf, 0, r);
    return r[f->reg] >> f->bit & 1;
}

static void show_features(struct proc_text *x, const struct cpu *c)
{
    text_add(x, "flags\t\t:");
    for (unsigned i = 0; i < insn_feature_count; i++)
        if (insn_features[i].level <= c->level) text_add(x, " %s", insn_features[i].name);
    for (unsigned i = 0; i < sizeof features / sizeof *features; i++)
        if (has_feature(c, &features[i])) text_add(x, " %s", features[i].name);
    text_add(x, "\n");
}

static void show_names(struct proc_text *x, const struct cpu *c)
{
    uint32_t r[4], brand[12] = {0};
    char vendor[13] = "", model[49] = "";
    cpu_cpuid(c, 0, 0, r);
    memcpy(vendor, &r[1], 4), memcpy(vendor + 4, &r[3], 4), memcpy(vendor + 8, &r[2], 4);
    for (uint32_t i = 0; i < 3; i++) cpu_cpuid(c, 0x80000002 + i, 0, brand + 4 * i);
    memcpy(model, brand, 48);
    cpu_cpuid(c, 1, 0, r);
    unsigned family = r[0] >> 8 & 15, number = r[0] >> 4 & 15;
    if (family == 15) family += r[0] >> 20 & 0xff;
    if (family == 6 || family >= 15) number |= r[0] >> 12 & 0xf0;
    text_add(x, "processor\t: 0\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
             vendor, family, number, model + strspn(model, " "), r[0] & 15);
}

static void show_cpuinfo(struct proc_text *x, const struct proc_who *w)
{
    struct cpu c;
    uint32_t r[4];
    cpu_init(&c, w->box->level);
    show_names(x, &c);
    cpu_cpuid(&c, 0, 0, r);
    text_add(x, "cpu MHz\t\t: 1000.000\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu "
                "cores\t: 1\n");
    text_add(x,
             "apicid\t\t: 0\ninitial apicid\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n",
             r[0]);
    show_features(x, &c);
    text_add(x, "bugs\t\t:\nbogomips\t: 2000.00\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 36 bits "
                "physical, 48 bits virtual\npower management:\n\n");
}

// ---------------------------------------------------------------- memory, time, load

static void show_meminfo(struct proc_text *x, const struct proc_who *w)
{
    uint64_t total = (uint64_t)ram_limit(&w->box->ram) * 4, free = total - (uint64_t)ram_used(&w->box->ram) * 4;
    static const char *const zero[] = {"Buffers",     "Cached",  "SwapCached", "Active",   "Inactive",
                                       "Unevictable", "Mlocked", "SwapTotal",  "SwapFree", "Dirty",
                                       "Writeback",   "Shmem",   "Slab"};
    text_add(x, "MemTotal:       %8" PRIu64 " kB\nMemFree:        %8" PRIu64 " kB\nMemAvailable:   %8" PRIu64 " kB\n",
             total, free, free);
    for (unsigned i = 0; i < sizeof zero / sizeof *zero; i++)
        text_add(x, "%s:%*s0 kB\n", zero[i], (int)(23 - strlen(zero[i])), "");
    text_add(x,
             "CommitLimit:    %8" PRIu64 " kB\nCommitted_AS:   %8" PRIu64
             " kB\nHugePages_Total:       0\nHugepagesize:       2048 kB\n",
             total, total - free);
}

static unsigned running(const struct box *box)
{
    unsigned n = 0;
    for (const struct process *p = box->processes; p; p = p->next)
        for (const struct task *t = p->tasks; t; t = t->next_in_proc) n += t->state == TASK_RUNNABLE;
    return n;
}

static void show_stat(struct proc_text *x, const struct proc_who *w)
{
    struct box *box = w->box;
    uint64_t used = box->cpu_ns / 10000000, up = box_monotonic(box) / 10000000, idle = up > used ? up - used : 0;
    for (int i = 0; i < 2; i++)
        text_add(x, "cpu%s %" PRIu64 " 0 0 %" PRIu64 " 0 0 0 0 0 0\n", i ? "0" : " ", used, idle);
    text_add(x,
             "intr 0\nctxt 0\nbtime %" PRIu64
             "\nprocesses %d\nprocs_running %u\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
             box->boot_realtime_ns / SECOND, box->next_pid, running(box));
}

static void show_uptime(struct proc_text *x, const struct proc_who *w)
{
    uint64_t up = box_monotonic(w->box), idle = up > w->box->cpu_ns ? up - w->box->cpu_ns : 0;
    text_add(x, "%" PRIu64 ".%02u %" PRIu64 ".%02u\n", up / SECOND, (unsigned)(up % SECOND / 10000000), idle / SECOND,
             (unsigned)(idle % SECOND / 10000000));
}

static void show_loadavg(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "0.00 0.00 0.00 %u/%u %d\n", running(w->box), w->box->ntasks, w->box->next_pid);
}

// ---------------------------------------------------------------- names

static void show_version(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%s version %s (belljar) %s\n", w->box->uts.sysname, w->box->uts.release, w->box->uts.version);
}

static void show_filesystems(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "nodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tpipefs\n\text2\n\text3\n\text4\n");
}

static void show_nothing(struct proc_text *x, const struct proc_who *w)
{
    (void)x, (void)w;
}

static void show_swaps(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

static void show_devices(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n");
}

static void show_cmdline(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "root=/dev/root ro\n");
}

// ---------------------------------------------------------------- sys

static void show_ostype(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%s\n", w->box->uts.sysname);
}
static void show_osrelease(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%s\n", w->box->uts.release);
}
static void show_osversion(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%s\n", w->box->uts.version);
}
static void show_hostname(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%s\n", w->box->uts.nodename);
}
static void show_domainname(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%s\n", w->box->uts.domainname);
}

static int store_name(const struct proc_who *w, char name[65], const char *text)
{
    const struct task *me = w->box->current;
    size_t n = strcspn(text, "\n");
    if (!me || !cred_has_cap(&me->proc->cred, LX_CAP_SYS_ADMIN)) return -LX_EPERM;
    if (n > 64) return -LX_EINVAL;
    memset(name, 0, 65);
    memcpy(name, text, n);
    return 0;
}
static int store_hostname(const struct proc_who *w, const char *text, size_t n)
{
    return (void)n, store_name(w, w->box->uts.nodename, text);
}
static int store_domainname(const struct proc_who *w, const char *text, size_t n)
{
    return (void)n, store_name(w, w->box->uts.domainname, text);
}

static void show_uuid_of(struct proc_text *x, const uint8_t b[16])
{
    text_add(x, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", b[0], b[1], b[2], b[3], b[4],
             b[5], (b[6] & 15) | 0x40, b[7], (b[8] & 0x3f) | 0x80, b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void show_uuid(struct proc_text *x, const struct proc_who *w)
{
    uint8_t b[16];
    box_random(w->box, b, sizeof b);
    show_uuid_of(x, b);
}

static void show_boot_id(struct proc_text *x, const struct proc_who *w)
{ // the same as long as the box lives
    uint64_t seed[2] = {w->box->boot_realtime_ns * 0x9e3779b97f4a7c15ull,
                        ~w->box->boot_realtime_ns * 0xbf58476d1ce4e5b9ull};
    show_uuid_of(x, (const uint8_t *)seed);
}

static void show_pid_max(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "%d\n", LX_PID_MAX);
}
static void show_threads_max(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%u\n", w->box->limits.pids ? w->box->limits.pids : 32768);
}
static void show_cap_last(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "%d\n", LX_CAP_LAST_CAP);
}
static void show_ngroups(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "%d\n", VFS_NGROUPS);
}
static void show_nobody(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "65534\n");
}
static void show_core(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "core\n");
}
static void show_0(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "0\n");
}
static void show_256(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "256\n");
}
static void show_shmmax(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "18446744073692774399\n");
}
static void show_max_maps(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "65530\n");
}
static void show_min_addr(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "65536\n");
}
static void show_swappiness(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "60\n");
}
static void show_1M(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "1048576\n");
}
static void show_file_max(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "9223372036854775807\n");
}
static void show_file_nr(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "0\t0\t9223372036854775807\n");
}
static void show_somaxconn(struct proc_text *x, const struct proc_who *w)
{
    (void)w, text_add(x, "4096\n");
}

enum { R = LX_S_IFREG | 0444, RW = LX_S_IFREG | 0644, D = LX_S_IFDIR | 0555 };
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }

static const struct proc_entry random_files[] = {{"boot_id", R, show_boot_id, NULL, NULL},
                                                 {"entropy_avail", R, show_256, NULL, NULL},
                                                 {"poolsize", R, show_256, NULL, NULL},
                                                 {"uuid", R, show_uuid, NULL, NULL},
                                                 END};
static const struct proc_entry kernel_files[] = {{"cap_last_cap", R, show_cap_last, NULL, NULL},
                                                 {"core_pattern", R, show_core, NULL, NULL},
                                                 {"domainname", RW, show_domainname, store_domainname, NULL},
                                                 {"hostname", RW, show_hostname, store_hostname, NULL},
                                                 {"ngroups_max", R, show_ngroups, NULL, NULL},
                                                 {"osrelease", R, show_osrelease, NULL, NULL},
                                                 {"ostype", R, show_ostype, NULL, NULL},
                                                 {"overflowgid", R, show_nobody, NULL, NULL},
                                                 {"overflowuid", R, show_nobody, NULL, NULL},
                                                 {"pid_max", R, show_pid_max, NULL, NULL},
                                                 {"random", D, NULL, NULL, random_files},
                                                 {"randomize_va_space", R, show_0, NULL, NULL},
                                                 {"shmmax", R, show_shmmax, NULL, NULL},
                                                 {"threads-max", R, show_threads_max, NULL, NULL},
                                                 {"version", R, show_osversion, NULL, NULL},
                                                 END};
static const struct proc_entry vm_files[] = {{"max_map_count", R, show_max_maps, NULL, NULL},
                                             {"mmap_min_addr", R, show_min_addr, NULL, NULL},
                                             {"overcommit_memory", R, show_0, NULL, NULL},
                                             {"swappiness", R, show_swappiness, NULL, NULL},
                                             END};
static const struct proc_entry fs_files[] = {{"file-max", R, show_file_max, NULL, NULL},
                                             {"file-nr", R, show_file_nr, NULL, NULL},
                                             {"nr_open", R, show_1M, NULL, NULL},
                                             {"pipe-max-size", R, show_1M, NULL, NULL},
                                             END};
static const struct proc_entry core_files[] = {{"somaxconn", R, show_somaxconn, NULL, NULL}, END};
static const struct proc_entry net_files[] = {{"core", D, NULL, NULL, core_files}, END};
static const struct proc_entry sys_files[] = {{"fs", D, NULL, NULL, fs_files},
                                              {"kernel", D, NULL, NULL, kernel_files},
                                              {"net", D, NULL, NULL, net_files},
                                              {"vm", D, NULL, NULL, vm_files},
                                              END};

const struct proc_entry proc_root_files[] = {{"cmdline", R, show_cmdline, NULL, NULL},
                                             {"cpuinfo", R, show_cpuinfo, NULL, NULL},
                                             {"devices", R, show_devices, NULL, NULL},
                                             {"diskstats", R, show_nothing, NULL, NULL},
                                             {"filesystems", R, show_filesystems, NULL, NULL},
                                             {"loadavg", R, show_loadavg, NULL, NULL},
                                             {"meminfo", R, show_meminfo, NULL, NULL},
                                             {"modules", R, show_nothing, NULL, NULL},
                                             {"partitions", R, show_nothing, NULL, NULL},
                                             {"stat", R, show_stat, NULL, NULL},
                                             {"swaps", R, show_swaps, NULL, NULL},
                                             {"sys", D, NULL, NULL, sys_files},
                                             {"uptime", R, show_uptime, NULL, NULL},
                                             {"version", R, show_version, NULL, NULL},
                                             END};
