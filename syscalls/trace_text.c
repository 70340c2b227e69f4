// Text of a trace line: numbers, names, flags and strings as strace writes them, and the look into guest memory.
//
// trace_peek reads through the page tables as uaccess.c does, but it is not the kernel that asks: it does not grow a
// stack, gives an untouched anonymous page no frame (it shows zeros), and a page of a file that is not there yet is
// `absent`: the argument is tried again when the call has ended.
#include "syscalls/trace_impl.h"
#include "syscalls/mm.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void trace_add(struct trace_line *l, const char *format, ...)
{
    if (l->n >= l->room) return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->n, l->room + 1 - l->n, format, args);
    va_end(args);
    if (n > 0) l->n += (size_t)n;
    if (l->n < l->room) return;
    l->n = l->room;
    memcpy(l->text + l->n - 3, "...", 3);
}

void trace_add_pointer(struct trace_line *l, uint64_t v)
{
    trace_add(l, v ? "0x%" PRIx64 : "NULL", v);
}

// ---------------------------------------------------------------- guest memory

static const char zero_page[PAGE_BYTES];

static const char *page_at(struct trace_line *l, gaddr at)
{
    struct mm *mm = l->task->proc->mm;
    if (mm) at = mem_low(mm->mem, at);
    if (!mm || at >= MEM_TOP) return NULL;
    uint32_t page = (uint32_t)(at >> PAGE_SHIFT);
    struct vma *v = vma_at(mm, page);
    if (!v || !v->prot) return NULL;
    const char *p = mem_host(mm->mem, (uint32_t)at, MEM_R);
    if (p) return p;
    if (!v->inode && !mem_pte(mm->mem, page)) return zero_page + (at & (PAGE_BYTES - 1));
    int err = mm_make_present(mm, at, MEM_R);
    l->absent |= err == -LX_EPARK;
    return err ? NULL : mem_host(mm->mem, (uint32_t)at, MEM_R);
}

// How many of the n bytes at `from` could be read.
static size_t peek(struct trace_line *l, char *to, gaddr from, size_t n)
{
    size_t done = 0;
    while (done < n) {
        const char *p = page_at(l, from + done);
        size_t part = PAGE_BYTES - ((from + done) & (PAGE_BYTES - 1));
        if (part > n - done) part = n - done;
        if (!p) break;
        memcpy(to + done, p, part);
        done += part;
    }
    return done;
}

bool trace_peek(struct trace_line *l, void *to, gaddr from, size_t n)
{
    return from && peek(l, to, from, n) == n;
}

// ---------------------------------------------------------------- strings

static void add_octal(struct trace_line *l, unsigned char c, const unsigned char *next)
{ // three digits only where a digit follows
    trace_add(l, next && *next >= '0' && *next <= '9' ? "\\%03o" : "\\%o", c);
}

static void add_char(struct trace_line *l, const unsigned char *s, const unsigned char *next)
{
    static const char named[] = "\t\n\v\f\r", letters[] = "tnvfr";
    const char *which = *s ? strchr(named, *s) : NULL;
    if (which)
        trace_add(l, "\\%c", letters[which - named]);
    else if (*s == '"' || *s == '\\')
        trace_add(l, "\\%c", *s);
    else if (*s < ' ' || *s > '~')
        add_octal(l, *s, next);
    else
        trace_add(l, "%c", *s);
}

void trace_add_quoted(struct trace_line *l, const void *text, size_t n, bool more)
{
    const unsigned char *s = text;
    trace_add(l, "\"");
    for (size_t i = 0; i < n; i++) add_char(l, s + i, i + 1 < n ? s + i + 1 : NULL);
    trace_add(l, more ? "\"..." : "\"");
}

static void add_hex(struct trace_line *l, const unsigned char *s, size_t n, bool more)
{
    trace_add(l, "\"");
    for (size_t i = 0; i < n; i++) trace_add(l, "\\x%02x", s[i]);
    trace_add(l, more ? "\"..." : "\"");
}

void trace_add_bytes(struct trace_line *l, gaddr at, uint64_t n, bool hex)
{
    unsigned char s[TRACE_STRING];
    size_t shown = n < sizeof s ? n : sizeof s;
    if (!trace_peek(l, s, at, shown))
        trace_add_pointer(l, at);
    else if (hex)
        add_hex(l, s, shown, n > shown);
    else
        trace_add_quoted(l, s, shown, n > shown);
}

