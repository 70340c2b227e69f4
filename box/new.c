// Building a box: memory, mounts, devices, the first process with its streams, and the program in it. And taking it
// apart.
#include "box/box.h"
#include "host/clock.h"
#include "host/entropy.h"
#include "host/fault.h"
#include "syscalls/mm.h"
#include "syscalls/procfs.h"
#include "syscalls/vdso.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int belljar_fail(struct belljar_error *why, enum belljar_code code, const char *format, ...)
{
    if (!why) return code;
    va_list args;
    va_start(args, format);
    why->code = code;
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return code;
}

const char *box_errno_text(int err)
{
    switch (-err) {
#define X(name, value, text)                                                                                           \
    case value:                                                                                                        \
        return text;
        LX_ERRNO_LIST(X)
#undef X
    default:
        return "unknown error";
    }
}

// ---------------------------------------------------------------- what the file systems ask of the box

static struct vtime now(void *ctx)
{
    uint64_t ns = box_realtime(ctx);
    return (struct vtime){(int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000)};
}
static void random_bytes(void *ctx, void *buf, size_t n)
{
    box_random(ctx, buf, n);
}
static void unmap(void *ctx, struct inode *inode, uint32_t first, uint32_t count)
{
    mm_unmap_inode(ctx, inode, first, count);
}

static void damaged(void *ctx, const char *what)
{
    struct belljar_box *b = (struct belljar_box *)ctx; // whose first member it is
    if (!b->damage[0]) snprintf(b->damage, sizeof b->damage, "%s", what);
}

static int new_vfs(struct belljar_box *b)
{
    struct vfs_host host = {.ctx = &b->box,
                            .now = now,
                            .random = random_bytes,
                            .unmap = unmap,
                            .file_release = kernel_file_release,
                            .notify = kernel_notify,
                            .damaged = damaged};
    b->box.vfs = vfs_new(&b->box.ram, &host,
                         b->options->memory / 8 +
                             (4 << 20)); // names, inodes and buffers: beside the frames, so that both are bounded
    return b->box.vfs ? 0 : -LX_ENOMEM;
}

// ---------------------------------------------------------------- mounts

static int mount_tmpfs(struct vfs *v, const char *place, uint64_t bytes)
{
    struct fs *fs;
    int err = tmpfs_new(v, bytes, 01777, &fs);
    return err ? err : vfs_mount(v, fs, place, "tmpfs", MOUNT_NOSUID | MOUNT_NODEV);
}

static int mount_dev(struct belljar_box *b)
{
    struct vfs *v = b->box.vfs;
    struct fs *dev;
    int err = devfs_new(v, &dev);
    if (!err) err = vfs_mount(v, dev, "/dev", "udev", MOUNT_NOSUID);
    if (!err) err = kernel_devices(&b->box, dev);
    return err ? err : mount_tmpfs(v, "/dev/shm", 0);
}

static int mount_proc(struct belljar_box *b)
{
    struct fs *proc;
    int err = procfs_new(&b->box, &proc);
    return err ? err : vfs_mount(b->box.vfs, proc, "/proc", "proc", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC);
}

static int mount_sys(struct belljar_box *b)
{
    struct fs *sys;
    int err = sysfs_new(&b->box, &sys);
    return err ? err
               : vfs_mount(b->box.vfs, sys, "/sys", "sysfs", MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC);
}

// Images need not have the places belljar mounts on.
static void make_places(struct belljar_box *b)
{
    static const char *const places[] = {"/dev", "/proc", "/sys", "/tmp"};
    struct cred root;
    cred_init(&root, 0, 0);
    struct vfs_at at = {.root = b->root, .base = b->root, .cred = &root};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
        (void)vfs_mkdir(b->box.vfs, &at, places[i], 0755); // EEXIST as a rule
}

static int mount_all(struct belljar_box *b, const struct belljar_image *image, struct belljar_error *why)
{
    int code = image_mount(b, image, why);
    if (code) return code;
    vfs_root(b->box.vfs, &b->root);
    make_places(b);
    int err = mount_dev(b);
    if (!err) err = mount_proc(b);
    if (!err) err = mount_sys(b);
    if (!err) err = mount_tmpfs(b->box.vfs, "/tmp", b->options->tmp_bytes);
    return err ? belljar_fail(why, BELLJAR_BAD_IMAGE, "%s: cannot mount /dev, /proc and /tmp: %s", image->path,
                              box_errno_text(err))
               : BELLJAR_OK;
}

// ---------------------------------------------------------------- the first process

static void set_limits(struct belljar_box *b)
{
    const struct belljar_options *o = b->options;
    b->box.limits = (struct box_limits){.memory = o->memory,
                                        .output = o->output,
                                        .tmp_bytes = o->tmp_bytes,
                                        .timeout_ns = o->timeout_ns,
                                        .cpu_time_ns = o->cpu_time_ns,
                                        .pids = o->pids,
                                        .files = o->files};
}

