// execve, execveat: a new program in an old process (fs/exec.c). What the file asks for comes from loader/; here it is
// carried out.
//
// The new memory map is built whole before the old one is let go, so every error returns to the caller with nothing
// changed, and a wait for data pages (-LX_EPARK) starts over. After commit() nothing can fail.
#include "loader/elf.h"
#include "loader/script.h"
#include "loader/stack.h"
#include "syscalls/mm.h"
#include "syscalls/ptrace.h"
#include "syscalls/signal.h"
#include "syscalls/vdso.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SCRIPTS = 5,
    STACK_SLACK = 32
}; // interpreters of interpreters (BINPRM_MAX_RECURSION); pages the stack has mapped from the start

// ---------------------------------------------------------------- string vectors

// argv or envp as kernel strings; grows as the guest's is read, bounded by ARG_MAX in all.
struct strings {
    char **at;
    size_t n, cap;
};

static void strings_free(struct strings *s)
{
    for (size_t i = 0; i < s->n; i++) free(s->at[i]);
    free(s->at);
    *s = (struct strings){0};
}

static int strings_room(struct strings *s)
{
    if (s->n + 1 < s->cap) return 0;
    size_t cap = s->cap ? s->cap * 2 : 16;
    char **grown = realloc(s->at, cap * sizeof *grown);
    if (!grown) return -LX_ENOMEM;
    s->at = grown;
    s->cap = cap;
    return 0;
}

static int strings_insert(struct strings *s, size_t where, const char *text)
{
    int err = strings_room(s);
    char *copy = err ? NULL : strdup(text);
    if (!copy) return -LX_ENOMEM;
    memmove(s->at + where + 1, s->at + where, (s->n - where) * sizeof *s->at);
    s->at[where] = copy;
    s->at[++s->n] = NULL;
    return 0;
}

static int strings_add_user(struct task *t, struct strings *s, gaddr from, char *scratch, size_t *left)
{
    size_t room = *left < LX_ARG_MAX_STRLEN ? *left : LX_ARG_MAX_STRLEN;
    int64_t len = strncpy_from_user(t, scratch, from, room);
    if (len == -LX_ENAMETOOLONG) return -LX_E2BIG;
    if (len < 0) return (int)len;
    *left -= (size_t)len + 1;
    return strings_insert(s, s->n, scratch);
}

static int strings_from_user(struct task *t, struct strings *s, gaddr vector, size_t *left)
{
    int err = strings_room(s);
    if (err) return err;
    s->at[0] = NULL;
    if (!vector) return 0;
    char *scratch = malloc(LX_ARG_MAX_STRLEN);
    if (!scratch) return -LX_ENOMEM;
    for (;; vector += 8) {
        uint64_t p;
        if ((err = copy_from_user(t, &p, vector, 8)) || !p) break;
        if (*left < 16)
            err = -LX_E2BIG;
        else
            *left -= 8, err = strings_add_user(t, s, p, scratch, left);
        if (err) break;
    }
    free(scratch);
    return err;
}

// ---------------------------------------------------------------- what is to be run

struct bin {
    struct file *file;   // the program (for a script: its interpreter)
    struct file *interp; // its ELF interpreter, or NULL
    struct elf_plan plan, iplan;
    struct strings argv, envp;
    char path[LX_PATH_MAX]; // AT_EXECFN and the name a script's interpreter is given
    const char *why;
    struct cred cred; // as it will be: set-user-ID bits applied
    bool secure;
    struct mm *mm;
    uint64_t bias, entry, ibase, vdso, sp;
    struct stack_image stack;
};

static void bin_end(struct bin *b)
{
    file_put(b->file);
    file_put(b->interp);
    strings_free(&b->argv);
    strings_free(&b->envp);
    mm_unref(b->mm);
    free(b->stack.bytes);
    free(b);
}

static int64_t read_file(void *file, uint64_t offset, void *to, size_t n)
{
    return inode_read(((struct file *)file)->inode, offset, to, n);
}

static struct vfs_at at_of(const struct task *t)
{
    return (struct vfs_at){
        .root = t->proc->root, .base = t->proc->cwd, .cred = &t->proc->cred, .umask = t->proc->umask};
}

