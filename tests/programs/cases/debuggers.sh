# gdb on a program with threads (breakpoints, steps, calls, watchpoints, signals, fork, attaching), strace on a pipeline.
# image: userland
# package: gdb strace
cd /tmp || exit
cat >a.c <<'C'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
struct point { int x, y; const char *name; };
static int square(int n) { int r = n * n; return r; }
static void *worker(void *p) { int *v = p; for (int i = 0; i < 3; i++) *v += square(i); return NULL; }
static void caught(int sig) { printf("caught %d\n", sig); }
int main(int argc, char **argv)
{
    struct point p = {1, 2, "here"};
    int total = 0;
    pthread_t th;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i <= 5; i++) total += square(i);
    printf("total %d\n", total);
    pthread_create(&th, NULL, worker, &total);
    pthread_join(th, NULL);
    signal(SIGUSR1, caught);
    raise(SIGUSR1);
    pid_t child = fork();
    if (!child) _exit(square(3));
    int status;
    waitpid(child, &status, 0);
    printf("total %d, child %d, %s\n", total + p.x, WEXITSTATUS(status), p.name);
    if (argc > 1) *(volatile int *)8 = argv[1][0];
    return 3;
}
C
gcc -g -O1 -fno-inline -pthread a.c -o a || exit
debug() {
    gdb -q -batch -nx -ex 'set width 0' -ex 'set print address off' -ex 'set print thread-events off' "$@" 2>&1 |
        sed -E 's/\(LWP [0-9]+\)/(LWP N)/; s/[Pp]rocess [0-9]+/process N/; s/Thread 0x[0-9a-f]+/Thread T/; s/0x[0-9a-f]{4,}/ADDRESS/g'
}
echo '== breakpoints, steps, calls'
debug -ex 'break square if n == 3' -ex run -ex bt -ex 'print n' -ex 'print square(12)' -ex finish -ex 'frame function main' -ex 'print p' -ex 'set var p.x = 40' \
    -ex delete -ex 'break worker' -ex c -ex 'bt' -ex 'set can-use-hw-watchpoints 0' -ex 'info breakpoints' -ex delete -ex c ./a
echo '== watchpoint by steps'
debug -ex 'set can-use-hw-watchpoints 0' -ex 'break main' -ex run -ex 'watch total' -ex c -ex c -ex 'info watchpoints' -ex kill ./a
echo '== signals'
debug -ex 'handle SIGUSR1 stop print nopass' -ex run -ex 'info signals SIGUSR1' -ex c ./a
echo '== catch'
debug -ex 'catch syscall write' -ex run -ex 'bt 1' -ex c -ex delete -ex 'catch fork' -ex c -ex c ./a
echo '== the child'
debug -ex 'set follow-fork-mode child' -ex 'break square if n == 3' -ex run -ex delete -ex 'break _exit' -ex c -ex 'bt 1' -ex c ./a
echo '== crash'
debug -ex run -ex bt -ex 'print $_siginfo.si_signo' -ex 'print $_siginfo._sifields._sigfault.si_addr' --args ./a x
echo '== attach'
sleep 100 & pid=$!
debug -p $pid -ex 'print 6 * 7' -ex detach | grep -E '^\$1|Detaching|Inferior'
kill $pid; wait $pid 2>/dev/null; echo $?
echo '== a static program, disassembled'
printf 'int main(void) { return 7; }' >b.c && gcc -g -static b.c -o b && debug -ex 'break main' -ex run -ex 'disassemble main' -ex 'stepi 2' -ex c ./b | grep -v '=>.*<+[1-9]'
echo '== strace'
strace -ff -e trace=execve,write,exit_group,pipe2,dup2,clone -e signal=all -o log sh -c 'echo hi; (exit 3); ls /etc/hostname | cat' ; echo $?
sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/_pid=[0-9]+/_pid=N/; s/= [0-9]{2,}$/= PID/; s/si_[us]time=[0-9]+/T/g' log.* | grep -E 'write|exit|execve|SIGCHLD' | sort
strace -c -f ls / 2>&1 >/dev/null | awk '$NF == "execve" || $NF == "getdents64" { print $4, $NF }'
strace -e trace=none -e inject=getpid:retval=4242 sh -c 'echo $$' 2>&1 | tail -n 1
strace -e trace=openat -e fault=openat:error=EACCES:when=3+ cat /etc/hostname 2>&1 | tail -n 2 | sed 's/0x[0-9a-f]*/ADDRESS/'
