// Processes that take priority-inheriting locks in any order, give up, die with them or are killed: nobody waits for
// ever, and a lock is never two's.
#include "check.h"
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { LOCKS = 3, CHILDREN = 8, GENERATIONS = 15, TURNS = 40 };
struct shared {
    uint32_t word[LOCKS], holder[LOCKS];
    uint32_t twice, taken, strange;
};
static struct shared *shared;

static uint32_t next_random(uint32_t *state)
{
    return (*state = *state * 1664525 + 1013904223) >> 8;
}

// Whoever finds a lock whose owner has ended without a trace lets it go.
static void bury(unsigned i, uint32_t word)
{
    uint32_t owner = word & FUTEX_TID_MASK;
    if (syscall(SYS_tgkill, owner, owner, 0) == 0 || errno != ESRCH) return;
    __atomic_compare_exchange_n(&shared->holder[i], &owner, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    __atomic_compare_exchange_n(&shared->word[i], &word, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void take_turn(unsigned i, uint32_t *state)
{
    struct timespec until;
    uint32_t me = (uint32_t)getpid(), nobody = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 3000000;
    if (until.tv_nsec >= 1000000000) until = (struct timespec){until.tv_sec + 1, until.tv_nsec - 1000000000};
    if (syscall(SYS_futex, &shared->word[i], FUTEX_LOCK_PI, 0, &until, NULL, 0)) {
        if (errno == ESRCH)
            bury(i, shared->word[i]);
        else if (errno != ETIMEDOUT && errno != EDEADLK && errno != EAGAIN && errno != EINVAL)
            __atomic_add_fetch(&shared->strange, 1, __ATOMIC_SEQ_CST);
        return;
    }
    uint32_t before = __atomic_exchange_n(&shared->holder[i], me, __ATOMIC_SEQ_CST);
    if (before && before != me && !(shared->word[i] & FUTEX_OWNER_DIED) && kill((pid_t)before, 0) == 0)
        __atomic_add_fetch(&shared->twice, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&shared->taken, 1, __ATOMIC_SEQ_CST);
    uint32_t r = next_random(state) % 100;
    if (r < 20) usleep(r * 20);
    if (r == 99) _exit(0); // with it
    before = me;
    __atomic_compare_exchange_n(&shared->holder[i], &before, nobody, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &shared->word[i], FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
}

static pid_t start(uint32_t seed)
{
    pid_t child = fork();
    if (child) return child;
    uint32_t state = seed;
    for (int turn = 0; turn < TURNS; turn++) take_turn(next_random(&state) % LOCKS, &state);
    _exit(0);
}

int main(void)
{
    uint32_t state = 7;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int g = 0; g < GENERATIONS; g++) {
        pid_t child[CHILDREN];
        for (int i = 0; i < CHILDREN; i++) child[i] = start(next_random(&state));
        usleep(2000);
        kill(child[next_random(&state) % CHILDREN], SIGKILL);
        for (int i = 0; i < CHILDREN; i++) CHECK(waitpid(child[i], NULL, 0) == child[i]);
    }
    CHECK(shared->twice == 0 && shared->strange == 0 && shared->taken > GENERATIONS);
    return check_result();
}