static void set_names(struct box *box, const struct belljar_options *o)
{
    box->uts = (struct lx_utsname){.sysname = "Linux",
                                   .release = "6.1.0-belljar",
                                   .version = "#1 belljar " BELLJAR_VERSION,
                                   .machine = "x86_64",
                                   .domainname = "(none)"};
    strncpy(box->uts.nodename, o->hostname, sizeof box->uts.nodename - 1);
}

static int change_dir(struct belljar_box *b, struct process *p, struct belljar_error *why)
{
    struct vfs_at at = {.root = b->root, .base = b->root, .cred = &p->cred};
    int err = vfs_lookup(b->box.vfs, &at, b->options->cwd, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p->cwd);
    return err ? belljar_fail(why, BELLJAR_BAD_OPTION, "cannot start in %s: %s", b->options->cwd, box_errno_text(err))
               : BELLJAR_OK;
}

static int first_process(struct belljar_box *b, struct belljar_error *why)
{
    struct task *t = process_new_init(&b->box);
    if (!t) return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    struct process *p = t->proc;
    b->first = t;
    path_get(&b->root);
    p->root = b->root;
    cred_init(&p->cred, b->options->uid, b->options->gid);
    p->umask = 022;
    p->fds = fdtable_new(b->options->files);
    int err = p->fds ? stdio_open(b, p) : -LX_ENOMEM;
    return err ? belljar_fail(why, BELLJAR_NO_RESOURCES, "cannot set up standard input and output: %s",
                              box_errno_text(err))
               : BELLJAR_OK;
}

// ---------------------------------------------------------------- the program

static const char *env_value(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (!strncmp(*env, name, n) && (*env)[n] == '=') return *env + n + 1;
    return NULL;
}

static int try_open(struct belljar_box *b, const struct process *p, const char *path, struct file **out)
{
    struct vfs_at at = {.root = p->root, .base = p->cwd, .cred = &p->cred};
    return vfs_open_exec(b->box.vfs, &at, path, LOOKUP_FOLLOW, out);
}

// As execvp(3): a name without '/' is looked for in PATH; one that is found but may not be run is remembered.
static int find_program(struct belljar_box *b, const struct process *p, const char *name, const char *search,
                        char path[LX_PATH_MAX], struct file **out)
{
    int worst = -LX_ENOENT;
    if (strchr(name, '/')) {
        if (snprintf(path, LX_PATH_MAX, "%s", name) >= LX_PATH_MAX) return -LX_ENAMETOOLONG;
        return try_open(b, p, path, out);
    }
    for (const char *at = search, *end; *name; at = end + 1) {
        end = strchrnul(at, ':');
        int n = snprintf(path, LX_PATH_MAX, "%.*s%s%s", (int)(end - at), at, end > at ? "/" : "./", name);
        int err = n < LX_PATH_MAX ? try_open(b, p, path, out) : -LX_ENAMETOOLONG;
        if (!err) return 0;
        if (err != -LX_ENOENT && err != -LX_ENOTDIR) worst = err;
        if (!*end) break;
    }
    return worst;
}

static int say_not_found(struct belljar_error *why, const char *program, int err)
{
    if (err == -LX_ENOENT || err == -LX_ENOTDIR)
        return belljar_fail(why, BELLJAR_NOT_FOUND, "%s: no such program in the image", program);
    if (err == -LX_EACCES)
        return belljar_fail(why, BELLJAR_NOT_EXECUTABLE,
                            "%s: not a program that may be run (a directory, or no execute permission)", program);
    return belljar_fail(why, BELLJAR_NOT_EXECUTABLE, "%s: cannot be run: %s", program, box_errno_text(err));
}

// The program of the options becomes what the first process runs: after the puts, which may bring it.
int box_load(struct belljar_box *b, struct belljar_error *why)
{
    struct task *t = b->first;
    const struct belljar_options *o = b->options;
    const char *const *env = o->envp ? o->envp : belljar_default_env;
    const char *name = o->program ? o->program : o->argv[0], *search = env_value(env, "PATH"), *reason = NULL;
    char path[LX_PATH_MAX];
    struct file *f;
    int code = change_dir(b, t->proc, why);
    if (code) return code;
    int err = find_program(b, t->proc, name, search ? search : "/usr/local/bin:/usr/bin:/bin", path, &f);
    if (err) return say_not_found(why, name, err);
    err = exec_program(t, f, path, (char **)o->argv, (char **)env, &reason);
    file_put(f);
    if (!err) {
        task_start(t);
        return BELLJAR_OK;
    }
    if (err == -LX_E2BIG)
        return belljar_fail(why, BELLJAR_NOT_EXECUTABLE, "%s: the arguments and the environment are too long together",
                            name);
    if (reason) return belljar_fail(why, BELLJAR_NOT_EXECUTABLE, "%s: %s", name, reason);
    return belljar_fail(why, BELLJAR_NOT_EXECUTABLE, "%s: cannot be run: %s", name, box_errno_text(err));
}

