// System V IPC: shared memory, semaphores, message queues; keys, rights, removal, undo, waiting, /proc/sysvipc, errors
// and their order.
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

enum { KEY = 0x6b6c6d };

static int child(int (*run)(int), int arg)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(run(arg));
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned long attached(int id)
{
    struct shmid_ds d;
    CHECK(shmctl(id, IPC_STAT, &d) == 0);
    return d.shm_nattch;
}

static int count_in_child(int id)
{
    return attached(id) != 2;
}

static int exec_in_child(int id)
{
    char number[16];
    snprintf(number, sizeof number, "%d", id);
    execl("/proc/self/exe", "sysv", "count", number, (char *)NULL);
    return 9;
}

static void test_shm(void)
{
    struct shmid_ds d;
    int id = shmget(IPC_PRIVATE, 10000, 0600);
    CHECK(id >= 0 && shmctl(id, IPC_STAT, &d) == 0);
    CHECK(d.shm_segsz == 10000 && d.shm_perm.mode == 0600 && d.shm_nattch == 0 && d.shm_cpid == getpid() &&
          !d.shm_lpid);
    CHECK(d.shm_perm.uid == geteuid() && d.shm_perm.cuid == geteuid() && d.shm_ctime && !d.shm_atime);
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    CHECK(a != (void *)-1 && b != (void *)-1 && a != b && a[0] == 0);
    strcpy(a + 9000, "shared");
    CHECK(strcmp(b + 9000, "shared") == 0 && attached(id) == 2);
    CHECK_FAILS(mprotect(b, 4096, PROT_READ | PROT_WRITE), EACCES);
    CHECK_FAILS(shmdt(a + 4096), EINVAL);
    CHECK_FAILS(shmdt(a + 1), EINVAL);
    CHECK(shmdt(b) == 0 && attached(id) == 1);
    CHECK_FAILS(shmdt(b), EINVAL);
    CHECK(child(count_in_child, id) == 0); // inherited
    CHECK(attached(id) == 1);
    CHECK(child(exec_in_child, id) == 0);                    // and given up by exec
    CHECK(munmap(a + 4096, 4096) == 0 && attached(id) == 2); // two pieces, counted as two
    CHECK(strcmp(a + 9000, "shared") == 0);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
    CHECK(shmctl(id, IPC_STAT, &d) == 0 && d.shm_perm.mode == (0600 | SHM_DEST));
    b = shmat(id, NULL, 0);
    CHECK(b != (void *)-1 && strcmp(b + 9000, "shared") == 0);
    CHECK(shmdt(a) == 0 && shmdt(b) == 0);
    CHECK_FAILS(shmctl(id, IPC_STAT, &d), EINVAL);
}

