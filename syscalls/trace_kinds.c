// The tables of trace_kinds.def, trace_data.def and syscall.def's argument columns, and the printers that need only
// them.
#include "syscalls/trace_impl.h"
#include "abi/ipc.h"
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

struct trace_linger { // socket(7), SO_LINGER
    int32_t l_onoff, l_linger;
};
_Static_assert(sizeof(struct trace_linger) == 8, "trace_linger");

struct field {
    const char *name;
    uint16_t offset, size; // size 0: embedded, its address is printed by
    uint8_t kind;
};
struct structure {
    const struct field *fields;
    uint16_t nfields, size;
    bool more;
};
enum { MOST_BYTES = 512 }; // of a struct that is printed as data
enum counted { FIXED, BY_ARG, BY_RESULT };
struct array {
    uint8_t kind, size;
    bool embedded;
    enum counted by;
    int8_t n;
};
struct chosen {
    uint64_t value;
    uint8_t kind;
};
struct choice {
    int8_t arg;
    uint64_t mask;
    uint8_t otherwise;
    const struct chosen *rows;
    unsigned n;
};
struct part {
    uint64_t mask;
    const struct trace_names *names;
};
struct parts {
    const struct trace_names *rest;
    const struct part *rows;
    unsigned n;
};

#define COUNT(rows)    (sizeof(rows) / sizeof *(rows))
#define N(name)        {LX_##name, #name},
#define V(value, name) {value, name},
#define NAMES(id, unknown, ...)                                                                                        \
    static const struct trace_name rows_of_##id[] = {__VA_ARGS__};                                                     \
    static const struct trace_names names_##id = {unknown, rows_of_##id, COUNT(rows_of_##id)};