static int open_program(struct task *t, const char *path, struct file **out)
{
    struct vfs_at at = at_of(t);
    return vfs_open_exec(t->box->vfs, &at, path, LOOKUP_FOLLOW, out);
}

// Replace a script by its interpreter: argv becomes interpreter, its argument, the script's path, the rest. 1:
// replaced; 0: no script.
static int resolve_script(struct task *t, struct bin *b)
{
    char head[SCRIPT_LINE];
    int64_t n = inode_read(b->file->inode, 0, head, sizeof head);
    if (n < 0) return (int)n;
    struct script s;
    int is = script_parse(&s, head, (size_t)n);
    if (is <= 0) return is;
    int err = 0;
    if (b->argv.n) {
        free(b->argv.at[0]);
        memmove(b->argv.at, b->argv.at + 1, b->argv.n-- * sizeof *b->argv.at);
    }
    err = strings_insert(&b->argv, 0, b->path);
    if (!err && s.has_arg) err = strings_insert(&b->argv, 0, s.arg);
    if (!err) err = strings_insert(&b->argv, 0, s.interp);
    if (err) return err;
    struct file *interp;
    if ((err = open_program(t, s.interp, &interp))) {
        b->why = "names an interpreter (#!) that cannot be run";
        return err;
    }
    file_put(b->file);
    b->file = interp;
    memcpy(b->path, s.interp, sizeof s.interp);
    return 1;
}

static int read_plans(struct task *t, struct bin *b)
{
    int err = elf_read_plan(&b->plan, read_file, b->file, b->file->inode->size, &b->why);
    if (err || !b->plan.interp[0]) return err;
    if ((err = open_program(t, b->plan.interp, &b->interp))) {
        if (err != -LX_EPARK) b->why = "needs an ELF interpreter that is missing or cannot be run";
        return err;
    }
    err = elf_read_plan(&b->iplan, read_file, b->interp, b->interp->inode->size, &b->why);
    if (err == -LX_ENOEXEC) err = -LX_ELIBBAD;
    return err;
}

// Set-user-ID and set-group-ID programs (fs/exec.c bprm_fill_uid), and what execve does to capabilities
// (capabilities(7)).
static void new_cred(const struct task *t, struct bin *b)
{
    const struct inode *i = b->file->inode;
    struct cred *c = &b->cred;
    *c = t->proc->cred;
    bool honour = !(b->file->path.mount && b->file->path.mount->flags & MOUNT_NOSUID) && !t->proc->no_new_privs &&
                  !ptrace_limits_exec(t);
    if (honour && i->mode & LX_S_ISUID) c->euid = i->uid;
    if (honour && (i->mode & (LX_S_ISGID | LX_S_IXGRP)) == (LX_S_ISGID | LX_S_IXGRP)) c->egid = i->gid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    if (c->euid == 0 || c->uid == 0)
        c->caps_permitted = c->caps_bounding | c->caps_inheritable;
    else
        c->caps_permitted = c->caps_ambient;
    c->caps = c->euid == 0 ? c->caps_permitted : c->caps_ambient;
    b->secure = c->euid != c->uid || c->egid != c->gid;
}

// ---------------------------------------------------------------- the new memory

// Write into an address space that no task runs in yet.
static int poke(struct mm *mm, gaddr at, const void *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t room = PAGE_BYTES - ((at + done) & (PAGE_BYTES - 1)), part = n - done < room ? n - done : room;
        int err = mm_make_present(mm, at + done, MEM_W);
        void *p = err ? NULL : mem_host(mm->mem, (uint32_t)(at + done), MEM_W);
        if (!p) return err ? err : -LX_EFAULT;
        if (from)
            memcpy(p, (const char *)from + done, part);
        else
            memset(p, 0, part);
        done += part;
    }
    return 0;
}

static int64_t map_fixed(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot, struct file *f, uint64_t offset)
{
    struct mm_map m = {
        .addr = addr, .len = len, .prot = prot, .flags = LX_MAP_PRIVATE | LX_MAP_FIXED, .file = f, .offset = offset};
    return mm_mmap(mm, &m);
}