// ---------------------------------------------------------------- new, free

static void trace_to_fd(void *ctx, const char *line, size_t n)
{
    (void)host_write_all(((struct belljar_box *)ctx)->options->trace_fd, line, n);
}

_Static_assert((int)BELLJAR_TRACE_SYSCALLS == (int)TRACE_SYSCALLS && (int)BELLJAR_TRACE_FAULTS == (int)TRACE_FAULTS,
               "");

static void set_trace(struct belljar_box *b)
{
    unsigned what = b->options->trace & (BELLJAR_TRACE_SYSCALLS | BELLJAR_TRACE_FAULTS); // the kernel's part
    if (!what) return;
    b->trace = (struct trace){.what = what, .write = trace_to_fd, .fault = report_fault, .ctx = b};
    b->box.trace = &b->trace;
}

static int check_options(const struct belljar_options *o, struct belljar_error *why)
{
    if (!o->argv || !o->argv[0] || !(o->program ? o->program : o->argv[0])[0])
        return belljar_fail(why, BELLJAR_BAD_OPTION, "no program given");
    if (o->memory < 4 << 20) return belljar_fail(why, BELLJAR_BAD_OPTION, "the memory limit must be at least 4 MiB");
    if (o->memory > (uint64_t)RAM_FILE_BASE * PAGE_BYTES / 2)
        return belljar_fail(why, BELLJAR_BAD_OPTION, "the memory limit can be at most 8 GiB");
    if (o->cpu_level != CPU_LEVEL_V2 && o->cpu_level != CPU_LEVEL_V3)
        return belljar_fail(why, BELLJAR_BAD_OPTION, "the CPU level is 2 or 3");
    if (o->engine > BELLJAR_LOCKSTEP) return belljar_fail(why, BELLJAR_BAD_OPTION, "no such engine");
    if (o->pids < 1 || o->files < 4)
        return belljar_fail(why, BELLJAR_BAD_OPTION, "at least 1 process and 4 files a process are needed");
    return BELLJAR_OK;
}

int belljar_memory_file(void)
{
    return ram_memory();
}

int box_memory(struct ram *r, const struct belljar_options *o)
{
    uint32_t frames = (uint32_t)(o->memory / PAGE_BYTES);
    return o->memory_file ? ram_open_on(r, frames, o->memory_file) : ram_open(r, frames);
}

static int build(struct belljar_box *b, const struct belljar_image *image, struct belljar_error *why)
{
    const struct belljar_options *o = b->options;
    if (box_memory(&b->box.ram, o))
        return belljar_fail(why, BELLJAR_NO_RESOURCES,
                            "cannot reserve memory for the box (limits on address space or descriptors?)");
    if (host_fault_install() || host_wake_open(&b->host.wake))
        return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of descriptors or signal handlers");
    set_limits(b);
    set_names(&b->box, o);
    set_trace(b);
    box_time_init(&b->box);
    belljar_trace_phase(o, "memory reserved");
    int code = engine_open(b, why);
    if (code) return code;
    belljar_trace_phase(o, "engine made");
    if (new_vfs(b)) return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    code = mount_all(b, image, why);
    if (code) return code;
    code = mount_hosts(b, why);
    if (code) return code;
    belljar_trace_phase(o, "file systems mounted");
    return first_process(b, why);
}

int belljar_box_new(struct belljar_image *image, const struct belljar_options *options, struct belljar_box **out,
                    struct belljar_error *why)
{
    int code = check_options(options, why);
    if (code) return code;
    struct belljar_box *b = calloc(1, sizeof *b);
    if (!b) return belljar_fail(why, BELLJAR_NO_RESOURCES, "out of memory");
    b->options = options;
    b->host.wake = (struct host_wake){-1, -1};
    b->box.host = &b->host;
    b->box.backend = options->exact ? MEM_CHECKED : MEM_DIRECT;
    b->box.level = (enum cpu_level)options->cpu_level;
    b->box.deterministic = options->deterministic;
    if (!options->deterministic)
        host_entropy(b->box.entropy_state, sizeof b->box.entropy_state);
    else
        memcpy(b->box.entropy_state, &options->seed, sizeof options->seed);
    code = build(b, image, why);
    if (code)
        belljar_box_free(b);
    else
        *out = b;
    return code;
}

void belljar_box_free(struct belljar_box *b)
{
    if (!b) return;
    stdio_close(b);
    processes_free(&b->box);
    vdso_free(&b->box);
    if (b->box.vfs) sysv_free(&b->box);
    mqueues_free(&b->box);
    ttys_free(&b->box);
    terminal_free(b);
    path_put(&b->root);
    if (b->box.vfs) vfs_free(b->box.vfs);
    engine_close(b);
    if (b->box.ram.base) ram_close(&b->box.ram);
    if (b->host.wake.r >= 0) host_wake_close(&b->host.wake);
    free(b);
}