#define F(type, member, kind)        AS(type, member, #member, kind)
#define AS(type, member, name, kind) {name, offsetof(struct type, member), sizeof(((struct type *)NULL)->member), kind},
#define E(type, member, kind)        {#member, offsetof(struct type, member), 0, kind},
#define STRUCT(id, type, ends, ...)                                                                                    \
    static const struct field fields_of_##id[] = {__VA_ARGS__};                                                        \
    _Static_assert(sizeof(struct type) <= MOST_BYTES, #type);                                                          \
    static const struct structure struct_##id = {fields_of_##id, COUNT(fields_of_##id), sizeof(struct type), ends};
#define ARRAY(id, kind, size, embedded, by, n) static const struct array array_##id = {kind, size, embedded, by, n};
#define C(value, kind)                         {value, kind},
#define CHOICE(id, arg, mask, otherwise, ...)                                                                          \
    static const struct chosen rows_of_choice_##id[] = {__VA_ARGS__};                                                  \
    static const struct choice choice_##id = {arg, (uint64_t)mask, otherwise, rows_of_choice_##id,                     \
                                              COUNT(rows_of_choice_##id)};
#define P(mask, id) {mask, &names_##id},
#define PARTS(id, rest, ...)                                                                                           \
    static const struct part rows_of_parts_##id[] = {__VA_ARGS__};                                                     \
    static const struct parts parts_##id = {&rest, rows_of_parts_##id, COUNT(rows_of_parts_##id)};
#include "syscalls/trace_data.def"

_Static_assert(COUNT(rows_of_caps) == LX_CAP_LAST_CAP + 1, "trace_cap takes them by number");

static const struct trace_kind kinds[TRACE_KINDS] = {
#define KIND(name, when, print, what) [name] = {print, what, when},
#include "syscalls/trace_kinds.def"
#undef KIND
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
_Static_assert(TRACE_KINDS <= UINT8_MAX, "kinds are stored in bytes");

// ---------------------------------------------------------------- which kind an argument is

static const struct trace_kind *resolve(const struct trace_line *l, const struct trace_kind *k, unsigned i)
{
    while (k->print == trace_choose) {
        const struct choice *c = k->what;
        unsigned from = c->arg ? i - (unsigned)-c->arg : 0;
        uint64_t key = from < 6 ? l->task->sys_arg[from] & c->mask : 0;
        unsigned n = 0;
        while (n < c->n && c->rows[n].value != key) n++;
        k = &kinds[n < c->n ? c->rows[n].kind : c->otherwise];
    }
    return k;
}

const struct trace_kind *trace_kind_of_arg(const struct trace_line *l, unsigned i)
{
    const struct task *t = l->task;
    return resolve(l, &kinds[sys_lookup(t->sys_nr) ? arg_kinds[t->sys_nr][i] : HEX], i);
}

bool trace_kind_prints(const struct trace_kind *k)
{
    return k->print != trace_nothing;
}

bool trace_interrupted(int64_t result)
{
    return result == -LX_EINTR || result == -LX_ERESTART_RESTARTBLOCK || result == -LX_ERESTARTNOHAND;
}

static bool in_time(const struct trace_line *l, enum trace_when when)
{
    bool failed = l->result < 0 && l->result > -4096;
    switch (when) {
    case ON_SUCCESS:
        return l->ended && !failed;
    case ON_POSITIVE:
        return l->ended && !failed && l->result > 0;
    case ON_INTERRUPT:
        return l->ended && trace_interrupted(l->result);
    default:
        return true;
    }
}

void trace_add_arg(struct trace_line *l, const struct trace_kind *k, unsigned i)
{
    uint64_t v = l->task->sys_arg[i];
    if (in_time(l, k->when))
        k->print(l, k->what, v, i);
    else
        trace_add_pointer(l, v);
}

void trace_add_kind(struct trace_line *l, enum trace_kind_id id, uint64_t v, unsigned i)
{
    const struct trace_kind *k = resolve(l, &kinds[id], i);
    k->print(l, k->what, v, i);
}

// ---------------------------------------------------------------- printers: numbers

#define PRINTER(name) void name(struct trace_line *l, const void *what, uint64_t v, unsigned i)

PRINTER(trace_nothing)
{
    (void)l, (void)what, (void)v, (void)i;
}

PRINTER(trace_choose) // resolved before it is called
{
    trace_hex(l, what, v, i);
}

PRINTER(trace_int)
{
    (void)what, (void)i;
    trace_add(l, "%d", (int)v);
}

PRINTER(trace_short)
{
    (void)what, (void)i;
    trace_add(l, "%d", (int16_t)v);
}

PRINTER(trace_uint)
{
    (void)what, (void)i;
    trace_add(l, "%u", (unsigned)v);
}

PRINTER(trace_long)
{
    (void)what, (void)i;
    trace_add(l, "%" PRId64, (int64_t)v);
}

PRINTER(trace_ulong)
{
    (void)what, (void)i;
    trace_add(l, "%" PRIu64, v);
}

PRINTER(trace_hex)
{
    (void)what, (void)i;
    trace_add(l, "%#" PRIx64, v);
}

PRINTER(trace_hex32)
{
    (void)what, (void)i;
    trace_add(l, "%#x", (unsigned)v);
}

PRINTER(trace_oct)
{
    (void)what, (void)i;
    trace_add(l, "%#03o", (unsigned)v & 0xffff);
}

PRINTER(trace_pointer)
{
    (void)what, (void)i;
    trace_add_pointer(l, v);
}

PRINTER(trace_dirfd)
{
    (void)what, (void)i;
    trace_add(l, (int)v == LX_AT_FDCWD ? "AT_FDCWD" : "%d", (int)v);
}

PRINTER(trace_rlim)
{
    (void)what, (void)i;
    if (v == LX_RLIM_INFINITY)
        trace_add(l, "RLIM64_INFINITY");
    else
        trace_add(l, v > 1024 && v % 1024 == 0 ? "%" PRIu64 "*1024" : "%" PRIu64,
                  v > 1024 && v % 1024 == 0 ? v / 1024 : v);
}

// ---------------------------------------------------------------- printers: strings

PRINTER(trace_path)
{
    (void)what, (void)i;
    trace_add_string(l, v, TRACE_PATH);
}

PRINTER(trace_string)
{
    (void)what, (void)i;
    trace_add_string(l, v, TRACE_STRING);
}

PRINTER(trace_bytes_in)
{
    (void)what;
    trace_add_bytes(l, v, l->task->sys_arg[i + 1], false);
}

PRINTER(trace_bytes_out) // recv with MSG_TRUNC says more than there was room for
{
    uint64_t n = (uint64_t)l->result, room = l->task->sys_arg[i + 1];
    (void)what;
    trace_add_bytes(l, v, n < room ? n : room, false);
}

PRINTER(trace_random)
{
    (void)what, (void)i;
    trace_add_bytes(l, v, (uint64_t)l->result, true);
}

// ---------------------------------------------------------------- printers: names

PRINTER(trace_flags)
{
    (void)i;
    trace_add_flags(l, v >> 32 == UINT32_MAX ? (uint32_t)v : v, what); // an int that was extended
}

PRINTER(trace_name)
{
    (void)i;
    trace_add_name(l, (uint32_t)v, what);
}

PRINTER(trace_open_flags)
{
    static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    (void)i;
    trace_add(l, "%s", modes[v & LX_O_ACCMODE]);
    uint64_t rest = v & 0xffffffff & ~(uint64_t)LX_O_ACCMODE;
    if (!rest) return;
    trace_add(l, "|");
    trace_add_flags(l, rest, what);
}

PRINTER(trace_clone_flags)
{
    (void)i;
    uint64_t flags = v & ~(uint64_t)LX_CSIGNAL;
    if (flags || !v) trace_add_flags(l, flags, what);
    if (!(v & LX_CSIGNAL)) return;
    if (flags) trace_add(l, "|");
    trace_add_signal(l, v & LX_CSIGNAL, false);
}

PRINTER(trace_flags_octal) // a mode with flags above it
{
    (void)i;
    uint64_t flags = v & ~0777ull & 0xffffffff;
    if (flags) trace_add_flags(l, flags, what);
    trace_add(l, flags ? "|%#03o" : "%#03o", (unsigned)v & 0777);
}

// One of several within masks, then flags.
PRINTER(trace_fields)
{
    const struct parts *p = what;
    (void)i;
    for (unsigned k = 0; k < p->n; k++) {
        if (k) trace_add(l, "|");
        trace_add_name(l, v & p->rows[k].mask, p->rows[k].names);
        v &= ~p->rows[k].mask;
    }
    if (!v) return;
    trace_add(l, "|");
    trace_add_flags(l, v, p->rest);
}

PRINTER(trace_statx_at)
{
    static const char *const sync[] = {"AT_STATX_SYNC_AS_STAT", "AT_STATX_FORCE_SYNC", "AT_STATX_DONT_SYNC",
                                       "AT_STATX_SYNC_TYPE"};
    (void)i;
    trace_add(l, "%s", sync[v >> 13 & 3]);
    if (!(v & ~0x6000ull)) return;
    trace_add(l, "|");
    trace_add_flags(l, v & ~0x6000ull, what);
}

PRINTER(trace_socket_type)
{
    trace_add_name(l, v & LX_SOCK_TYPE, what);
    if (!(v & ~(uint64_t)LX_SOCK_TYPE)) return;
    trace_add(l, "|");
    trace_add_kind(l, SOCKFLAGS, v & ~(uint64_t)LX_SOCK_TYPE, i);
}

PRINTER(trace_sched)
{
    (void)i;
    trace_add_name(l, (uint32_t)v & ~0x40000000u, what);
    if (v & 0x40000000) trace_add(l, "|SCHED_RESET_ON_FORK");
}

PRINTER(trace_ioctl)
{
    static const char *const directions[] = {"_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"};
    const struct trace_names *names = what;
    (void)i;
    for (unsigned k = 0; k < names->n; k++)
        if (names->rows[k].value == (uint32_t)v) {
            trace_add(l, "%s", names->rows[k].name);
            return;
        }
    unsigned cmd = (unsigned)v;
    trace_add(l, "_IOC(%s, %#x, %#x, %#x)", directions[cmd >> 30], cmd >> 8 & 0xff, cmd & 0xff, cmd >> 16 & 0x3fff);
}

PRINTER(trace_futex_op) // the private form has a name of its own
{
    (void)i;
    trace_add_name(l, v & ~(uint64_t)(LX_FUTEX_PRIVATE_FLAG | LX_FUTEX_CLOCK_REALTIME), what);
    if (v & LX_FUTEX_PRIVATE_FLAG) trace_add(l, "_PRIVATE");
    if (v & LX_FUTEX_CLOCK_REALTIME) trace_add(l, "|FUTEX_CLOCK_REALTIME");
}

PRINTER(trace_signal_number)
{
    (void)what, (void)i;
    trace_add_signal(l, v, false);
}

PRINTER(trace_ioprio)
{
    (void)what;
    trace_add(l, "IOPRIO_PRIO_VALUE(");
    trace_add_kind(l, IOPRIO_CLASS, (v & 0xffff) >> 13, i);
    trace_add(l, ", %u)", (unsigned)v & 0x1fff);
}

PRINTER(trace_personality)
{
    (void)i;
    if ((uint32_t)v == UINT32_MAX) { // asks
        trace_add(l, "0xffffffff");
        return;
    }
    trace_add(l, v & 0xff ? "%#x /* PER_??? */" : "PER_LINUX", (unsigned)v & 0xff);
    if (!(v & 0xffffff00)) return;
    trace_add(l, "|");
    trace_add_flags(l, v & 0xffffff00, what);
}

PRINTER(trace_key)
{
    (void)what, (void)i;
    trace_add(l, v ? "%#x" : "IPC_PRIVATE", (unsigned)v);
}

PRINTER(trace_cap)
{
    (void)what;
    if (v > LX_CAP_LAST_CAP)
        trace_add(l, "%#x /* CAP_??? */", (unsigned)v);
    else
        trace_add(l, "%s", names_caps.rows[v].name + 3); // behind 1<<
    (void)i;
}

// ---------------------------------------------------------------- printers: memory

static uint64_t value_at(const unsigned char *bytes, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, bytes,
           size < sizeof v ? size : sizeof v); // the guest is little-endian, and so are the hosts this runs on
    return v;
}

PRINTER(trace_struct)
{
    const struct structure *s = what;
    unsigned char bytes[MOST_BYTES];
    if (!trace_peek(l, bytes, v, s->size)) {
        trace_add_pointer(l, v);
        return;
    }
    for (unsigned k = 0; k < s->nfields; k++) {
        const struct field *f = &s->fields[k];
        trace_add(l, "%s%s=", k ? ", " : "{", f->name);
        trace_add_kind(l, f->kind, f->size ? value_at(bytes + f->offset, f->size) : v + f->offset, i);
    }
    trace_add(l, s->more ? ", ...}" : "}");
}

static uint64_t elements(const struct trace_line *l, const struct array *a, unsigned i)
{
    if (a->by == BY_RESULT) return (uint64_t)l->result;
    return a->by == BY_ARG ? (uint32_t)l->task->sys_arg[(int)i + a->n] : (uint64_t)a->n;
}

static bool add_element(struct trace_line *l, const struct array *a, gaddr at, unsigned i)
{
    unsigned char bytes[64];
    if (!trace_peek(l, bytes, at, a->size)) return false;
    trace_add_kind(l, a->kind, a->embedded ? at : value_at(bytes, a->size), i);
    return true;
}

PRINTER(trace_array)
{
    const struct array *a = what;
    unsigned char bytes[64];
    uint64_t n = elements(l, a, i);
    if (!v || (n && !trace_peek(l, bytes, v, a->size))) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "[");
    for (uint64_t k = 0; k < n; k++) {
        if (k) trace_add(l, ", ");
        if (k < TRACE_ELEMENTS && add_element(l, a, v + k * a->size, i)) continue;
        trace_add(l, "...");
        break;
    }
    trace_add(l, "]");
}
