// The words of --trace syscalls (syscalls/trace_text.c, trace_kinds.c): values as strace 6.1 prints them, strings with
// what must be escaped, and a line that never outgrows its room. Whole lines are judged by scripts/trace.sh.
#include "syscalls/trace_impl.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void start(struct trace_line *l)
{
    memset(l, 0, sizeof *l);
    l->room = TRACE_LINE - TRACE_TAIL;
}

static const struct {
    enum trace_kind_id kind;
    uint64_t value;
    const char *text;
} values[] = {
    {INT, UINT64_MAX, "-1"},
    {UINT, UINT64_MAX, "4294967295"},
    {SIZE, UINT64_MAX, "18446744073709551615"},
    {LONG, UINT64_MAX, "-1"},
    {HEX, 0, "0"},
    {HEX, 0x2000, "0x2000"},
    {OCT, 0, "000"},
    {OCT, 0640, "0640"},
    {PTR, 0, "NULL"},
    {PTR, 16, "0x10"},
    {DIRFD, (uint64_t)-100, "AT_FDCWD"},
    {DIRFD, 0xffffff9c, "AT_FDCWD"},
    {OFLAGS, 0, "O_RDONLY"},
    {OFLAGS, 02101, "O_WRONLY|O_CREAT|O_APPEND"},
    {OFLAGS, 04010000, "O_RDONLY|O_SYNC"},
    {OFLAGS, LX_O_TMPFILE | 2, "O_RDWR|O_TMPFILE"},
    {OFLAGS2, 0, "0"},
    {OFLAGS2, LX_O_CLOEXEC, "O_CLOEXEC"},
    {PROT, 0, "PROT_NONE"},
    {PROT, 7, "PROT_READ|PROT_WRITE|PROT_EXEC"},
    {PROT, 0x100, "0x100 /* PROT_??? */"},
    {PROT, 0x101, "PROT_READ|0x100"},
    {ACCESS, 0, "F_OK"},
    {ACCESS, 5, "R_OK|X_OK"},
    {CLOCK, 1, "CLOCK_MONOTONIC"},
    {CLOCK, 77, "0x4d /* CLOCK_??? */"},
    {CLONE, LX_CLONE_VM | LX_CLONE_VFORK | LX_SIGCHLD, "CLONE_VM|CLONE_VFORK|SIGCHLD"},
    {CLONE, LX_SIGCHLD, "SIGCHLD"},
    {CLONE, 0, "0"},
    {FUTEX, 0, "FUTEX_WAIT"},
    {FUTEX, 129, "FUTEX_WAKE_PRIVATE"},
    {FUTEX, 0x189, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"},
    {FUTEX_WAKE_OP, 0x04001002, "FUTEX_OP_SET<<28|0x1<<12|FUTEX_OP_CMP_GT<<24|0x2"},
    {SIG, 9, "SIGKILL"},
    {SIG, 0, "0"},
    {SIG, 32, "SIGRTMIN"},
    {SIG, 64, "SIGRT_32"},
    {SIG, 65, "65"},
    {FMODE, 0100644, "S_IFREG|0644"},
    {FMODE, 0104755, "S_IFREG|S_ISUID|0755"},
    {FMODE, 041777, "S_IFDIR|S_ISVTX|0777"},
    {IPCMODE, 01600, "IPC_CREAT|0600"},
    {DEV, 0x103, "makedev(0x1, 0x3)"},
    {RLIM, 8 << 20, "8192*1024"},
    {RLIM, 1024, "1024"},
    {RLIM, UINT64_MAX, "RLIM64_INFINITY"},
    {SOCKTYPE, 0x80801, "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK"},
    {IOCTL, 0x12345678, "_IOC(_IOC_NONE, 0x56, 0x78, 0x1234)"},
    {IOCTL, 0x80045430, "TIOCGPTN"},
    {OFLAG, 5, "NL0|CR0|TAB0|BS0|VT0|FF0|OPOST|ONLCR"},
    {CFLAG, 0xbf, "B38400|CS8|CREAD"},
    {STATX_AT, 0, "AT_STATX_SYNC_AS_STAT"},
    {STATX_AT, 0x4100, "AT_STATX_DONT_SYNC|AT_SYMLINK_NOFOLLOW"},
    {CAP, 27, "CAP_MKNOD"},
    {KEY, 0, "IPC_PRIVATE"},
    {WAIT, 10, "WSTOPPED|WCONTINUED"},
};

static void prints_values(void **state)
{
    static struct trace_line l;
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        start(&l);
        trace_add_kind(&l, values[i].kind, values[i].value, 0);
        assert_string_equal(l.text, values[i].text);
    }
}

static void prints_sets(void **state)
{
    static struct trace_line l;
    (void)state;
    start(&l);
    trace_add_sigset(&l, 0);
    trace_add_sigset(&l, 1ull << 1 | 1ull << 16);
    trace_add_sigset(&l, ~(3ull << 31));
    trace_add_sigset(&l, UINT64_MAX);
    assert_string_equal(l.text, "[][INT CHLD]~[RTMIN RT_1]~[]");
}

static void escapes_strings(void **state)
{
    static struct trace_line l;
    (void)state;
    start(&l);
    trace_add_quoted(&l,
                     "a\"\\\n\t\r\v\f\1"
                     "2\1x\177\377",
                     14, false);
    assert_string_equal(l.text, "\"a\\\"\\\\\\n\\t\\r\\v\\f\\0012\\1x\\177\\377\"");
    start(&l);
    trace_add_quoted(&l, "\0", 1, true);
    assert_string_equal(l.text, "\"\\0\"...");
}

static void stays_in_its_room(void **state)
{
    static struct trace_line l;
    (void)state;
    start(&l);
    for (int i = 0; i < 2000; i++) trace_add(&l, "%d, ", i);
    assert_int_equal(l.n, TRACE_LINE - TRACE_TAIL);
    assert_memory_equal(l.text + l.n - 3, "...", 3);
    l.room = TRACE_LINE - 1;
    trace_add(&l, ") = %d", 5);
    assert_string_equal(l.text + TRACE_LINE - TRACE_TAIL - 3, "...) = 5");
    for (int i = 0; i < 2000; i++) trace_add(&l, "%d, ", i);
    assert_int_equal(l.n, TRACE_LINE - 1);
    assert_int_equal(l.text[l.n], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prints_values), cmocka_unit_test(prints_sets),
                                       cmocka_unit_test(escapes_strings), cmocka_unit_test(stays_in_its_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