// One PT_LOAD at bias: the file part, zeros to the end of its page, zero pages behind (fs/binfmt_elf.c elf_map,
// set_brk, padzero).
static int map_segment(struct mm *mm, const struct elf_segment *s, struct file *f, uint64_t bias)
{
    uint64_t mask = PAGE_BYTES - 1, start = s->vaddr + bias, page = start & ~mask, file_end = start + s->filesz,
             end = start + s->memsz;
    uint64_t file_pages_end = (file_end + mask) & ~mask, mem_pages_end = (end + mask) & ~mask;
    int64_t at = s->filesz ? map_fixed(mm, page, file_pages_end - page, s->prot, f, s->offset & ~mask) : 0;
    if (!s->filesz) file_pages_end = page;
    if (at >= 0 && mem_pages_end > file_pages_end)
        at = map_fixed(mm, file_pages_end, mem_pages_end - file_pages_end, s->prot, NULL, 0);
    if (at < 0) return (int)at;
    uint64_t zero_end = end < file_pages_end ? end : file_pages_end;
    if (s->memsz > s->filesz && zero_end > file_end && s->prot & LX_PROT_WRITE)
        return poke(mm, file_end, NULL, file_pages_end - file_end);
    return 0;
}

// Where an ET_DYN object goes: programs at the fixed base for them, interpreters where files go. Sets *bias.
static int place_object(struct mm *mm, const struct elf_plan *p, struct file *f, bool program, uint64_t *bias)
{
    uint64_t span = p->hi - p->lo, base = (uint64_t)MM_EXEC_BASE << PAGE_SHIFT;
    *bias = 0;
    if (!p->dyn) return p->lo >> PAGE_SHIFT < MM_MIN_PAGE ? -LX_EPERM : 0;
    if (program)
        base = (base + p->align - 1) & ~(p->align - 1);
    else {
        struct mm_map m = {.len = span, .flags = LX_MAP_PRIVATE, .file = f};
        int64_t at = mm_mmap(mm, &m);
        if (at < 0) return (int)at;
        base = (uint64_t)at;
        int err = vma_clear(mm, (uint32_t)(base >> PAGE_SHIFT), (uint32_t)((base + span) >> PAGE_SHIFT));
        if (err) return err;
    }
    if (base + span > (uint64_t)(MM_STACK_TOP - mm->stack_limit) << PAGE_SHIFT) return -LX_ENOMEM;
    *bias = base - p->lo;
    return 0;
}

static int map_object(struct mm *mm, const struct elf_plan *p, struct file *f, bool program, uint64_t *bias)
{
    int err = place_object(mm, p, f, program, bias);
    for (unsigned i = 0; i < p->nsegments && !err; i++) err = map_segment(mm, &p->segment[i], f, *bias);
    return err;
}

static uint32_t stack_pages(const struct task *t)
{
    uint64_t limit = t->proc->rlimit[LX_RLIMIT_STACK].rlim_cur >> PAGE_SHIFT;
    if (limit > 65536) limit = 65536; // 256 MiB: the rest of the 4 GiB is for the program
    return limit < STACK_SLACK ? STACK_SLACK : (uint32_t)limit;
}

static void add_aux(struct stack_plan *s, uint64_t type, uint64_t value)
{
    s->aux[s->naux++] = (struct auxv){type, value};
}

static void fill_aux(struct task *t, struct bin *b, struct stack_plan *s)
{
    uint32_t id[4], more[4];
    cpu_cpuid(&t->cpu, 1, 0, id);
    cpu_cpuid(&t->cpu, 7, 0, more);
    if (b->vdso) add_aux(s, LX_AT_SYSINFO_EHDR, b->vdso);
    add_aux(s, LX_AT_HWCAP, id[3]);
    add_aux(s, LX_AT_PAGESZ, PAGE_BYTES);
    add_aux(s, LX_AT_CLKTCK, 100);
    add_aux(s, LX_AT_PHDR, b->plan.phdr_vaddr ? b->plan.phdr_vaddr + b->bias : 0);
    add_aux(s, LX_AT_PHENT, b->plan.phentsize);
    add_aux(s, LX_AT_PHNUM, b->plan.phnum);
    add_aux(s, LX_AT_BASE, b->ibase);
    add_aux(s, LX_AT_FLAGS, 0);
    add_aux(s, LX_AT_ENTRY, b->plan.entry + b->bias);
    add_aux(s, LX_AT_UID, b->cred.uid);
    add_aux(s, LX_AT_EUID, b->cred.euid);
    add_aux(s, LX_AT_GID, b->cred.gid);
    add_aux(s, LX_AT_EGID, b->cred.egid);
    add_aux(s, LX_AT_SECURE, b->secure);
    add_aux(s, LX_AT_HWCAP2, more[1] & 1 ? LX_HWCAP2_FSGSBASE : 0);
    add_aux(s, LX_AT_RSEQ_FEATURE_SIZE, 28); // up to mm_cid; at least 32 are allocated (rseq.c)
    add_aux(s, LX_AT_RSEQ_ALIGN, 32);
    add_aux(s, LX_AT_MINSIGSTKSZ, signal_frame_max(t));
}