static void test_shm_address(void)
{
    int id = shmget(IPC_PRIVATE, 8192, 0600);
    char *room = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_FAILS((intptr_t)shmat(id, room, 0), EINVAL);
    CHECK_FAILS((intptr_t)shmat(id, room + 1, SHM_REMAP), EINVAL);
    CHECK_FAILS((intptr_t)shmat(id, NULL, SHM_REMAP), EINVAL);
    CHECK_FAILS((intptr_t)shmat(id, (char *)4095, SHM_REMAP | SHM_RND), EINVAL);
    CHECK(shmat(id, room + 4097, SHM_REMAP | SHM_RND) == room + 4096);
    room[4096] = 1;
    CHECK(shmdt(room + 4096) == 0);
    CHECK(shmat(id, room + 4096, 0) == room + 4096); // free again
    CHECK(shmdt(room + 4096) == 0);
    munmap(room, 65536);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

static int other_user(int id)
{
    struct shmid_ds d;
    if (geteuid() == 0 && (setgid(65534) || setuid(65534))) return 2;
    CHECK_FAILS((intptr_t)shmat(id, NULL, 0), EACCES);
    CHECK_FAILS((intptr_t)shmat(id, NULL, SHM_RDONLY), EACCES);
    CHECK_FAILS(shmctl(id, IPC_STAT, &d), EACCES);
    CHECK_FAILS(shmctl(id, IPC_RMID, NULL), EPERM);
    CHECK_FAILS(shmctl(id, IPC_SET, &d), EPERM);
    CHECK_FAILS(shmget(KEY, 0, 0600), EACCES);
    CHECK(shmget(KEY, 0, 0) == id);
    return check_result();
}

static void test_shm_keys(void)
{
    struct shmid_ds d;
    int id = shmget(KEY, 5000, IPC_CREAT | IPC_EXCL | 0600), again;
    CHECK(id >= 0);
    CHECK_FAILS(shmget(KEY, 5000, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    CHECK(shmget(KEY, 5000, IPC_CREAT) == id && shmget(KEY, 0, 0) == id);
    CHECK_FAILS(shmget(KEY, 8192, 0600), EINVAL);
    CHECK_FAILS(shmget(KEY + 1, 1, 0600), ENOENT);
    CHECK_FAILS(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
    CHECK_FAILS(shmget(IPC_PRIVATE, (size_t)1 << 62, 0600), ENOMEM);
    CHECK_FAILS(shmctl(id, 77, &d), EINVAL);
    CHECK_FAILS(shmctl(-1, IPC_STAT, &d), EINVAL);
    CHECK_FAILS(shmctl(id + 1, IPC_STAT, &d), EINVAL);
    CHECK_FAILS(shmctl(id + 32768, IPC_STAT, &d), EINVAL);
    CHECK_FAILS(shmctl(id, IPC_STAT, (void *)8), EFAULT);
    CHECK_FAILS((intptr_t)shmat(-1, NULL, 0), EINVAL);
    CHECK_FAILS((intptr_t)shmat(id + 1, NULL, 0), EINVAL);
    if (geteuid() == 0) CHECK(child(other_user, id) == 0);
    CHECK(shmctl(id, IPC_STAT, &d) == 0);
    d.shm_perm.mode = 0640;
    CHECK(shmctl(id, IPC_SET, &d) == 0 && shmctl(id, IPC_STAT, &d) == 0 && d.shm_perm.mode == 0640);
    CHECK(shmctl(id, SHM_LOCK, NULL) == 0 && shmctl(id, IPC_STAT, &d) == 0 && d.shm_perm.mode == (0640 | SHM_LOCKED));
    CHECK(shmctl(id, SHM_UNLOCK, NULL) == 0);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
    CHECK_FAILS(shmctl(id, IPC_RMID, NULL), EINVAL);
    again = shmget(KEY, 1, IPC_CREAT | 0600);
    CHECK(again != id);
    CHECK_FAILS(shmctl(id, IPC_STAT, &d), EINVAL); // its slot has another now
    CHECK(shmctl(again, IPC_RMID, NULL) == 0);
}

// ---------------------------------------------------------------- semaphores

static int op(int id, int num, int by, int flags)
{
    struct sembuf s = {(unsigned short)num, (short)by, (short)flags};
    return semop(id, &s, 1);
}

static int get(int id, int num)
{
    return semctl(id, num, GETVAL);
}

static int undoes(int id)
{
    return op(id, 0, 3, SEM_UNDO) || op(id, 0, -1, SEM_UNDO) || op(id, 1, 7, 0) || get(id, 0) != 2;
}

static void test_sem(void)
{
    unsigned short all[3] = {0};
    struct semid_ds d;
    int id = semget(IPC_PRIVATE, 3, 0600);
    CHECK(id >= 0 && get(id, 0) == 0);
    CHECK(semctl(id, 0, IPC_STAT, (union semun){.buf = &d}) == 0 && d.sem_nsems == 3 && !d.sem_otime && d.sem_ctime);
    CHECK(op(id, 0, 5, 0) == 0 && op(id, 0, -2, 0) == 0 && get(id, 0) == 3 && semctl(id, 0, GETPID) == getpid());
    CHECK_FAILS(op(id, 0, -4, IPC_NOWAIT), EAGAIN);
    CHECK_FAILS(op(id, 0, 0, IPC_NOWAIT), EAGAIN);
    CHECK(op(id, 1, 0, 0) == 0);
    struct sembuf several[2] = {{1, 1, 0}, {0, -9, IPC_NOWAIT}};
    CHECK_FAILS(semop(id, several, 2), EAGAIN);
    CHECK(get(id, 1) == 0); // all or none
    CHECK_FAILS(op(id, 3, 1, 0), EFBIG);
    CHECK_FAILS(op(id, 0, 32767, 0), ERANGE);
    CHECK_FAILS(semop(id, several, 0), EINVAL);
    CHECK_FAILS(semop(id, several, 501), E2BIG);
    CHECK_FAILS(semop(id, (void *)8, 1), EFAULT);
    CHECK_FAILS(semop(-1, several, 1), EINVAL);
    CHECK_FAILS(semop(id + 1, several, 1), EINVAL);
    CHECK_FAILS(semop(id + 32768, several, 1), EINVAL);
    CHECK_FAILS(semctl(id, 3, GETVAL), EINVAL);
    CHECK_FAILS(semctl(id, 0, SETVAL, 32768), ERANGE);
    CHECK_FAILS(semctl(id, 0, SETVAL, -1), ERANGE);
    CHECK_FAILS(semctl(id, 0, 99, 0), EINVAL);
    CHECK(semctl(id, 2, SETVAL, 9) == 0 && semctl(id, 0, GETALL, (union semun){.array = all}) == 0);
    CHECK(all[0] == 3 && all[1] == 0 && all[2] == 9);
    all[1] = 40000;
    CHECK_FAILS(semctl(id, 0, SETALL, (union semun){.array = all}), ERANGE);
    all[0] = all[1] = 0;
    CHECK(semctl(id, 0, SETALL, (union semun){.array = all}) == 0 && get(id, 0) == 0);
    CHECK(child(undoes, id) == 0 && get(id, 0) == 0 && get(id, 1) == 7);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    CHECK_FAILS(get(id, 0), EINVAL);
}

static void test_sem_keys(void)
{
    CHECK_FAILS(semget(IPC_PRIVATE, 0, 0600), EINVAL);
    CHECK_FAILS(semget(IPC_PRIVATE, -1, 0600), EINVAL);
    CHECK_FAILS(semget(IPC_PRIVATE, 32001, 0600), EINVAL);
    CHECK_FAILS(semget(KEY, 1, 0600), ENOENT);
    int id = semget(KEY, 2, IPC_CREAT | 0400);
    CHECK(semget(KEY, 0, 0) == id && semget(KEY, 2, 0400) == id);
    CHECK_FAILS(semget(KEY, 3, 0), EINVAL);
    CHECK_FAILS(semget(KEY, 1, IPC_CREAT | IPC_EXCL), EEXIST);
    if (geteuid() != 0) CHECK_FAILS(op(id, 0, 1, 0), EACCES);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
}

static void on_alarm(int sig)
{
    (void)sig;
}

static int waits(int id)
{
    return op(id, 0, -1, 0);
}
static int waits_zero(int id)
{
    return op(id, 1, 0, 0);
}
static int waits_removed(int id)
{
    return op(id, 0, -1, 0) == -1 && errno == EIDRM ? 0 : 1;
}

static void wait_count(int id, int num, int cmd, int want)
{
    for (int i = 0; i < 200 && semctl(id, num, cmd) != want; i++) usleep(5000);
    CHECK(semctl(id, num, cmd) == want);
}

static void reap(int n)
{
    int status;
    while (n-- > 0) CHECK(wait(&status) > 0 && status == 0);
}

static void start(int (*run)(int), int id)
{
    if (fork() == 0) _exit(run(id));
}

static void test_sem_wait(void)
{
    int id = semget(IPC_PRIVATE, 2, 0600);
    struct sembuf down = {0, -1, 0};
    struct timespec soon = {0, 20000000}, bad = {0, -1};
    CHECK_FAILS(semtimedop(id, &down, 1, &soon), EAGAIN);
    CHECK_FAILS(semtimedop(id, &down, 1, &bad), EINVAL);
    CHECK_FAILS(syscall(SYS_semtimedop, id, &down, 1, 8L), EFAULT);
    semctl(id, 1, SETVAL, 1);
    start(waits, id), start(waits, id), start(waits_zero, id);
    wait_count(id, 0, GETNCNT, 2);
    wait_count(id, 1, GETZCNT, 1);
    CHECK(op(id, 0, 2, 0) == 0 && op(id, 1, -1, 0) == 0);
    reap(3);
    CHECK(get(id, 0) == 0);
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &sa, NULL);
    ualarm(20000, 0);
    CHECK_FAILS(semop(id, &down, 1), EINTR); // never restarted
    start(waits_removed, id);
    wait_count(id, 0, GETNCNT, 1);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    reap(1);
}

// ---------------------------------------------------------------- messages

struct message {
    long type;
    char text[64];
};

static int send_text(int id, long type, const char *text, int flags)
{
    struct message m = {.type = type};
    strcpy(m.text, text);
    return msgsnd(id, &m, strlen(text) + 1, flags);
}

static int expect_text(int id, long type, int flags, const char *want)
{
    struct message m;
    ssize_t n = msgrcv(id, &m, sizeof m.text, type, flags);
    return n == (ssize_t)strlen(want) + 1 && strcmp(m.text, want) == 0;
}

static void test_msg(void)
{
    struct msqid_ds d;
    struct message m;
    int id = msgget(IPC_PRIVATE, 0600);
    CHECK(id >= 0 && msgctl(id, IPC_STAT, &d) == 0 && d.msg_qbytes == 16384 && d.msg_qnum == 0);
    CHECK(send_text(id, 3, "three", 0) == 0 && send_text(id, 1, "one", 0) == 0 && send_text(id, 2, "two", 0) == 0);
    CHECK(msgctl(id, IPC_STAT, &d) == 0 && d.msg_qnum == 3 && d.__msg_cbytes == 14 && d.msg_lspid == getpid());
    CHECK(expect_text(id, -2, 0, "one"));
    CHECK(expect_text(id, 3, MSG_EXCEPT, "two"));
    CHECK_FAILS(msgrcv(id, &m, 2, 0, 0), E2BIG);
    CHECK(msgrcv(id, &m, 2, 0, MSG_NOERROR) == 2 && m.type == 3 && memcmp(m.text, "th", 2) == 0);
    CHECK_FAILS(msgrcv(id, &m, 2, 0, IPC_NOWAIT), ENOMSG);
    CHECK_FAILS(send_text(id, 0, "x", 0), EINVAL);
    CHECK_FAILS(msgsnd(id, &m, 8193, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_msgsnd, id, 8L, 1L, 0), EFAULT);
    CHECK_FAILS(msgsnd(id + 1, &m, 1, 0), EINVAL);
    CHECK_FAILS(msgsnd(id + 32768, &m, 1, 0), EINVAL);
    CHECK_FAILS(msgrcv(id, &m, (size_t)-1, 0, 0), EINVAL);
    CHECK_FAILS(msgrcv(-1, &m, 1, 0, 0), EINVAL);
    CHECK_FAILS(msgrcv(id, &m, 1, 0, MSG_COPY), EINVAL);
    CHECK_FAILS(msgctl(id, 55, &d), EINVAL);
    CHECK(msgctl(id, IPC_STAT, &d) == 0);
    d.msg_qbytes = 10;
    CHECK(msgctl(id, IPC_SET, &d) == 0 && send_text(id, 1, "123456", 0) == 0);
    CHECK_FAILS(send_text(id, 1, "1234", IPC_NOWAIT), EAGAIN);
    d.msg_qbytes = 20000;
    if (geteuid() != 0) CHECK_FAILS(msgctl(id, IPC_SET, &d), EPERM);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
}

static int sends(int id)
{
    return send_text(id, 5, "late", 0);
}
static int receives_removed(int id)
{
    struct message m;
    return msgrcv(id, &m, 64, 6, 0) == -1 && errno == EIDRM ? 0 : 1;
}

static void test_msg_wait(void)
{
    struct message m;
    int id = msgget(KEY, IPC_CREAT | 0600), status;
    CHECK(msgget(KEY, 0600) == id);
    CHECK_FAILS(msgget(KEY, IPC_CREAT | IPC_EXCL), EEXIST);
    CHECK_FAILS(msgget(KEY + 1, 0), ENOENT);
    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        _exit(sends(id));
    }
    CHECK(expect_text(id, 5, 0, "late"));
    waitpid(pid, &status, 0);
    CHECK(status == 0);
    ualarm(20000, 0);
    CHECK_FAILS(msgrcv(id, &m, 64, 0, 0), EINTR);
    start(receives_removed, id);
    usleep(30000);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
    reap(1);
}

// ---------------------------------------------------------------- /proc/sysvipc

static int listed(const char *file, int id)
{
    char path[64], line[512];
    int key, have, found = 0;
    snprintf(path, sizeof path, "/proc/sysvipc/%s", file);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%d %d", &key, &have) == 2 && have == id) found++;
    if (f) fclose(f);
    return found;
}

static void test_proc(void)
{
    int shm = shmget(IPC_PRIVATE, 1, 0600), sem = semget(IPC_PRIVATE, 1, 0600), msg = msgget(IPC_PRIVATE, 0600);
    CHECK(listed("shm", shm) == 1 && listed("sem", sem) == 1 && listed("msg", msg) == 1);
    shmctl(shm, IPC_RMID, NULL);
    semctl(sem, 0, IPC_RMID);
    msgctl(msg, IPC_RMID, NULL);
    CHECK(listed("shm", shm) == 0 && listed("sem", sem) == 0 && listed("msg", msg) == 0);
}

int main(int argc, char **argv)
{
    if (argc == 3) return attached(atoi(argv[2])) != 1;
    test_shm();
    test_shm_address();
    test_shm_keys();
    test_sem();
    test_sem_keys();
    test_sem_wait();
    test_msg();
    test_msg_wait();
    test_proc();
    return check_result();
}
