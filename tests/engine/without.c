// Runs a command as on a host that refuses a kind of memory, as a seccomp filter does it:
//   exec     shared memory that can be run (a policy against code made at run time; programs and libraries are private
//            mappings)
//   promise  private memory of 16 GiB and more that can be written (vm.overcommit_memory 2)
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MUCH (16ull << 30)

static int forbid_exec(scmp_filter_ctx f)
{
    return seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(mmap), 2,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC),
                            SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_SHARED, MAP_SHARED));
}

static int forbid_promise(scmp_filter_ctx f)
{
    return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(mmap), 3, SCMP_A1(SCMP_CMP_GE, MUCH, 0),
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, PROT_WRITE),
                            SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_PRIVATE, MAP_PRIVATE));
}

int main(int argc, char **argv)
{
    scmp_filter_ctx f = argc > 2 ? seccomp_init(SCMP_ACT_ALLOW) : NULL;
    if (!f || (strcmp(argv[1], "exec") ? forbid_promise(f) : forbid_exec(f)) || seccomp_load(f)) return 2;
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 2;
}
