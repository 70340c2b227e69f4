// What the parts of the trace share. Only trace*.c include this.
//
//   trace.c          the life of a line: a call begins, waits, ends; signals; deaths
//   trace_text.c     text into the line; guest memory as the trace may look at it
//   trace_kinds.def  KIND: how an argument (a column of syscall.def), a member or an element is printed. One row each
//   trace_data.def   names of values, structs, arrays and choices that the rows of trace_kinds.def point to
//   trace_kinds.c    the tables made of these two, and the printers that need nothing but them
//   trace_special.c, trace_net.c   printers for what no table describes
//   trace_result.c   what is said of a result beyond its number
//
// Nothing here changes what the guest can see: no page is made writable, no stack grows, nothing parks.
#pragma once
#include "syscalls/trace.h"

enum trace_kind_id {
#define KIND(name, when, print, what) name,
#include "syscalls/trace_kinds.def"
#undef KIND
    TRACE_KINDS
};

// A line is bounded: arguments end at TRACE_LINE - TRACE_TAIL, so that the result always fits.
enum { TRACE_LINE = 4096, TRACE_TAIL = 512, TRACE_STRING = 32, TRACE_ELEMENTS = 32, TRACE_PATH = 1024 };

struct trace_line {
    struct task *task;
    bool under_way;     // a call has begun and not ended
    bool unfinished;    // another thread's line has come between
    bool ended;         // the result is known: output may be looked at
    bool absent;        // the last look at guest memory found a page that is not there yet
    bool comma;         // before the next argument
    bool halfway;       // the next argument has said what went in, and waits for what comes out
    bool has_ignored;   // `ignored` came during the call and is printed after it
    uint8_t has_before; // bit i: before[i]
    unsigned next_arg;  // the first that is not printed yet
    int64_t result;
    uint64_t before[6]; // what an argument that is read and written pointed to when the call began
    struct lx_siginfo ignored;
    size_t n, room, written; // bytes of text; room: where it must end; written: already gone out
    char text[TRACE_LINE];
};

// Prints v: an argument, or a member or element of memory (its value; its address where the row of it says so).
// i: the argument it is or belongs to.
typedef void trace_print(struct trace_line *, const void *what, uint64_t v, unsigned i);
enum trace_when {
    ALWAYS,
    ON_SUCCESS,
    ON_POSITIVE,
    ON_INTERRUPT,
    READ_WRITE,
    IN_THEN_OUT
}; // else the address is printed
struct trace_kind {
    trace_print *print;
    const void *what;
    enum trace_when when;
};

struct trace_name {
    uint64_t value;
    const char *name;
};
struct trace_names {
    const char *unknown; // as in 0x77 /* CLOCK_??? */
    const struct trace_name *rows;
    unsigned n;
};

// -- trace_text.c
void trace_add(struct trace_line *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace_add_quoted(struct trace_line *, const void *, size_t n, bool more); // more: it went on
void trace_add_bytes(struct trace_line *, gaddr, uint64_t n, bool hex);        // cut at TRACE_STRING
void trace_add_string(struct trace_line *, gaddr, size_t limit);               // ends with NUL
void trace_add_pointer(struct trace_line *, uint64_t);
void trace_add_flags(struct trace_line *, uint64_t, const struct trace_names *);
void trace_add_name(struct trace_line *, uint64_t, const struct trace_names *);
void trace_add_signal(struct trace_line *, uint64_t sig, bool in_set);
void trace_add_sigset(struct trace_line *, uint64_t set);
bool trace_peek(struct trace_line *, void *to, gaddr from, size_t n); // false: cannot be read (now)

// -- trace_kinds.c
const struct trace_kind *trace_kind_of_arg(const struct trace_line *, unsigned i);
void trace_add_arg(struct trace_line *, const struct trace_kind *, unsigned i); // or its address, before its time
void trace_add_kind(struct trace_line *, enum trace_kind_id, uint64_t v, unsigned i);
bool trace_kind_prints(const struct trace_kind *); // false: this argument is left out
bool trace_interrupted(int64_t result);

// -- printers that trace_kinds.def names
#define KIND(name, when, print, what) trace_print print;
#include "syscalls/trace_kinds.def"
#undef KIND
void trace_siginfo(struct trace_line *, const struct lx_siginfo *);
void trace_sockaddr(struct trace_line *, gaddr, uint64_t len);
void trace_fdset(struct trace_line *, gaddr, unsigned nfds);
void trace_iovecs(struct trace_line *, gaddr, uint64_t count, uint64_t limit); // limit: bytes there are

// -- trace_result.c
void trace_add_result(struct trace_line *);
const char *trace_errno(int64_t); // its name, or NULL
