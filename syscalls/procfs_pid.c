// The texts of /proc/PID (and /proc/PID/task/TID): formats as proc(5) and fs/proc/ have them.
#include "syscalls/fs.h"
#include "syscalls/mm.h"
#include "syscalls/procfs.h"
#include "syscalls/ptrace.h"
#include "syscalls/vdso.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRINGS_MAX = 4 << 20 };

static int64_t ticks(uint64_t ns)
{
    return (int64_t)(ns / (1000000000 / LX_CLK_TCK));
}

static const char *comm_of(const struct proc_who *w)
{
    return w->t ? w->t->comm : w->p->tasks ? w->p->tasks->comm : w->p->pid == 1 ? "init" : w->p->last_comm;
}

static char state_of(const struct proc_who *w)
{
    if (w->p->pid == 1) return 'S';
    if (w->p->state != PROC_ALIVE || !w->p->ntasks) return 'Z';
    const struct task *t = w->t ? w->t : w->p->tasks;
    if (t->state == TASK_TRACED) return 't';
    if (task_held(t)) return 'T';
    return w->t && w->t->state == TASK_PARKED ? 'S' : 'R';
}

static int tracer_of(const struct proc_who *w)
{
    const struct task *t = w->t ? w->t : w->p->tasks;
    return t && t->traced ? t->traced->tracer->pid : 0;
}

// ---------------------------------------------------------------- memory, counted in pages

struct sizes {
    uint64_t total, resident, shared, text, data, stack, exe, lib;
};

static uint64_t present(const struct vma *v)
{
    uint64_t n = 0;
    for (uint32_t page = v->start; page < v->end; page++) n += mem_pte(v->mm->mem, page) != 0;
    return n;
}

static struct sizes sizes_of(const struct process *p)
{
    struct sizes s = {0};
    struct mm *mm = p->mm;
    for (unsigned i = 0; mm && i < mm->nvma; i++) {
        const struct vma *v = mm->vma[i];
        uint64_t pages = v->end - v->start, here = present(v);
        s.total += pages;
        s.resident += here;
        if (v->inode) s.shared += here;
        if (v->flags & LX_MAP_STACK)
            s.stack += pages;
        else if (v->prot & LX_PROT_WRITE && !(v->flags & LX_MAP_SHARED))
            s.data += pages;
        if (v->prot & LX_PROT_EXEC && v->file) *(p->exe && v->inode == p->exe->inode ? &s.exe : &s.lib) += pages;
    }
    return s;
}

static uint64_t resident_kb(const struct process *p)
{
    return sizes_of(p).resident * 4;
}

uint64_t process_maxrss_kb(const struct process *p)
{
    uint64_t now = p->mm ? resident_kb(p) : 0;
    return now > p->maxrss_kb ? now : p->maxrss_kb;
}

// ---------------------------------------------------------------- stat, statm, status

static uint64_t handled(const struct process *p, uint64_t handler, bool any_function)
{
    uint64_t set = 0;
    for (int i = 0; p->sighand && i < NSIG; i++) {
        uint64_t h = p->sighand->action[i].handler;
        if (any_function ? h > LX_SIG_IGN : h == handler) set |= 1ull << i;
    }
    return set;
}

static int tty_number(const struct process *p)
{
    return p->ctty ? 136 << 8 : 0;
}

static void show_stat(struct proc_text *x, const struct proc_who *w)
{
    const struct process *p = w->p;
    struct sizes s = sizes_of(p);
    const struct mm *mm = p->mm;
    uint64_t utime = w->t ? w->t->utime_ns : p->utime_ns, start = w->t ? w->t->start_ns : p->start_ns;
    text_add(x, "%d (%s) %c %d %d %d %d %d 4194304 ", w->t ? w->t->tid : p->pid, comm_of(w), state_of(w),
             p->parent ? p->parent->pid : 0, p->pgid, p->sid, tty_number(p), p->ctty ? p->pgid : -1);
    text_add(x, "%" PRIu64 " 0 %" PRIu64 " 0 %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %d %u 0 %" PRId64 " ",
             p->min_faults, p->maj_faults, ticks(utime), ticks(p->stime_ns), ticks(p->cutime_ns), ticks(p->cstime_ns),
             20 + p->nice, p->nice, p->ntasks, ticks(start));
    text_add(x, "%" PRIu64 " %" PRIu64 " %" PRIu64 " ", s.total << PAGE_SHIFT, s.resident,
             p->rlimit[LX_RLIMIT_RSS].rlim_cur);
    text_add(x, "0 0 %" PRIu64 " 0 0 ", mm ? mm->start_stack : 0);
    text_add(x, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " 0 0 0 %d 0 0 0 0 0 0 ",
             w->t ? w->t->pending.set & 0x7fffffff : 0, w->t ? w->t->sigmask & 0x7fffffff : 0,
             handled(p, LX_SIG_IGN, false) & 0x7fffffff, handled(p, 0, true) & 0x7fffffff, p->exit_signal);
    text_add(x, "0 0 %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d\n", mm ? mm->brk_start : 0,
             mm ? mm->arg_start : 0, mm ? mm->arg_end : 0, mm ? mm->env_start : 0, mm ? mm->env_end : 0,
             p->exit_status);
}