void trace_add_string(struct trace_line *l, gaddr at, size_t limit)
{
    char s[TRACE_PATH + 1];
    size_t most = limit < TRACE_PATH ? limit : TRACE_PATH;
    size_t n = at ? peek(l, s, at, most + 1) : 0, len = strnlen(s, n);
    if (len < n)
        trace_add_quoted(l, s, len, false);
    else if (n > most)
        trace_add_quoted(l, s, most, true);
    else
        trace_add_pointer(l, at);
}

// ---------------------------------------------------------------- names

void trace_add_flags(struct trace_line *l, uint64_t v, const struct trace_names *names)
{
    uint64_t left = v;
    const char *separator = "";
    for (unsigned i = 0; i < names->n; i++) {
        const struct trace_name *row = &names->rows[i];
        if (row->value ? (left & row->value) != row->value : v != 0) continue;
        trace_add(l, "%s%s", separator, row->name);
        left &= ~row->value;
        separator = "|";
        if (!v) return;
    }
    if (left && !*separator)
        trace_add(l, "%#" PRIx64 " /* %s */", left, names->unknown);
    else if (left)
        trace_add(l, "|%#" PRIx64, left);
    else if (!v)
        trace_add(l, "0");
}

void trace_add_name(struct trace_line *l, uint64_t v, const struct trace_names *names)
{
    for (unsigned i = 0; i < names->n; i++) {
        if (names->rows[i].value != v) continue;
        trace_add(l, "%s", names->rows[i].name);
        return;
    }
    trace_add(l, "%#" PRIx64 " /* %s */", v, names->unknown);
}

static const char *const signals[] = {
    [LX_SIGHUP] = "HUP",   [LX_SIGINT] = "INT",       [LX_SIGQUIT] = "QUIT", [LX_SIGILL] = "ILL",
    [LX_SIGTRAP] = "TRAP", [LX_SIGABRT] = "ABRT",     [LX_SIGBUS] = "BUS",   [LX_SIGFPE] = "FPE",
    [LX_SIGKILL] = "KILL", [LX_SIGUSR1] = "USR1",     [LX_SIGSEGV] = "SEGV", [LX_SIGUSR2] = "USR2",
    [LX_SIGPIPE] = "PIPE", [LX_SIGALRM] = "ALRM",     [LX_SIGTERM] = "TERM", [LX_SIGSTKFLT] = "STKFLT",
    [LX_SIGCHLD] = "CHLD", [LX_SIGCONT] = "CONT",     [LX_SIGSTOP] = "STOP", [LX_SIGTSTP] = "TSTP",
    [LX_SIGTTIN] = "TTIN", [LX_SIGTTOU] = "TTOU",     [LX_SIGURG] = "URG",   [LX_SIGXCPU] = "XCPU",
    [LX_SIGXFSZ] = "XFSZ", [LX_SIGVTALRM] = "VTALRM", [LX_SIGPROF] = "PROF", [LX_SIGWINCH] = "WINCH",
    [LX_SIGIO] = "IO",     [LX_SIGPWR] = "PWR",       [LX_SIGSYS] = "SYS",   [32] = "RTMIN",
};

void trace_add_signal(struct trace_line *l, uint64_t sig, bool in_set)
{
    const char *prefix = in_set ? "" : "SIG";
    if (sig < sizeof signals / sizeof *signals && signals[sig])
        trace_add(l, "%s%s", prefix, signals[sig]);
    else if (sig > 32 && sig <= NSIG)
        trace_add(l, "%sRT_%u", prefix, (unsigned)sig - 32);
    else
        trace_add(l, "%d", (int)sig);
}

// Most of them set: those that are not, behind ~ (strace: two thirds).
void trace_add_sigset(struct trace_line *l, uint64_t set)
{
    const char *separator = "";
    bool most = __builtin_popcountll(set) >= NSIG * 2 / 3;
    trace_add(l, most ? "~[" : "[");
    for (unsigned sig = 1; sig <= NSIG; sig++) {
        if ((set >> (sig - 1) & 1) == most) continue;
        trace_add(l, "%s", separator);
        trace_add_signal(l, sig, true);
        separator = " ";
    }
    trace_add(l, "]");
}
