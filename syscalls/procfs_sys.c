// The system-wide texts of /proc: one small machine, as sysinfo.c and cpuid tell it too.
#include "cpu/insn.h"
#include "syscalls/procfs.h"
#include "syscalls/sysv.h"
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

// What is used is told as anonymous: the box keeps no other tally.
static void show_meminfo(struct proc_text *x, const struct proc_who *w)
{
    uint64_t total = (uint64_t)ram_limit(&w->box->ram) * 4, used = (uint64_t)ram_used(&w->box->ram) * 4;
    const struct {
        const char *name;
        uint64_t kb;
    } rows[] = {{"MemTotal:", total},
                {"MemFree:", total - used},
                {"MemAvailable:", total - used},
                {"Buffers:", 0},
                {"Cached:", 0},
                {"SwapCached:", 0},
                {"Active:", used},
                {"Inactive:", 0},
                {"Active(anon):", used},
                {"Inactive(anon):", 0},
                {"Active(file):", 0},
                {"Inactive(file):", 0},
                {"Unevictable:", 0},
                {"Mlocked:", 0},
                {"SwapTotal:", 0},
                {"SwapFree:", 0},
                {"Dirty:", 0},
                {"Writeback:", 0},
                {"AnonPages:", used},
                {"Mapped:", 0},
                {"Shmem:", 0},
                {"KReclaimable:", 0},
                {"Slab:", 0},
                {"SReclaimable:", 0},
                {"SUnreclaim:", 0},
                {"KernelStack:", 0},
                {"PageTables:", 0},
                {"NFS_Unstable:", 0},
                {"Bounce:", 0},
                {"WritebackTmp:", 0},
                {"CommitLimit:", total},
                {"Committed_AS:", used},
                {"VmallocTotal:", 0},
                {"VmallocUsed:", 0},
                {"VmallocChunk:", 0},
                {"Percpu:", 0},
                {"AnonHugePages:", 0},
                {"ShmemHugePages:", 0},
                {"ShmemPmdMapped:", 0}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        text_add(x, "%-15s %8" PRIu64 " kB\n", rows[i].name, rows[i].kb);
    text_add(x,
             "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n"
             "Hugepagesize:       2048 kB\nHugetlb:               0 kB\nDirectMap4k:    %8" PRIu64 " kB\n",
             total);
}

static void show_vmstat(struct proc_text *x, const struct proc_who *w)
{
    uint64_t total = ram_limit(&w->box->ram), used = ram_used(&w->box->ram);
    text_add(x,
             "nr_free_pages %" PRIu64 "\nnr_anon_pages %" PRIu64
             "\nnr_mapped 0\nnr_file_pages 0\nnr_dirty 0\nnr_writeback 0\n",
             total - used, used);
    text_add(x, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\noom_kill 0\n");
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

static void show_threads_max(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%u\n", w->box->limits.pids ? w->box->limits.pids : 32768);
}

_Static_assert(LX_PID_MAX == 32768 && LX_CAP_LAST_CAP == 40 && VFS_NGROUPS == 32, "the texts below");

// Files whose text never changes.
#define TEXTS(X)                                                                                                       \
    X(pid_max, "32768")                                                                                                \
    X(cap_last, "40")                                                                                                  \
    X(ngroups, "32")                                                                                                   \
    X(nobody, "65534")                                                                                                 \
    X(core, "core")                                                                                                    \
    X(0, "0")                                                                                                          \
    X(1, "1") X(256, "256") X(shmmax, "18446744073692774399") X(4096, "4096") X(sem, "32000\t1024000000\t500\t32000")  \
        X(msgmax, "8192") X(16384, "16384") X(32000, "32000") X(max_maps, "65530") X(65536, "65536")                   \
            X(swappiness, "60") X(50, "50") X(10, "10") X(20, "20") X(1M, "1048576")                                   \
                X(file_max, "9223372036854775807") X(file_nr, "0\t0\t9223372036854775807") X(buffer, "212992")         \
                    X(128, "128") X(2, "2") X(ports, "32768\t60999") X(7200, "7200") X(75, "75") X(9, "9") X(3, "3")   \
                        X(cubic, "cubic") X(64, "64") X(1000, "1000") X(100, "100")
#define SHOW(name, text)                                                                                               \
    static void show_##name(struct proc_text *x, const struct proc_who *w)                                             \
    {                                                                                                                  \
        (void)w, text_add(x, "%s\n", text);                                                                            \
    }
TEXTS(SHOW)
#undef SHOW
#undef TEXTS

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
static const struct proc_entry yama_files[] = {{"ptrace_scope", R, show_0, NULL, NULL}, END};
static const struct proc_entry kernel_files[] = {{"cap_last_cap", R, show_cap_last, NULL, NULL},
                                                 {"core_pattern", R, show_core, NULL, NULL},
                                                 {"core_uses_pid", R, show_0, NULL, NULL},
                                                 {"domainname", RW, show_domainname, store_domainname, NULL},
                                                 {"hostname", RW, show_hostname, store_hostname, NULL},
                                                 {"msgmax", R, show_msgmax, NULL, NULL},
                                                 {"msgmnb", R, show_16384, NULL, NULL},
                                                 {"msgmni", R, show_32000, NULL, NULL},
                                                 {"ngroups_max", R, show_ngroups, NULL, NULL},
                                                 {"osrelease", R, show_osrelease, NULL, NULL},
                                                 {"ostype", R, show_ostype, NULL, NULL},
                                                 {"overflowgid", R, show_nobody, NULL, NULL},
                                                 {"overflowuid", R, show_nobody, NULL, NULL},
                                                 {"perf_event_paranoid", R, show_2, NULL, NULL},
                                                 {"pid_max", R, show_pid_max, NULL, NULL},
                                                 {"random", D, NULL, NULL, random_files},
                                                 {"randomize_va_space", R, show_0, NULL, NULL},
                                                 {"sem", R, show_sem, NULL, NULL},
                                                 {"shmall", R, show_shmmax, NULL, NULL},
                                                 {"shmmax", R, show_shmmax, NULL, NULL},
                                                 {"shmmni", R, show_4096, NULL, NULL},
                                                 {"threads-max", R, show_threads_max, NULL, NULL},
                                                 {"unprivileged_bpf_disabled", R, show_2, NULL, NULL},
                                                 {"version", R, show_osversion, NULL, NULL},
                                                 {"yama", D, NULL, NULL, yama_files},
                                                 END};
static const struct proc_entry vm_files[] = {{"dirty_background_ratio", R, show_10, NULL, NULL},
                                             {"dirty_ratio", R, show_20, NULL, NULL},
                                             {"drop_caches", R, show_0, NULL, NULL},
                                             {"max_map_count", R, show_max_maps, NULL, NULL},
                                             {"min_free_kbytes", R, show_1000, NULL, NULL},
                                             {"mmap_min_addr", R, show_65536, NULL, NULL},
                                             {"nr_hugepages", R, show_0, NULL, NULL},
                                             {"oom_kill_allocating_task", R, show_1, NULL, NULL},
                                             {"overcommit_memory", R, show_0, NULL, NULL},
                                             {"overcommit_ratio", R, show_50, NULL, NULL},
                                             {"page-cluster", R, show_3, NULL, NULL},
                                             {"swappiness", R, show_swappiness, NULL, NULL},
                                             {"vfs_cache_pressure", R, show_100, NULL, NULL},
                                             END};
static const struct proc_entry inotify_files[] = {{"max_queued_events", R, show_16384, NULL, NULL},
                                                  {"max_user_instances", R, show_128, NULL, NULL},
                                                  {"max_user_watches", R, show_65536, NULL, NULL},
                                                  END};
static const struct proc_entry mqueue_files[] = {
    {"msg_default", R, show_10, NULL, NULL},         {"msg_max", R, show_10, NULL, NULL},
    {"msgsize_default", R, show_msgmax, NULL, NULL}, {"msgsize_max", R, show_msgmax, NULL, NULL},
    {"queues_max", R, show_256, NULL, NULL},         END};
static const struct proc_entry fs_files[] = {{"file-max", R, show_file_max, NULL, NULL},
                                             {"file-nr", R, show_file_nr, NULL, NULL},
                                             {"inotify", D, NULL, NULL, inotify_files},
                                             {"mqueue", D, NULL, NULL, mqueue_files},
                                             {"nr_open", R, show_1M, NULL, NULL},
                                             {"pipe-max-size", R, show_1M, NULL, NULL},
                                             {"protected_hardlinks", R, show_0, NULL, NULL},
                                             {"protected_symlinks", R, show_0, NULL, NULL},
                                             {"suid_dumpable", R, show_0, NULL, NULL},
                                             END};
static const struct proc_entry core_files[] = {
    {"rmem_default", R, show_buffer, NULL, NULL}, {"rmem_max", R, show_buffer, NULL, NULL},
    {"somaxconn", R, show_4096, NULL, NULL},      {"wmem_default", R, show_buffer, NULL, NULL},
    {"wmem_max", R, show_buffer, NULL, NULL},     END};
static const struct proc_entry ipv4_files[] = {{"ip_default_ttl", R, show_64, NULL, NULL},
                                               {"ip_forward", R, show_0, NULL, NULL},
                                               {"ip_local_port_range", R, show_ports, NULL, NULL},
                                               {"tcp_congestion_control", R, show_cubic, NULL, NULL},
                                               {"tcp_fastopen", R, show_1, NULL, NULL},
                                               {"tcp_keepalive_intvl", R, show_75, NULL, NULL},
                                               {"tcp_keepalive_probes", R, show_9, NULL, NULL},
                                               {"tcp_keepalive_time", R, show_7200, NULL, NULL},
                                               {"tcp_syncookies", R, show_1, NULL, NULL},
                                               END};
static const struct proc_entry unix_files[] = {{"max_dgram_qlen", R, show_10, NULL, NULL}, END};
static const struct proc_entry net_files[] = {
    {"core", D, NULL, NULL, core_files}, {"ipv4", D, NULL, NULL, ipv4_files}, {"unix", D, NULL, NULL, unix_files}, END};
static const struct proc_entry sys_files[] = {{"fs", D, NULL, NULL, fs_files},
                                              {"kernel", D, NULL, NULL, kernel_files},
                                              {"net", D, NULL, NULL, net_files},
                                              {"vm", D, NULL, NULL, vm_files},
                                              END};

static const struct proc_entry ipc_files[] = {{"msg", R, sysv_show_msg, NULL, NULL},
                                              {"sem", R, sysv_show_sem, NULL, NULL},
                                              {"shm", R, sysv_show_shm, NULL, NULL},
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
                                             {"sysvipc", D, NULL, NULL, ipc_files},
                                             {"uptime", R, show_uptime, NULL, NULL},
                                             {"version", R, show_version, NULL, NULL},
                                             {"vmstat", R, show_vmstat, NULL, NULL},
                                             END};
