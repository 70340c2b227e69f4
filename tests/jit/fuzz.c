// jit-fuzz: random programs under lockstep (jit/lockstep.h): the interpreter and both kinds of translated code must
// make the same of them, and the verifier must prove each block.
//
//     jit-fuzz [--ahead | --named] [--seed N] [--first N] [--cases N] [--seconds S] [--jobs N] [--corpus FILE]
//
// --ahead: once more with what has run translated ahead of time, in a file of the code cache (fuzz_ahead.c).
// --named: in memory with names, as WebAssembly's has, whose code looks before it accesses (jit/insn_copy.c).
// A case is a function of seed and number alone. Real code to mutate: FILE's bytes, or this program's own. Ends with
// the first difference of each job; exit status 1 then.
#include "fuzz_box.h"
#include "fuzz_engine.h"
#include "host/exec.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_JOBS = 16, HANG_SECONDS = 60 };

struct options {
    uint64_t seed, first, cases;
    unsigned jobs, seconds;
    enum fuzz_kind kind;
    struct corpus corpus;
};

struct job { // in memory shared with the process that does it
    struct fuzz_counts counts;
    uint64_t now;
};

static const char *const kind_options[] = {[FUZZ_RUN] = "", [FUZZ_AHEAD] = " --ahead", [FUZZ_NAMED] = " --named"};

extern const uint8_t __executable_start[], etext[];

static struct rng case_rng(const struct options *o, uint64_t number)
{
    struct rng r = {o->seed ^ number * 0xd1342543de82ef95};
    (void)rng_next(&r);
    return r;
}

static void tell_line(const struct options *o, uint64_t number)
{
    printf("jit-fuzz%s --seed %llu --first %llu --cases 1", kind_options[o->kind], (unsigned long long)o->seed,
           (unsigned long long)number);
}

static void tell_case(const struct options *o, const struct program *p, uint64_t number)
{
    tell_line(o, number);
    printf("    (%s, %u bytes at %#x)\n", p->kind, p->n, p->base);
    for (unsigned i = 0; i < p->n; i++) printf("%02x%s", p->code[i], i + 1 == p->n ? "\n" : "");
}

static bool run_case(struct fuzz_box *b, const struct options *o, const struct row_table *rows, uint64_t number,
                     struct fuzz_counts *counts)
{
    struct program p;
    struct rng r = case_rng(o, number);
    make_program(&p, &r, rows, &o->corpus, o->kind == FUZZ_NAMED);
    const char *difference = fuzz_run(b, &p, &r, counts);
    if (!difference) return true;
    tell_case(o, &p, number);
    printf("%s%s\n", counts->second ? "With what was made ahead: " : "", difference);
    fflush(stdout);
    return false;
}

// Does not return.
static void work(const struct options *o, unsigned index, struct job *job)
{
    struct row_table rows = rows_read(BELLJAR_CPU_DIR);
    struct fuzz_box *b = fuzz_box_open(o->kind);
    time_t end = time(NULL) + o->seconds;
    if (!b) _exit(2);
    for (uint64_t i = index; i < o->cases && (!o->seconds || time(NULL) < end); i += o->jobs) {
        alarm(HANG_SECONDS);
        job->now = o->first + i;
        if (!run_case(b, o, &rows, job->now, &job->counts)) _exit(1);
    }
    _exit(0);
}

static int wait_job(const struct options *o, pid_t pid, const struct job *job)
{
    int status;
    while (waitpid(pid, &status, 0) != pid) {
    }
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    printf("%s by signal %d: ", WTERMSIG(status) == SIGALRM ? "hung, ended" : "died", WTERMSIG(status));
    tell_line(o, job->now);
    printf("\n");
    return 1;
}

static void sum(struct fuzz_counts *all, const struct fuzz_counts *one)
{
    all->cases += one->cases, all->stops += one->stops;
    all->faults += one->faults, all->insns += one->insns;
    all->ahead.shards += one->ahead.shards, all->ahead.blocks += one->ahead.blocks;
    all->ahead.cases += one->ahead.cases;
    for (unsigned i = 0; i < FUZZ_TRANSLATORS; i++) all->ahead.entered[i] += one->ahead.entered[i];
}

