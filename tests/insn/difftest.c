// difftest: random cases of every row of cpu/insn*.def, on the host CPU and in the interpreter with both memory back
// ends.
//
//     difftest [--cases N] [--seed S] [--row NAME]... [--file insn_sse.def] [--part I/N] [--jobs J] [--report FILE]
//     [--examples N] [--host-only]
//
// --part 2/4 takes every fourth row; --row may name one row or a prefix ending in `*`. --report also writes the
// failures to FILE. --host-only runs each case twice on the host, to test the runner. Each row runs in a process of its
// own, so that a crash or a hang of the interpreter is one row's failure. Exit status: 0 when all rows agree.
#include "cpu/insn.h"
#include "report.h"
#include "sides.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROW_NAMES = 64, ROW_TEXT = 12 * 1024, KINDS_TOLD = 3 };

struct options {
    unsigned cases, part, parts, jobs, examples;
    uint64_t seed;
    const char *rows[MAX_ROW_NAMES], *file, *report;
    int row_count;
    bool host_only;
};

// One row's result, in memory shared with the process that works on it.
struct result {
    bool taken, skipped;
    unsigned cases, failures, faults, kind_count[DIFF_KINDS], told;
    unsigned kinds_told; // sets of kinds that have an example, as bits by lowest kind
    char text[ROW_TEXT];
    struct test_case now; // the case being worked on: what a crash is blamed on
};

static void put_code(uint8_t *code, const struct test_case *c, bool in)
{
    unsigned at = (unsigned)(c->in.rip - CODE_BASE), room = CODE_PAGES * PAGE - at, n = c->len < room ? c->len : room;
    if (in)
        memcpy(code + at, c->bytes, n);
    else
        memset(code + at, 0xcc, n);
}

static void run_host(struct sides *s, const struct test_case *c, struct outcome *out)
{
    uint8_t *code = (uint8_t *)(uintptr_t)CODE_BASE;
    put_code(code, c, true);
    hostcpu_run(s->host, &c->in, out);
    put_code(code, c, false);
    // An INT3 that has prefixes looks to the runner like the one behind an instruction.
    if (row_is(c->row, "int3 int") && out->vector == VECTOR_NONE && out->after.rip == c->in.rip + c->len - 1)
        out->vector = VEC_BP, out->after.rip++;
}

static void run_guest(struct guest *g, const struct test_case *c, struct outcome *out)
{
    put_code(guest_code(g), c, true);
    guest_run(g, &c->in, out);
    put_code(guest_code(g), c, false);
}

// Counts a failure, and writes it down when it is the first of its kind in this row.
static void record(struct result *r, const struct options *o, const struct sides *s, const struct test_case *c,
                   int side, const struct outcome *host, const struct outcome *guest, unsigned diff)
{
    unsigned lowest = diff & (~diff + 1);
    for (int i = 0; i < DIFF_KINDS; i++) r->kind_count[i] += diff >> i & 1;
    r->failures++;
    if ((r->kinds_told & lowest && r->told >= o->examples) || r->told >= KINDS_TOLD + o->examples) return;
    size_t used = strlen(r->text);
    if (ROW_TEXT - used < 2500) return;
    FILE *f = fmemopen(r->text + used, ROW_TEXT - used, "w");
    fprintf(f, "  [case %u, %s memory]\n", r->cases, side ? "checked" : "direct");
    report_difference(f, c, &s->before, host, guest, &s->memories[side], diff);
    fclose(f);
    r->kinds_told |= lowest;
    r->told++;
}

static void one_case(struct sides *s, const struct options *o, const struct row *row, struct rng *rng, struct result *r)
{
    struct outcome host, guest;
    struct test_case *c = &r->now;
    make_case(c, row, rng, &s->before);
    sides_sync(s);
    run_host(s, c, &host);
    r->faults += host.vector != VECTOR_NONE;
    for (int k = 0; k < 2 && !o->host_only; k++) {
        run_guest(s->guest[k], c, &guest);
        unsigned diff = compare(c, &host, &guest, &s->memories[k]);
        if (diff) record(r, o, s, c, k, &host, &guest, diff);
    }
    if (o->host_only) {
        sides_sync(s);
        run_host(s, c, &guest);
        if (host.vector == VECTOR_LOST || memcmp(&host.after, &guest.after, offsetof(struct machine, fx)))
            r->failures++;
    }
    r->cases++;
}

static uint64_t row_seed(uint64_t seed, const char *id)
{
    for (; *id; id++) seed = (seed ^ (uint8_t)*id) * 0x100000001b3;
    return seed;
}

static void run_row(const struct options *o, const struct row *row, struct result *r)
{
    static struct sides s;
    struct rng rng = {row_seed(o->seed, row->id)};
    alarm(60 + o->cases / 2000);
    sides_open(&s, o->host_only);
    data_randomize(&s.before, &rng);
    while (r->cases < o->cases) one_case(&s, o, row, &rng, r);
    _exit(0);
}

static void note_crash(struct result *r, int status)
{
    size_t used = strlen(r->text);
    FILE *f = fmemopen(r->text + used, ROW_TEXT - used, "w");
    static const struct data_image nothing;
    r->failures++;
    if (WIFSIGNALED(status))
        fprintf(f, "  [%s by signal %d (%s) in case %u]\n", WTERMSIG(status) == SIGALRM ? "hung, ended" : "died",
                WTERMSIG(status), strsignal(WTERMSIG(status)), r->cases);
    else
        fprintf(f, "  [ended with status %d in case %u]\n", WEXITSTATUS(status), r->cases);
    if (r->now.row) report_case(f, &r->now, &nothing);
    fclose(f);
}

