// --trace syscalls, signals: one line for each, as strace writes it, from the argument kinds in syscall.def.
//
//     [2] openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3
//
// What the guest passes in is written down when the call begins (execve's strings are gone afterwards), what it gets
// out when the call ends; then the line goes out whole. A line shows what was there when it was looked at: other
// threads may change it before the call reads it.
#include "syscalls/trace.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1024, SHOWN = 32, MAX_STRINGS = 16 };

enum arg_kind {
    NO_ARG,
    INT,
    UINT,
    HEX,
    OCT,
    SIZE,
    PTR,
    FD,
    DIRFD,
    PID,
    PATH,
    IN,
    OUT,
    ARGV,
    ENVP,
    MODE,
    OFLAGS,
    PROT,
    MFLAGS,
    CLONE,
    SIG,
    SIGHOW,
    SIGSET,
    TIMESPEC,
    WHENCE,
    CLOCK,
    FCNTL,
    IOCTL,
    FUTEX,
};

#define KINDS(...)                                                                                                     \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
static const uint8_t arg_kinds[SYS_MAX][6] = {
#define SYS(nr, name, args, support, note) [nr] = KINDS args,
#include "syscalls/syscall.def"
#undef SYS
};

struct trace_line {
    size_t n;
    unsigned next_arg;
    char text[LINE];
};

// ---------------------------------------------------------------- text

static void add(struct trace_line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct trace_line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->n, LINE - l->n, format, args);
    va_end(args);
    if (n > 0) l->n += (size_t)n;
    if (l->n > LINE - 1) l->n = LINE - 1;
}

struct name {
    uint64_t value;
    const char *name;
};

static void add_flags(struct trace_line *l, uint64_t value, const struct name *names, size_t n, const char *none)
{
    const char *separator = "";
    for (size_t i = 0; i < n; i++) {
        if ((value & names[i].value) != names[i].value) continue;
        add(l, "%s%s", separator, names[i].name);
        value &= ~names[i].value;
        separator = "|";
    }
    if (value || !*separator) add(l, value || !none ? "%s0x%" PRIx64 : "%s", value || !none ? separator : none, value);
}

static void add_name(struct trace_line *l, uint64_t value, const struct name *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i].value != value) continue;
        add(l, "%s", names[i].name);
        return;
    }
    add(l, "%" PRId64, (int64_t)value);
}

static void add_quoted(struct trace_line *l, const unsigned char *s, size_t n)
{
    add(l, "\"");
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\n')
            add(l, "\\n");
        else if (s[i] == '\t')
            add(l, "\\t");
        else if (s[i] == '"' || s[i] == '\\')
            add(l, "\\%c", s[i]);
        else if (s[i] < 32 || s[i] > 126)
            add(l, "\\%o", s[i]);
        else
            add(l, "%c", s[i]);
    }
    add(l, "\"");
}

// ---------------------------------------------------------------- names of values

#define N(names) names, sizeof names / sizeof *names
static const struct name open_flags[] = {
    {LX_O_TMPFILE, "O_TMPFILE"},   {LX_O_SYNC, "O_SYNC"},           {LX_O_CREAT, "O_CREAT"},
    {LX_O_EXCL, "O_EXCL"},         {LX_O_NOCTTY, "O_NOCTTY"},       {LX_O_TRUNC, "O_TRUNC"},
    {LX_O_APPEND, "O_APPEND"},     {LX_O_NONBLOCK, "O_NONBLOCK"},   {LX_O_DSYNC, "O_DSYNC"},
    {LX_O_DIRECT, "O_DIRECT"},     {LX_O_LARGEFILE, "O_LARGEFILE"}, {LX_O_DIRECTORY, "O_DIRECTORY"},
    {LX_O_NOFOLLOW, "O_NOFOLLOW"}, {LX_O_NOATIME, "O_NOATIME"},     {LX_O_CLOEXEC, "O_CLOEXEC"},
    {LX_O_PATH, "O_PATH"}};
static const struct name prot_flags[] = {
    {LX_PROT_READ, "PROT_READ"}, {LX_PROT_WRITE, "PROT_WRITE"}, {LX_PROT_EXEC, "PROT_EXEC"}};
