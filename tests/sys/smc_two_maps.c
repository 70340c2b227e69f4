// Code that is executed through one mapping and written through another: of a memory file, in one process and in two;
// System V shared memory; memory inherited by fork; mappings made, changed and moved while the code is in use.
#include "smc.h"
#include <sched.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC };

static int code_file(unsigned pages)
{
    int fd = memfd_create("code", 0);
    CHECK(fd >= 0 && ftruncate(fd, pages * PAGE) == 0);
    return fd;
}

// What is written through w is what x runs.
static void check_pair(uint8_t *w, const uint8_t *x, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        put_return(w, (uint32_t)i);
        if (!CHECK(call(x) == i) || !CHECK(i % 50 || call_often(x) == i)) return;
    }
}

static void test_one_process(void)
{
    int fd = code_file(4);
    uint8_t *w = map(4 * PAGE, RW, MAP_SHARED, fd), *x = map(4 * PAGE, RX, MAP_SHARED, fd);
    for (int page = 0; page < 4; page++) check_pair(w + page * PAGE, x + page * PAGE, 300);
    check_pair(w + 100, x + 100, 300);
    check_pair(w + PAGE - 3, x + PAGE - 3, 300);              // crosses pages
    const uint8_t *copy = map(4 * PAGE, RX, MAP_PRIVATE, fd); // never written: shows the file
    check_pair(w, copy, 300);
    close(fd);
}

static void test_made_while_it_runs(void)
{
    int fd = code_file(1);
    uint8_t *x = map(PAGE, RX, MAP_SHARED, fd);
    uint8_t code[6];
    put_return(code, 7);
    CHECK(pwrite(fd, code, 6, 0) == 6 && call_often(x) == 7);
    uint8_t *w = map(PAGE, RW, MAP_SHARED, fd);
    check_pair(w, x, 100);
    uint8_t *late = map(PAGE, PROT_READ, MAP_SHARED, fd);
    CHECK(call_often(x) == 99 && late[1] == 99);
    CHECK(mprotect(late, PAGE, RW) == 0);
    check_pair(late, x, 100);
    uint8_t *moved = mremap(late, 0, PAGE, MREMAP_MAYMOVE); // a second one of the same
    CHECK(moved != MAP_FAILED && moved != late);
    check_pair(moved, x, 100);
    uint8_t *place = map_rwx(PAGE);
    CHECK(mremap(w, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    check_pair(place, x, 100);
    CHECK(mprotect(x, PAGE, RW) == 0);
    put_return(x, 12345);
    CHECK(mprotect(x, PAGE, RX) == 0 && call_often(x) == 12345);
    check_pair(moved, x, 100);
    munmap(x, PAGE);
    x = map(PAGE, RX, MAP_SHARED, fd);
    CHECK(call_often(x) == 99);
    check_pair(place, x, 100);
    close(fd);
}

static int token(int fd)
{
    char c;
    return read(fd, &c, 1) == 1;
}

static void give(int fd)
{
    CHECK(write(fd, "", 1) == 1);
}

// The child runs what the parent writes.
static void check_child(uint8_t *w, uint8_t *x)
{
    enum { ROUNDS = 200 };
    int go[2], done[2], status;
    CHECK(pipe(go) == 0 && pipe(done) == 0);
    pid_t child = fork();
    if (!child) {
        for (int i = 0; i < ROUNDS; i++) {
            if (!token(go[0]) || call_often(x) != i) _exit(1);
            give(done[1]);
        }
        _exit(0);
    }
    close(done[1]);
    for (int i = 0; i < ROUNDS; i++) {
        put_return(w, (uint32_t)i);
        CHECK(i % 20 || call(x) == i);
        give(go[1]);
        if (!token(done[0])) break;
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_two_processes(void)
{
    int fd = code_file(1);
    uint8_t *w = map(PAGE, RW, MAP_SHARED, fd), *x = map(PAGE, RX, MAP_SHARED, fd);
    check_child(w, x);
    uint8_t *both = map(PAGE, RW | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1);
    check_child(both, both);
    close(fd);
}

// After fork each has its own.
static void test_private_after_fork(void)
{
    uint8_t *p = map_rwx(PAGE);
    int status;
    put_return(p, 1);
    CHECK(call_often(p) == 1);
    pid_t child = fork();
    if (!child) {
        int first = call_often(p);
        put_return(p, 2);
        _exit(first == 1 && call_often(p) == 2 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(call_often(p) == 1);
    child = fork();
    if (!child) {
        sched_yield();
        _exit(call_often(p) == 1 ? 0 : 1);
    }
    put_return(p, 3);
    CHECK(call_often(p) == 3);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_sysv(void)
{
    int id = shmget(IPC_PRIVATE, PAGE, 0700);
    uint8_t *w = shmat(id, NULL, 0), *x = shmat(id, NULL, SHM_EXEC);
    CHECK(id >= 0 && w != (void *)-1 && x != (void *)-1);
    check_pair(w, x, 300);
    check_pair(x, w == x ? w : x, 100);
    check_child(w, x);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

// Another process writes into this one's code, by system calls.
static void test_written_from_outside(void)
{
    uint8_t *p = map_rwx(PAGE), code[6];
    struct iovec local = {code, 6}, remote = {p, 6};
    FILE *mem = fopen("/proc/self/mem", "r+");
    CHECK(mem != NULL);
    setvbuf(mem, NULL, _IONBF, 0);
    for (int i = 0; i < 200; i++) {
        put_return(code, (uint32_t)i);
        CHECK(syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0) == 6 && call_often(p) == i);
        put_return(code, (uint32_t)i + 1000);
        CHECK(pwrite(fileno(mem), code, 6, (off_t)(uintptr_t)p) == 6 && call_often(p) == i + 1000);
    }
    fclose(mem);
}

static void test_child_written_from_outside(void)
{
    volatile int *seen = (void *)map(PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
    uint8_t *p = map_rwx(PAGE), code[6];
    int status;
    put_return(p, 1);
    pid_t child = fork();
    if (!child) {
        while (*seen != 200) {
            *seen = call_often(p);
            sched_yield();
        }
        _exit(0);
    }
    struct iovec local = {code, 6}, remote = {p, 6};
    for (int i = 1; i <= 200; i++) {
        put_return(code, (uint32_t)i);
        CHECK(syscall(SYS_process_vm_writev, child, &local, 1, &remote, 1, 0) == 6);
        while (*seen != i) sched_yield();
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    test_one_process();
    test_made_while_it_runs();
    test_two_processes();
    test_private_after_fork();
    test_sysv();
    test_written_from_outside();
    test_child_written_from_outside();
    return check_result();
}
