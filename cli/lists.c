// belljar syscalls, belljar insns: the tables that the kernel and the CPU are made of.
#include "cli/options.h"

int syscalls_command(void)
{
    struct belljar_syscall s;
    for (unsigned i = 0; belljar_syscall_list(i, &s); i++)
        printf("%3u %-24s %-8s %s\n", s.number, s.name, s.support, s.note);
    return 0;
}

int insns_command(void)
{
    struct belljar_insn n;
    for (unsigned i = 0; belljar_insn_list(i, &n); i++)
        printf("%-28s %-24s %-20s %-10s %s\n", n.name, n.encoding, n.operands, n.feature, n.proof);
    return 0;
}