static void show_statm(struct proc_text *x, const struct proc_who *w)
{
    struct sizes s = sizes_of(w->p);
    text_add(x, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " 0 %" PRIu64 " 0\n", s.total, s.resident, s.shared,
             s.exe, s.data + s.stack);
}

static const char *state_word(char c)
{
    return c == 'R'   ? "R (running)"
           : c == 'S' ? "S (sleeping)"
           : c == 'T' ? "T (stopped)"
           : c == 't' ? "t (tracing stop)"
                      : "Z (zombie)";
}

static void status_ids(struct proc_text *x, const struct process *p)
{
    const struct cred *c = &p->cred;
    text_add(x, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid, c->gid, c->egid,
             c->sgid, c->fsgid);
    text_add(x, "FDSize:\t%u\nGroups:\t", p->fds ? fd_capacity((struct process *)p) : 0);
    for (uint32_t i = 0; i < c->ngroups; i++) text_add(x, "%u ", c->groups[i]);
    text_add(x, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", p->pid, p->pid, p->pgid, p->sid);
}

static void status_memory(struct proc_text *x, const struct process *p)
{
    if (!p->mm) return;
    struct sizes s = sizes_of(p);
    text_add(x, "VmPeak:\t%8" PRIu64 " kB\nVmSize:\t%8" PRIu64 " kB\nVmLck:\t%8" PRIu64 " kB\nVmPin:\t       0 kB\n",
             s.total * 4, s.total * 4, mm_locked_pages(p->mm) * 4);
    text_add(x,
             "VmHWM:\t%8" PRIu64 " kB\nVmRSS:\t%8" PRIu64 " kB\nRssAnon:\t%8" PRIu64 " kB\nRssFile:\t%8" PRIu64
             " kB\nRssShmem:\t       0 kB\n",
             process_maxrss_kb(p), s.resident * 4, (s.resident - s.shared) * 4, s.shared * 4);
    text_add(x,
             "VmData:\t%8" PRIu64 " kB\nVmStk:\t%8" PRIu64 " kB\nVmExe:\t%8" PRIu64 " kB\nVmLib:\t%8" PRIu64
             " kB\nVmPTE:\t%8" PRIu64 " kB\nVmSwap:\t       0 kB\n",
             s.data * 4, s.stack * 4, s.exe * 4, s.lib * 4, (s.total + 511) / 512 * 4);
}

static void status_signals(struct proc_text *x, const struct proc_who *w)
{
    const struct process *p = w->p;
    text_add(x, "Threads:\t%u\nSigQ:\t%u/%" PRIu64 "\n", p->ntasks ? p->ntasks : 1, p->pending.count,
             p->rlimit[LX_RLIMIT_SIGPENDING].rlim_cur);
    text_add(x, "SigPnd:\t%016" PRIx64 "\nShdPnd:\t%016" PRIx64 "\nSigBlk:\t%016" PRIx64 "\n",
             w->t ? w->t->pending.set : 0, p->pending.set, w->t ? w->t->sigmask : 0);
    text_add(x, "SigIgn:\t%016" PRIx64 "\nSigCgt:\t%016" PRIx64 "\n", handled(p, LX_SIG_IGN, false),
             handled(p, 0, true));
}

static void show_status(struct proc_text *x, const struct proc_who *w)
{
    const struct process *p = w->p;
    const struct cred *c = &p->cred;
    text_add(x, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
             comm_of(w), p->umask, state_word(state_of(w)), p->pid, w->t ? w->t->tid : p->pid,
             p->parent ? p->parent->pid : 0, tracer_of(w));
    status_ids(x, p);
    status_memory(x, p);
    status_signals(x, w);
    text_add(x,
             "CapInh:\t%016" PRIx64 "\nCapPrm:\t%016" PRIx64 "\nCapEff:\t%016" PRIx64 "\nCapBnd:\t%016" PRIx64
             "\nCapAmb:\t%016" PRIx64 "\n",
             c->caps_inheritable, c->caps_permitted, c->caps, c->caps_bounding, c->caps_ambient);
    text_add(x, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tnot vulnerable\n",
             p->no_new_privs);
    text_add(x, "Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
    text_add(x, "voluntary_ctxt_switches:\t%" PRIu64 "\nnonvoluntary_ctxt_switches:\t0\n", p->switches);
}

// ---------------------------------------------------------------- strings

// They are read where the process has them, on its stack, so a program may change what it shows.
static void show_memory(struct proc_text *x, struct mm *mm, uint64_t start, uint64_t end)
{
    if (end > start + STRINGS_MAX) end = start + STRINGS_MAX;
    while (start < end && !x->failed) {
        size_t room = PAGE_BYTES - (start & (PAGE_BYTES - 1)), n = end - start < room ? end - start : room;
        const void *p = mm_make_present(mm, start, MEM_R) ? NULL : mem_host(mm->mem, (uint32_t)start, MEM_R);
        if (!p) return;
        text_bytes(x, p, n);
        start += n;
    }
}

static void show_cmdline(struct proc_text *x, const struct proc_who *w)
{
    struct mm *mm = w->p->mm;
    if (mm)
        show_memory(x, mm, mm->arg_start, mm->arg_end);
    else if (w->p->pid == 1)
        text_bytes(x, "init", 5);
}

static void show_environ(struct proc_text *x, const struct proc_who *w)
{
    struct mm *mm = w->p->mm;
    if (mm) show_memory(x, mm, mm->env_start, mm->env_end);
}

static void show_comm(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%s\n", comm_of(w));
}

static int store_comm(const struct proc_who *w, const char *text, size_t n)
{
    struct task *me = w->box->current;
    if (!w->t || !me || me->proc != w->p) return -LX_EINVAL;
    n = strcspn(text, "\n");
    if (n > sizeof w->t->comm - 1) n = sizeof w->t->comm - 1;
    memset(w->t->comm, 0, sizeof w->t->comm);
    memcpy(w->t->comm, text, n);
    return 0;
}

// ---------------------------------------------------------------- maps

static void map_name(const struct process *p, const struct vma *v, char *name, size_t size)
{
    uint64_t start = (uint64_t)v->start << PAGE_SHIFT, end = (uint64_t)v->end << PAGE_SHIFT;
    const struct mm *mm = v->mm;
    const char *special = vdso_name(mm, v);
    snprintf(name, size, "%s", special ? special : "");
    if (special) return;
    if (v->file) {
        if (vfs_path_text(&p->root, &v->file->path, true, name, size) < 0) strcpy(name, "?");
    } else if (v->flags & LX_MAP_STACK && mm->start_stack >= start && mm->start_stack < end) {
        strcpy(name, "[stack]");
    } else if (start < mm->brk && end > mm->brk_start) {
        strcpy(name, "[heap]");
    }
}

void proc_map_head(struct proc_text *x, const struct process *p, const struct vma *v)
{
    char name[LX_PATH_MAX], head[128];
    struct kstat st = {0};
    gaddr start = vma_shown(v, v->start);
    if (v->file) vfs_file_getattr(v->file, &st);
    map_name(p, v, name, sizeof name);
    snprintf(head, sizeof head, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64 " ", start,
             start + ((gaddr)(v->end - v->start) << PAGE_SHIFT), v->prot & LX_PROT_READ ? 'r' : '-',
             v->prot & LX_PROT_WRITE ? 'w' : '-', v->prot & LX_PROT_EXEC ? 'x' : '-',
             v->flags & LX_MAP_SHARED ? 's' : 'p', v->file ? v->pgoff << PAGE_SHIFT : 0, vfs_major(st.dev),
             vfs_minor(st.dev), st.ino);
    if (name[0])
        text_add(x, "%-73s%s\n", head, name);
    else
        text_add(x, "%s\n", head);
}

static void show_maps(struct proc_text *x, const struct proc_who *w)
{
    const struct mm *mm = w->p->mm;
    for (unsigned i = 0; mm && i < mm->nvma; i++) proc_map_head(x, w->p, mm->vma[i]);
}

// ---------------------------------------------------------------- limits, mounts, the rest

static void show_limit(struct proc_text *x, uint64_t v)
{
    if (v == LX_RLIM_INFINITY)
        text_add(x, "%-21s", "unlimited");
    else
        text_add(x, "%-21" PRIu64, v);
}

static void show_limits(struct proc_text *x, const struct proc_who *w)
{
    static const struct {
        const char *name, *unit;
    } rows[LX_RLIM_NLIMITS] = {
        {"Max cpu time", "seconds"},    {"Max file size", "bytes"},      {"Max data size", "bytes"},
        {"Max stack size", "bytes"},    {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
        {"Max processes", "processes"}, {"Max open files", "files"},     {"Max locked memory", "bytes"},
        {"Max address space", "bytes"}, {"Max file locks", "locks"},     {"Max pending signals", "signals"},
        {"Max msgqueue size", "bytes"}, {"Max nice priority", ""},       {"Max realtime priority", ""},
        {"Max realtime timeout", "us"}};
    text_add(x, "%-26s%-21s%-21s%-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (int i = 0; i < LX_RLIM_NLIMITS; i++) {
        text_add(x, "%-26s", rows[i].name);
        show_limit(x, w->p->rlimit[i].rlim_cur);
        show_limit(x, w->p->rlimit[i].rlim_max);
        text_add(x, "%-10s\n", rows[i].unit);
    }
}

static void mount_options(struct proc_text *x, unsigned f)
{
    text_add(x, "%s%s%s%s%s", f & MOUNT_RDONLY ? "ro" : "rw", f & MOUNT_NOSUID ? ",nosuid" : "",
             f & MOUNT_NODEV ? ",nodev" : "", f & MOUNT_NOEXEC ? ",noexec" : "",
             f & MOUNT_NOATIME ? ",noatime" : ",relatime");
}

// As mangle_path: what separates fields is written in octal.
static void add_escaped(struct proc_text *x, const char *s)
{
    for (; *s; s++)
        if (strchr(" \t\n\\#", *s))
            text_add(x, "\\%03o", (unsigned char)*s);
        else
            text_bytes(x, s, 1);
}

// Where it is, as the process sees it. False: outside of its root.
static bool place_of(const struct proc_who *w, struct mount *m, char place[LX_PATH_MAX])
{
    struct path p = {m, m->root}, *root = &w->p->root;
    int n = root->dentry ? vfs_path_text(root, &p, false, place, LX_PATH_MAX) : -1;
    return n > 0 && place[0] == '/';
}

static void show_mounts(struct proc_text *x, const struct proc_who *w)
{
    char place[LX_PATH_MAX];
    for (struct mount *m = w->box->vfs->mounts; m; m = m->next) {
        if (!place_of(w, m, place)) continue;
        add_escaped(x, m->source);
        text_add(x, " ");
        add_escaped(x, place);
        text_add(x, " %s ", m->fs->type);
        mount_options(x, m->flags | m->fs->mount_flags);
        text_add(x, " 0 0\n");
    }
}

// The part of its file system that a mount shows.
static void mount_part(const struct mount *m, char part[LX_PATH_MAX])
{
    struct mount whole = {.root = m->root};
    struct path top, p = {&whole, m->root};
    while (whole.root->parent != whole.root) whole.root = whole.root->parent;
    top = (struct path){&whole, whole.root};
    if (vfs_path_text(&top, &p, true, part, LX_PATH_MAX) < 0) strcpy(part, "/");
}

static void show_mountinfo(struct proc_text *x, const struct proc_who *w)
{
    char place[LX_PATH_MAX], part[LX_PATH_MAX];
    for (struct mount *m = w->box->vfs->mounts; m; m = m->next) {
        if (!place_of(w, m, place)) continue;
        mount_part(m, part);
        text_add(x, "%u %u %u:%u ", m->id, m->parent ? m->parent->id : m->id, vfs_major(m->fs->dev),
                 vfs_minor(m->fs->dev));
        add_escaped(x, part);
        text_add(x, " ");
        add_escaped(x, place);
        text_add(x, " ");
        mount_options(x, m->flags);
        text_add(x, " - %s ", m->fs->type);
        add_escaped(x, m->source);
        text_add(x, " %s\n", m->fs->mount_flags & MOUNT_RDONLY ? "ro" : "rw");
    }
}

static void show_io(struct proc_text *x, const struct proc_who *w)
{ // not counted
    (void)w;
    text_add(x, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
}

static void add_watch(void *ctx, const struct inotify_line *l)
{
    text_add(ctx,
             "inotify wd:%x ino:%" PRIx64
             " sdev:%x mask:%x ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:%016" PRIx64 "\n",
             l->wd, l->ino, l->dev, l->mask, l->ino);
}

// Nobody has logged in (proc_loginuid_read, AUDIT_UID_UNSET), which is what getlogin(3) asks; no line end there.
static void show_unset_id(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "4294967295");
}

// Scores of an OOM killer that never chooses: kept and told.
static void show_oom_adj(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%d\n", w->p->oom_score_adj * 17 / 1000);
}

static void show_oom_score(struct proc_text *x, const struct proc_who *w)
{
    int score = 666 + w->p->oom_score_adj * 2 / 3; // oom_badness of one that takes next to nothing
    text_add(x, "%d\n", score < 0 ? 0 : score);
}

static void show_oom_score_adj(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%d\n", w->p->oom_score_adj);
}

static int set_oom(const struct proc_who *w, const char *text, long min, long max, long scale)
{
    char *end;
    const struct task *me = w->box->current;
    long v = strtol(text, &end, 10);
    end += strspn(end, " \t\n");
    if (end == text || *end || v < min || v > max) return -LX_EINVAL;
    v = v * 1000 / scale;
    if (v < w->p->oom_score_adj && me && !cred_has_cap(&me->proc->cred, LX_CAP_SYS_RESOURCE)) return -LX_EACCES;
    w->p->oom_score_adj = (int)v;
    return 0;
}

static int store_oom_score_adj(const struct proc_who *w, const char *text, size_t n)
{
    return (void)n, set_oom(w, text, -1000, 1000, 1000);
}

static int store_oom_adj(const struct proc_who *w, const char *text, size_t n)
{
    return (void)n, set_oom(w, text, -17, 15, 17);
}

static void show_cgroup(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "0::/\n");
}

static void show_idmap(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "         0          0 4294967295\n");
}

static void show_schedstat(struct proc_text *x, const struct proc_who *w)
{
    uint64_t run = w->t ? w->t->utime_ns + w->t->stime_ns : w->p->utime_ns + w->p->stime_ns;
    text_add(x, "%" PRIu64 " 0 %" PRIu64 "\n", run, w->p->switches + 1);
}

static void show_wchan(struct proc_text *x, const struct proc_who *w)
{
    (void)w;
    text_add(x, "0");
}

static void show_personality(struct proc_text *x, const struct proc_who *w)
{
    text_add(x, "%08x\n", (unsigned)w->p->personality);
}

void proc_fdinfo(struct proc_text *x, struct file *f)
{
    struct kstat st = {0};
    vfs_file_getattr(f, &st);
    text_add(x, "pos:\t%" PRIu64 "\nflags:\t0%o\nmnt_id:\t%u\nino:\t%" PRIu64 "\n", f->pos, f->flags,
             f->path.mount ? f->path.mount->id : 0, st.ino);
    inotify_fdinfo(f, add_watch, x);
}

enum { R = LX_S_IFREG | 0444, RW = LX_S_IFREG | 0644, OWNER = LX_S_IFREG | 0400 };

const struct proc_entry proc_pid_files[] = {
    {"auxv", OWNER, proc_show_auxv, NULL, NULL},
    {"cgroup", R, show_cgroup, NULL, NULL},
    {"cmdline", R, show_cmdline, NULL, NULL},
    {"comm", RW, show_comm, store_comm, NULL},
    {"environ", OWNER, show_environ, NULL, NULL},
    {"gid_map", R, show_idmap, NULL, NULL},
    {"io", OWNER, show_io, NULL, NULL},
    {"limits", R, show_limits, NULL, NULL},
    {"loginuid", R, show_unset_id, NULL, NULL},
    {"maps", R, show_maps, NULL, NULL},
    {"mem", LX_S_IFREG | 0600, proc_show_mem, NULL, NULL},
    {"mountinfo", R, show_mountinfo, NULL, NULL},
    {"mounts", R, show_mounts, NULL, NULL},
    {"net", LX_S_IFDIR | 0555, NULL, NULL, proc_net_files},
    {"numa_maps", R, proc_show_numa_maps, NULL, NULL},
    {"oom_adj", RW, show_oom_adj, store_oom_adj, NULL},
    {"oom_score", R, show_oom_score, NULL, NULL},
    {"oom_score_adj", RW, show_oom_score_adj, store_oom_score_adj, NULL},
    {"pagemap", OWNER, proc_show_pagemap, NULL, NULL},
    {"personality", OWNER, show_personality, NULL, NULL},
    {"schedstat", R, show_schedstat, NULL, NULL},
    {"sessionid", R, show_unset_id, NULL, NULL},
    {"smaps", R, proc_show_smaps, NULL, NULL},
    {"smaps_rollup", R, proc_show_smaps_rollup, NULL, NULL},
    {"stat", R, show_stat, NULL, NULL},
    {"statm", R, show_statm, NULL, NULL},
    {"status", R, show_status, NULL, NULL},
    {"uid_map", R, show_idmap, NULL, NULL},
    {"wchan", R, show_wchan, NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};