static int build_stack(struct task *t, struct bin *b)
{
    struct stack_plan s = {.argv = b->argv.at, .envp = b->envp.at, .execfn = b->path, .platform = "x86_64"};
    box_random(t->box, s.random, sizeof s.random);
    fill_aux(t, b, &s);
    uint64_t top = (uint64_t)MM_STACK_TOP << PAGE_SHIFT, max = (uint64_t)b->mm->stack_limit << PAGE_SHIFT;
    int err = stack_build(&b->stack, &s, top, max / 4);
    if (err) return err;
    uint64_t want = ((b->stack.size + PAGE_BYTES - 1) >> PAGE_SHIFT) + STACK_SLACK;
    if (want > b->mm->stack_limit) want = b->mm->stack_limit;
    struct vma v = {.start = MM_STACK_TOP - (uint32_t)want,
                    .end = MM_STACK_TOP,
                    .prot = LX_PROT_READ | LX_PROT_WRITE | (b->plan.exec_stack ? LX_PROT_EXEC : 0),
                    .flags = LX_MAP_GROWSDOWN | LX_MAP_STACK};
    if ((err = vma_insert(b->mm, &v))) return err;
    b->mm->start_stack = b->stack.sp;
    mm_keep_auxv(b->mm, b->stack.bytes, b->stack.size);
    b->mm->arg_start = b->stack.argv_start;
    b->mm->arg_end = b->stack.argv_end;
    b->mm->env_start = b->stack.env_start;
    b->mm->env_end = b->stack.env_end;
    return poke(b->mm, b->stack.sp, b->stack.bytes, b->stack.size);
}

static int build_memory(struct task *t, struct bin *b)
{
    b->mm = mm_new(t->box);
    if (!b->mm) return -LX_ENOMEM;
    b->mm->stack_limit = stack_pages(t);
    uint64_t ibias = 0;
    int err = map_object(b->mm, &b->plan, b->file, true, &b->bias);
    if (!err && b->interp) err = map_object(b->mm, &b->iplan, b->interp, false, &ibias);
    if (err) return err;
    b->vdso = vdso_map(b->mm);
    b->ibase = b->interp ? ibias + b->iplan.lo : 0;
    b->entry = b->interp ? b->iplan.entry + ibias : b->plan.entry + b->bias;
    b->mm->brk_start = b->mm->brk = b->plan.hi + b->bias;
    return build_stack(t, b);
}

// ---------------------------------------------------------------- the point of no return

static void set_comm(struct task *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n = strnlen(name, sizeof t->comm - 1);
    memset(t->comm, 0, sizeof t->comm);
    memcpy(t->comm, name, n);
}

// Descriptors become the process's own, those marked so are closed.
static void unshare_files(struct process *p)
{
    struct fdtable *own = fdtable_clone(p->fds);
    if (own) {
        fdtable_unref(p->fds);
        p->fds = own;
    }
    fdtable_cloexec(p->fds);
}

static void commit(struct task *t, struct bin *b)
{
    struct process *p = t->proc;
    exit_other_tasks(t);
    futex_exit(t);
    struct mm *old = p->mm;
    p->mm = b->mm;
    b->mm = NULL;
    enum cpu_level level = (enum cpu_level)t->cpu.level;
    uint64_t count = t->cpu.insn_count;
    int64_t budget = t->cpu.budget;
    cpu_init(&t->cpu, level);
    t->cpu.insn_count = count;
    t->cpu.budget = budget;
    task_set_mm(t, p->mm);
    t->cpu.regs[RSP] = b->stack.sp;
    t->cpu.rip = b->entry;
    mm_unref(old);
    process_execed(t);
    unshare_files(p);
    file_put(p->exe);
    p->exe = file_get(b->file);
    p->cred = b->cred;
    p->dumpable = !b->secure;
    set_comm(t, b->path);
}