// That nothing of it ran is a failure: the command would find nothing.
static bool tell_ahead(const struct fuzz_counts *c)
{
    enum { FEW = 100 };
    const struct fuzz_ahead_counts *a = &c->ahead;
    printf("made ahead: %llu shards with %llu blocks; entered from outside: %llu (counting), %llu (plain), in %llu "
           "cases\n",
           (unsigned long long)a->shards, (unsigned long long)a->blocks, (unsigned long long)a->entered[FUZZ_COUNTING],
           (unsigned long long)a->entered[FUZZ_PLAIN], (unsigned long long)a->cases);
    if ((a->entered[FUZZ_COUNTING] && a->entered[FUZZ_PLAIN]) || c->cases < FEW) return true;
    printf("jit-fuzz: what was made ahead never ran\n");
    return false;
}

static int run_jobs(const struct options *o, struct job *jobs)
{
    pid_t pids[MAX_JOBS];
    int worst = 0;
    struct fuzz_counts all = {0};
    fflush(NULL);
    for (unsigned i = 0; i < o->jobs; i++)
        if ((pids[i] = fork()) == 0) work(o, i, &jobs[i]);
    for (unsigned i = 0; i < o->jobs; i++) {
        int status = wait_job(o, pids[i], &jobs[i]);
        worst = status > worst ? status : worst;
        sum(&all, &jobs[i].counts);
    }
    printf("jit-fuzz: seed %llu: %llu cases, %llu instructions, %llu stops, %llu of them faults\n",
           (unsigned long long)o->seed, (unsigned long long)all.cases, (unsigned long long)all.insns,
           (unsigned long long)all.stops, (unsigned long long)all.faults);
    if (o->kind == FUZZ_AHEAD && !tell_ahead(&all) && !worst) worst = 1;
    return worst;
}

static struct corpus read_corpus(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    struct corpus c = {0};
    if (fd < 0 || fstat(fd, &st) || st.st_size < 4096) {
        fprintf(stderr, "jit-fuzz: %s cannot be read, or is too small\n", path);
        exit(2);
    }
    c.n = (size_t)st.st_size;
    c.bytes = mmap(NULL, c.n, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (c.bytes == MAP_FAILED) exit(2);
    return c;
}

static void usage(void)
{
    fprintf(stderr, "usage: jit-fuzz [--ahead | --named] [--seed N] [--first N] [--cases N] [--seconds S] [--jobs N] "
                    "[--corpus FILE]\n");
    exit(2);
}

static void take(struct options *o, const char *name, const char *value)
{
    uint64_t n = strtoull(value, NULL, 0);
    if (!strcmp(name, "--seed"))
        o->seed = n;
    else if (!strcmp(name, "--first"))
        o->first = n;
    else if (!strcmp(name, "--cases"))
        o->cases = n;
    else if (!strcmp(name, "--seconds"))
        o->seconds = (unsigned)n;
    else if (!strcmp(name, "--jobs") && n > 0 && n <= MAX_JOBS)
        o->jobs = (unsigned)n;
    else if (!strcmp(name, "--corpus"))
        o->corpus = read_corpus(value);
    else
        usage();
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .cases = 20000, .jobs = 1};
    const char *lacks = host_exec_lacks();
    o.corpus = (struct corpus){__executable_start, (size_t)(etext - __executable_start)};
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--ahead"))
            o.kind = FUZZ_AHEAD;
        else if (!strcmp(argv[i], "--named"))
            o.kind = FUZZ_NAMED;
        else if (i + 1 < argc)
            take(&o, argv[i], argv[i + 1]), i++;
        else
            usage();
    if (lacks) {
        printf("jit-fuzz: nothing to do: %s\n", lacks);
        return 0;
    }
    struct job *jobs =
        mmap(NULL, sizeof(struct job) * MAX_JOBS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return jobs == MAP_FAILED ? 2 : run_jobs(&o, jobs);
}