static void fork_row(const struct options *o, const struct row *row, struct result *r)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) exit(2);
    if (pid == 0) run_row(o, row, r);
    while (waitpid(pid, &status, 0) != pid) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) note_crash(r, status);
}

static bool name_matches(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    return n && pattern[n - 1] == '*' ? !strncmp(pattern, name, n - 1) : !strcmp(pattern, name);
}

static bool wanted(const struct options *o, const struct row *row, int index)
{
    bool named = o->row_count == 0;
    for (int i = 0; i < o->row_count; i++) named = named || name_matches(o->rows[i], row->id);
    if (o->file && strcmp(o->file, row->file)) return false;
    return named && (unsigned)index % o->parts == o->part && !strcmp(row->test, "host");
}

static void run_share(const struct options *o, const struct row_table *t, struct result *results, unsigned share)
{
    unsigned n = 0;
    for (int i = 0; i < t->count; i++) {
        if (!wanted(o, &t->row[i], i)) continue;
        if (n++ % o->jobs != share) continue;
        results[i].taken = true;
        results[i].skipped = !hostcpu_has(t->row[i].feature);
        if (!results[i].skipped) fork_row(o, &t->row[i], &results[i]);
    }
}

static void run_all(const struct options *o, const struct row_table *t, struct result *results)
{
    pid_t pids[16];
    for (unsigned j = 0; j < o->jobs; j++) {
        pids[j] = fork();
        if (pids[j] < 0) exit(2);
        if (pids[j] == 0) {
            run_share(o, t, results, j);
            _exit(0);
        }
    }
    for (unsigned j = 0; j < o->jobs; j++) waitpid(pids[j], NULL, 0);
}

static void print_result(FILE *f, const struct row *row, const struct result *r)
{
    fprintf(f, "%s (%s): %u of %u cases differ:", row->id, row->file, r->failures, r->cases * 2);
    for (int i = 0; i < DIFF_KINDS; i++)
        if (r->kind_count[i]) fprintf(f, " %s %u", diff_names[i], r->kind_count[i]);
    fprintf(f, "\n%s\n", r->text);
}

static int summarize(FILE *f, const struct options *o, const struct row_table *t, const struct result *results)
{
    unsigned rows = 0, cases = 0, faults = 0, bad = 0, skipped = 0;
    for (int i = 0; i < t->count; i++) {
        const struct result *r = &results[i];
        if (!r->taken) continue;
        if (r->skipped) fprintf(f, "%s: not run, this host has no %s\n", t->row[i].id, t->row[i].feature);
        if (r->failures || (!r->skipped && r->cases == 0)) print_result(f, &t->row[i], r), bad++;
        rows += !r->skipped, skipped += r->skipped, cases += r->cases, faults += r->faults;
    }
    fprintf(f, "difftest: %u rows, %u cases (%u faults), seed %llu: %u rows differ, %u not run\n", rows, cases, faults,
            (unsigned long long)o->seed, bad, skipped);
    return bad || rows == 0;
}

static void usage(void)
{
    fprintf(stderr, "usage: difftest [--cases N] [--seed S] [--row NAME]... [--file DEF] [--part I/N] [--jobs J] "
                    "[--report FILE] [--examples N] [--host-only]\n");
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.cases = 2000, .parts = 1, .jobs = 1, .seed = 1, .examples = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--host-only")) {
            o.host_only = true;
            continue;
        }
        if (!value) usage();
        if (!strcmp(argv[i], "--cases"))
            o.cases = (unsigned)strtoul(value, NULL, 0);
        else if (!strcmp(argv[i], "--seed"))
            o.seed = strcmp(value, "time") ? strtoull(value, NULL, 0) : (uint64_t)time(NULL);
        else if (!strcmp(argv[i], "--row") && o.row_count < MAX_ROW_NAMES)
            o.rows[o.row_count++] = value;
        else if (!strcmp(argv[i], "--file"))
            o.file = value;
        else if (!strcmp(argv[i], "--jobs"))
            o.jobs = (unsigned)strtoul(value, NULL, 0);
        else if (!strcmp(argv[i], "--report"))
            o.report = value;
        else if (!strcmp(argv[i], "--examples"))
            o.examples = (unsigned)strtoul(value, NULL, 0);
        else if (!strcmp(argv[i], "--part")) {
            if (sscanf(value, "%u/%u", &o.part, &o.parts) != 2) usage();
        } else
            usage();
        i++;
    }
    if (!o.parts || o.part >= o.parts || !o.jobs || o.jobs > 16) usage();
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct row_table t = rows_read(BELLJAR_CPU_DIR);
    size_t bytes = (size_t)t.count * sizeof(struct result);
    struct result *results = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED) return 2;
    run_all(&o, &t, results);
    FILE *report = o.report ? fopen(o.report, "w") : NULL;
    if (report) summarize(report, &o, &t, results), fclose(report);
    int status = summarize(stdout, &o, &t, results);
    munmap(results, bytes);
    rows_free(&t);
    return status;
}
