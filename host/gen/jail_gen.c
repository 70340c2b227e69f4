// Makes the jail's filter at build time: jail.def, through libseccomp, becomes the program that host/jail.c loads, as
// rows of struct sock_filter on standard output. So the table stays the one source, and a start pays neither for the
// library nor for making the same program again (0.2 ms).
#include "host/jail.h"
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <fcntl.h>
#include <unistd.h>

struct row {
    const char *name;
    int call;
    struct scmp_arg_cmp condition[3];
};

// Conditions compare all 64 bits of the register, of which the kernel may use the low 32: they leave the upper half no
// freedom (SCMP_CMP_GT and _LT would).
#define IS(arg, value) SCMP_CMP64(arg, SCMP_CMP_EQ, value, 0)
#define HAS(arg, bit)  SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, bit, bit)
#define OWN(arg)       SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, ~(uint64_t)(JAIL_FDS - JAIL_OWN - 1), JAIL_OWN)
// The translator writes code through one mapping and runs it through another, of the same memfd: the second one is made
// before the jail closes, so that this stays as it is.
#define NOT_EXECUTABLE(arg) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)
static const struct row rows[] = {
#define JAIL(call, reason, ...) {#call, SCMP_SYS(call), {__VA_ARGS__}},
#include "host/jail.def"
#undef JAIL
};
enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert(JAIL_FDS == 2 * JAIL_OWN && !(JAIL_OWN & (JAIL_OWN - 1)), "OWN() is one masked comparison");

static int add_row(scmp_filter_ctx filter, const struct row *r)
{
    unsigned n = 0;
    while (n < sizeof r->condition / sizeof *r->condition && r->condition[n].op) n++;
    int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call, n, r->condition);
    if (err) fprintf(stderr, "jail_gen: %s: %s\n", r->name, strerror(-err));
    return err;
}

// A binary tree of call numbers: the kernel tries each number once when it is given a filter, which takes two thirds as
// long as with a list, and calls that are let through without a condition never come here again (Linux 5.11).
static int fill(scmp_filter_ctx filter)
{
    enum { TREE = 2 };
    int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!err) err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, TREE);
    for (unsigned i = 0; i < ROWS && !err; i++) err = add_row(filter, &rows[i]);
    return err;
}

static int print(FILE *program)
{
    struct sock_filter f;
    rewind(program);
    puts("// Made from host/jail.def by host/gen/jail_gen.c.");
    while (fread(&f, sizeof f, 1, program) == 1) printf("{%#x, %u, %u, %#x},\n", f.code, f.jt, f.jf, f.k);
    return ferror(program) || fflush(stdout) ? -1 : 0;
}

int main(void)
{
    enum { KNOWS_KILL_PROCESS = 3 }; // whatever the kernel does that this is built under
    FILE *program = tmpfile();
    seccomp_api_set(KNOWS_KILL_PROCESS);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int err = program && filter ? fill(filter) : -1;
    if (!err) err = seccomp_export_bpf(filter, fileno(program));
    if (!err) err = print(program);
    if (filter) seccomp_release(filter);
    if (program) fclose(program);
    if (err) fprintf(stderr, "jail_gen: no filter was made\n");
    return err != 0;
}