static const struct name map_flags[] = {{LX_MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"},
                                        {LX_MAP_SHARED, "MAP_SHARED"},
                                        {LX_MAP_PRIVATE, "MAP_PRIVATE"},
                                        {LX_MAP_FIXED, "MAP_FIXED"},
                                        {LX_MAP_ANONYMOUS, "MAP_ANONYMOUS"},
                                        {LX_MAP_32BIT, "MAP_32BIT"},
                                        {LX_MAP_GROWSDOWN, "MAP_GROWSDOWN"},
                                        {LX_MAP_DENYWRITE, "MAP_DENYWRITE"},
                                        {LX_MAP_NORESERVE, "MAP_NORESERVE"},
                                        {LX_MAP_POPULATE, "MAP_POPULATE"},
                                        {LX_MAP_STACK, "MAP_STACK"},
                                        {LX_MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"}};
static const struct name clone_flags[] = {{LX_CLONE_VM, "CLONE_VM"},
                                          {LX_CLONE_FS, "CLONE_FS"},
                                          {LX_CLONE_FILES, "CLONE_FILES"},
                                          {LX_CLONE_SIGHAND, "CLONE_SIGHAND"},
                                          {LX_CLONE_PIDFD, "CLONE_PIDFD"},
                                          {LX_CLONE_VFORK, "CLONE_VFORK"},
                                          {LX_CLONE_PARENT, "CLONE_PARENT"},
                                          {LX_CLONE_THREAD, "CLONE_THREAD"},
                                          {LX_CLONE_SYSVSEM, "CLONE_SYSVSEM"},
                                          {LX_CLONE_SETTLS, "CLONE_SETTLS"},
                                          {LX_CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"},
                                          {LX_CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"},
                                          {LX_CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"}};
static const struct name clocks[] = {{LX_CLOCK_REALTIME, "CLOCK_REALTIME"},
                                     {LX_CLOCK_MONOTONIC, "CLOCK_MONOTONIC"},
                                     {LX_CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID"},
                                     {LX_CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID"},
                                     {LX_CLOCK_BOOTTIME, "CLOCK_BOOTTIME"}};
static const struct name whences[] = {
    {0, "SEEK_SET"}, {1, "SEEK_CUR"}, {2, "SEEK_END"}, {3, "SEEK_DATA"}, {4, "SEEK_HOLE"}};
static const struct name sig_hows[] = {{0, "SIG_BLOCK"}, {1, "SIG_UNBLOCK"}, {2, "SIG_SETMASK"}};
static const struct name fcntls[] = {
    {LX_F_DUPFD, "F_DUPFD"},        {LX_F_GETFD, "F_GETFD"},   {LX_F_SETFD, "F_SETFD"},
    {LX_F_GETFL, "F_GETFL"},        {LX_F_SETFL, "F_SETFL"},   {LX_F_GETLK, "F_GETLK"},
    {LX_F_SETLK, "F_SETLK"},        {LX_F_SETLKW, "F_SETLKW"}, {LX_F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"},
    {LX_F_OFD_SETLK, "F_OFD_SETLK"}};
static const struct name ioctls[] = {
    {LX_TCGETS, "TCGETS"},         {LX_TCSETS, "TCSETS"},         {LX_TCSETSW, "TCSETSW"},
    {LX_TCSETSF, "TCSETSF"},       {LX_TIOCGPGRP, "TIOCGPGRP"},   {LX_TIOCSPGRP, "TIOCSPGRP"},
    {LX_TIOCGWINSZ, "TIOCGWINSZ"}, {LX_TIOCSWINSZ, "TIOCSWINSZ"}, {LX_FIONREAD, "FIONREAD"},
    {LX_FIONBIO, "FIONBIO"},       {LX_FIOCLEX, "FIOCLEX"}};
static const struct name futex_ops[] = {{LX_FUTEX_WAIT, "FUTEX_WAIT"},
                                        {LX_FUTEX_WAKE, "FUTEX_WAKE"},
                                        {LX_FUTEX_REQUEUE, "FUTEX_REQUEUE"},
                                        {LX_FUTEX_CMP_REQUEUE, "FUTEX_CMP_REQUEUE"},
                                        {LX_FUTEX_WAKE_OP, "FUTEX_WAKE_OP"},
                                        {LX_FUTEX_WAIT_BITSET, "FUTEX_WAIT_BITSET"},
                                        {LX_FUTEX_WAKE_BITSET, "FUTEX_WAKE_BITSET"}};
static const struct name signals[] = {
    {1, "SIGHUP"},   {2, "SIGINT"},     {3, "SIGQUIT"},  {4, "SIGILL"},     {5, "SIGTRAP"},  {6, "SIGABRT"},
    {7, "SIGBUS"},   {8, "SIGFPE"},     {9, "SIGKILL"},  {10, "SIGUSR1"},   {11, "SIGSEGV"}, {12, "SIGUSR2"},
    {13, "SIGPIPE"}, {14, "SIGALRM"},   {15, "SIGTERM"}, {16, "SIGSTKFLT"}, {17, "SIGCHLD"}, {18, "SIGCONT"},
    {19, "SIGSTOP"}, {20, "SIGTSTP"},   {21, "SIGTTIN"}, {22, "SIGTTOU"},   {23, "SIGURG"},  {24, "SIGXCPU"},
    {25, "SIGXFSZ"}, {26, "SIGVTALRM"}, {27, "SIGPROF"}, {28, "SIGWINCH"},  {29, "SIGIO"},   {30, "SIGPWR"},
    {31, "SIGSYS"}};

static void add_open_flags(struct trace_line *l, uint64_t flags)
{
    static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    add(l, "%s", modes[flags & 3]);
    flags &= 0xffffffff & ~3ull;
    if (!flags) return;
    add(l, "|");
    add_flags(l, flags, N(open_flags), NULL);
}

static void add_clone_flags(struct trace_line *l, uint64_t flags)
{
    add_flags(l, flags & ~(uint64_t)LX_CSIGNAL, N(clone_flags), "0");
    if (!(flags & LX_CSIGNAL)) return;
    add(l, "|");
    add_name(l, flags & LX_CSIGNAL, N(signals));
}

static void add_futex_op(struct trace_line *l, uint64_t op)
{
    add_name(l, op & ~(uint64_t)(LX_FUTEX_PRIVATE_FLAG | LX_FUTEX_CLOCK_REALTIME), N(futex_ops));
    if (op & LX_FUTEX_PRIVATE_FLAG) add(l, "|FUTEX_PRIVATE_FLAG");
    if (op & LX_FUTEX_CLOCK_REALTIME) add(l, "|FUTEX_CLOCK_REALTIME");
}

// ---------------------------------------------------------------- what guest memory has

static void add_pointer(struct trace_line *l, uint64_t v)
{
    add(l, v ? "0x%" PRIx64 : "NULL", v);
}

static void add_string(struct task *t, struct trace_line *l, gaddr at)
{
    char s[256];
    int64_t n = at ? strncpy_from_user(t, s, at, sizeof s) : -LX_EFAULT;
    if (n >= 0) {
        add_quoted(l, (unsigned char *)s, (size_t)n);
    } else if (n == -LX_ENAMETOOLONG) {
        add_quoted(l, (unsigned char *)s, sizeof s);
        add(l, "...");
    } else {
        add_pointer(l, at);
    }
}

static void add_bytes(struct task *t, struct trace_line *l, gaddr at, uint64_t n)
{
    unsigned char s[SHOWN];
    size_t shown = n < SHOWN ? n : SHOWN;
    if (!at || copy_from_user(t, s, at, shown)) {
        add_pointer(l, at);
        return;
    }
    add_quoted(l, s, shown);
    if (n > shown) add(l, "...");
}

static void add_strings(struct task *t, struct trace_line *l, gaddr at)
{
    uint64_t p = 0;
    if (!at) {
        add(l, "NULL");
        return;
    }
    add(l, "[");
    for (int i = 0; i < MAX_STRINGS && !copy_from_user(t, &p, at + 8 * (uint64_t)i, 8) && p; i++) {
        if (i) add(l, ", ");
        add_string(t, l, p);
    }
    add(l, "]");
}

static void add_count(struct task *t, struct trace_line *l, gaddr at)
{
    uint64_t p = 0, n = 0;
    while (n < 4096 && at && !copy_from_user(t, &p, at + 8 * n, 8) && p) n++;
    add_pointer(l, at);
    if (at) add(l, " /* %" PRIu64 " vars */", n);
}

static void add_timespec(struct task *t, struct trace_line *l, gaddr at)
{
    struct lx_timespec ts;
    if (!at || copy_from_user(t, &ts, at, sizeof ts))
        add_pointer(l, at);
    else
        add(l, "{tv_sec=%" PRId64 ", tv_nsec=%" PRId64 "}", ts.tv_sec, ts.tv_nsec);
}

static void add_sigset(struct task *t, struct trace_line *l, gaddr at)
{
    uint64_t set;
    const char *separator = "";
    if (!at || copy_from_user(t, &set, at, 8)) {
        add_pointer(l, at);
        return;
    }
    bool most = __builtin_popcountll(set) > 32;
    add(l, most ? "~[" : "[");
    for (uint64_t sig = 1; sig <= NSIG; sig++) {
        if ((set >> (sig - 1) & 1) == most) continue;
        add(l, "%s", separator);
        add_name(l, sig, N(signals));
        separator = " ";
    }
    add(l, "]");
}

// ---------------------------------------------------------------- a call

static void add_arg(struct task *t, struct trace_line *l, enum arg_kind kind, unsigned i, int64_t result)
{
    uint64_t v = t->sys_arg[i];
    switch (kind) {
    case NO_ARG:
        break;
    case INT:
    case FD:
    case PID:
        add(l, "%d", (int)v);
        break;
    case UINT:
        add(l, "%u", (unsigned)v);
        break;
    case SIZE:
        add(l, "%" PRIu64, v);
        break;
    case HEX:
        add(l, "0x%" PRIx64, v);
        break;
    case OCT:
    case MODE:
        add(l, "0%o", (unsigned)v);
        break;
    case PTR:
        add_pointer(l, v);
        break;
    case DIRFD:
        add(l, (int)v == LX_AT_FDCWD ? "AT_FDCWD" : "%d", (int)v);
        break;
    case PATH:
        add_string(t, l, v);
        break;
    case IN:
        add_bytes(t, l, v, t->sys_arg[i + 1]);
        break;
    case OUT:
        if (result > 0)
            add_bytes(t, l, v, (uint64_t)result);
        else
            add_pointer(l, v);
        break;
    case ARGV:
        add_strings(t, l, v);
        break;
    case ENVP:
        add_count(t, l, v);
        break;
    case OFLAGS:
        add_open_flags(l, v);
        break;
    case PROT:
        add_flags(l, v, N(prot_flags), "PROT_NONE");
        break;
    case MFLAGS:
        add_flags(l, v, N(map_flags), "0");
        break;
    case CLONE:
        add_clone_flags(l, v);
        break;
    case SIG:
        add_name(l, v, N(signals));
        break;
    case SIGHOW:
        add_name(l, v, N(sig_hows));
        break;
    case SIGSET:
        add_sigset(t, l, v);
        break;
    case TIMESPEC:
        add_timespec(t, l, v);
        break;
    case WHENCE:
        add_name(l, v, N(whences));
        break;
    case CLOCK:
        add_name(l, v, N(clocks));
        break;
    case FCNTL:
        add_name(l, v, N(fcntls));
        break;
    case IOCTL:
        add_name(l, v, N(ioctls));
        break;
    case FUTEX:
        add_futex_op(l, v);
        break;
    }
}

// mode_t is an argument of open only when it creates.
static bool is_left_out(const struct task *t, enum arg_kind kind, unsigned i)
{
    return kind == NO_ARG ||
           (kind == MODE && i && !(t->sys_arg[i - 1] & (LX_O_CREAT | (LX_O_TMPFILE & ~LX_O_DIRECTORY))));
}

static void add_args(struct task *t, struct trace_line *l, bool ended, int64_t result)
{
    static const uint8_t unknown[6] = {HEX, HEX, HEX, HEX, HEX, HEX};
    const uint8_t *kinds = sys_lookup(t->sys_nr) ? arg_kinds[t->sys_nr] : unknown;
    for (; l->next_arg < 6; l->next_arg++) {
        enum arg_kind kind = kinds[l->next_arg];
        if (is_left_out(t, kind, l->next_arg)) continue;
        if (kind == OUT && !ended) return;
        if (l->next_arg) add(l, ", ");
        add_arg(t, l, kind, l->next_arg, result);
    }
}

static void emit(struct task *t, struct trace_line *l)
{
    add(l, "\n");
    l->text[l->n - 1] = '\n';
    t->box->trace->write(t->box->trace->ctx, l->text, l->n);
}

static bool never_returns(uint64_t nr)
{
    return nr == NR_exit || nr == NR_exit_group || nr == NR_rt_sigreturn;
}

void trace_sys_enter(struct task *t)
{
    if (!t->box->trace || !(t->box->trace->what & TRACE_SYSCALLS)) return;
    struct trace_line *l = malloc(sizeof *l);
    if (!l) return;
    l->n = l->next_arg = 0;
    const struct sys_info *info = sys_lookup(t->sys_nr);
    if (info)
        add(l, "[%d] %s(", t->tid, info->name);
    else
        add(l, "[%d] syscall_%" PRIu64 "(", t->tid, t->sys_nr);
    add_args(t, l, false, 0);
    if (!never_returns(t->sys_nr)) {
        free(t->trace_line);
        t->trace_line = l;
        return;
    }
    add(l, ") = ?");
    emit(t, l);
    free(l);
}

static void add_error(struct trace_line *l, int64_t err)
{
    switch (err) {
#define X(name, value, text)                                                                                           \
    case value:                                                                                                        \
        add(l, "-1 " #name " (" text ")");                                                                             \
        return;
        LX_ERRNO_LIST(X)
#undef X
    case LX_ERESTARTSYS:
        add(l, "? ERESTARTSYS (To be restarted if SA_RESTART is set)");
        return;
    case LX_ERESTARTNOHAND:
        add(l, "? ERESTARTNOHAND (To be restarted if no handler)");
        return;
    case LX_ERESTART_RESTARTBLOCK:
        add(l, "? ERESTART_RESTARTBLOCK (Interrupted by signal)");
        return;
    default:
        add(l, "? %" PRId64, -err);
    }
}

static bool returns_address(uint64_t nr)
{
    return nr == NR_mmap || nr == NR_brk || nr == NR_mremap || nr == NR_shmat;
}

void trace_sys_exit(struct task *t, int64_t result)
{
    struct trace_line *l = t->trace_line;
    if (!l) return;
    t->trace_line = NULL;
    add_args(t, l, true, result);
    add(l, ") = ");
    if (result < 0 && result > -4096)
        add_error(l, -result);
    else
        add(l, returns_address(t->sys_nr) ? "0x%" PRIx64 : "%" PRId64, result);
    const struct sys_info *info = sys_lookup(t->sys_nr);
    if (result == -LX_ENOSYS && info && info->support == SYS_NONE) add(l, " <belljar does not have it>");
    emit(t, l);
    free(l);
}

// ---------------------------------------------------------------- signals

void trace_signal(struct task *t, const struct lx_siginfo *info)
{
    if (!t->box->trace || !(t->box->trace->what & (TRACE_SYSCALLS | TRACE_SIGNALS))) return;
    struct trace_line l = {0};
    add(&l, "[%d] --- ", t->tid);
    add_name(&l, (uint64_t)info->si_signo, N(signals));
    add(&l, " {si_code=%d", info->si_code);
    if (info->si_code <= 0 || info->si_signo == LX_SIGCHLD)
        add(&l, ", si_pid=%d, si_uid=%u", info->si_pid, info->si_uid);
    else if (info->si_code != LX_SI_KERNEL)
        add(&l, ", si_addr=0x%" PRIx64, info->si_addr);
    add(&l, "} ---");
    emit(t, &l);
}

static bool is_fault(int sig)
{
    return sig == LX_SIGSEGV || sig == LX_SIGILL || sig == LX_SIGFPE || sig == LX_SIGBUS || sig == LX_SIGTRAP;
}

void trace_death(struct task *t, const struct lx_siginfo *info)
{
    const struct trace *trace = t->box->trace;
    if (trace && trace->what & TRACE_FAULTS && trace->fault && is_fault(info->si_signo)) trace->fault(t, info);
}