// b has file, path, argv and envp.
static int run_program(struct task *t, struct bin *b)
{
    char given[LX_PATH_MAX];
    memcpy(given, b->path, sizeof given);
    if (!b->argv.n && strings_insert(&b->argv, 0, "")) return -LX_ENOMEM; // as Linux since 5.18
    int is_script = 1;
    for (int depth = 0; is_script > 0; depth++) {
        if (depth == MAX_SCRIPTS) return -LX_ELOOP;
        is_script = resolve_script(t, b);
        if (is_script < 0) return is_script;
    }
    int err = read_plans(t, b);
    if (err) return err;
    new_cred(t, b);
    memcpy(b->path, given, sizeof given); // AT_EXECFN and comm are the name asked for
    if ((err = build_memory(t, b))) return err;
    commit(t, b);
    return 0;
}

int exec_program(struct task *t, struct file *f, const char *path, char **argv, char **envp, const char **why)
{
    struct bin *b = calloc(1, sizeof *b);
    if (!b) return -LX_ENOMEM;
    b->file = file_get(f);
    strncpy(b->path, path, sizeof b->path - 1);
    int err = strings_room(&b->argv) || strings_room(&b->envp) ? -LX_ENOMEM : 0;
    if (!err) b->argv.at[0] = b->envp.at[0] = NULL;
    for (; !err && *argv; argv++) err = strings_insert(&b->argv, b->argv.n, *argv);
    for (; !err && *envp; envp++) err = strings_insert(&b->envp, b->envp.n, *envp);
    if (!err) err = run_program(t, b);
    if (why) *why = b->why;
    bin_end(b);
    return err;
}

// ---------------------------------------------------------------- system calls

static int open_for_exec(struct task *t, int dirfd, const char *path, unsigned flags, struct bin *b)
{
    struct vfs_at at = at_of(t);
    if (path[0] != '/' && dirfd != LX_AT_FDCWD) {
        struct file *dir = fd_get(t->proc, dirfd);
        if (!dir) return -LX_EBADF;
        at.base = dir->path;
    }
    if (dirfd == LX_AT_FDCWD || path[0] == '/')
        strcpy(b->path, path);
    else
        snprintf(b->path, sizeof b->path, path[0] ? "/dev/fd/%d/%.4000s" : "/dev/fd/%d", dirfd,
                 path); // as Linux names it
    unsigned lookup =
        (flags & LX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & LX_AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    return vfs_open_exec(t->box->vfs, &at, path, lookup, &b->file);
}

static int64_t do_execve(struct task *t, int dirfd, gaddr path, gaddr argv, gaddr envp, unsigned flags)
{
    if (flags & ~(unsigned)(LX_AT_EMPTY_PATH | LX_AT_SYMLINK_NOFOLLOW)) return -LX_EINVAL;
    struct bin *b = calloc(1, sizeof *b);
    char *name = malloc(LX_PATH_MAX);
    size_t left = ((size_t)stack_pages(t) << PAGE_SHIFT) / 4;
    int err = b && name ? get_path(t, path, name) : -LX_ENOMEM;
    if (!err) err = open_for_exec(t, dirfd, name, flags, b);
    if (!err) err = strings_from_user(t, &b->argv, argv, &left);
    if (!err) err = strings_from_user(t, &b->envp, envp, &left);
    if (!err) err = run_program(t, b);
    if (b) bin_end(b);
    free(name);
    return err == -LX_EPARK ? task_wait_io(t, t->box->vfs->park) : err;
}

int64_t sys_execve(struct task *t, const uint64_t a[6])
{
    return do_execve(t, LX_AT_FDCWD, a[0], a[1], a[2], 0);
}
int64_t sys_execveat(struct task *t, const uint64_t a[6])
{
    return do_execve(t, (int)a[0], a[1], a[2], a[3], (unsigned)a[4]);
}
