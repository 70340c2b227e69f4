// difftest: random cases of every row of cpu/insn*.def, on the host CPU, in the interpreter with both memory back ends,
// and translated.
//
//     difftest [--engine interp|jit|all] [--cases N] [--seed S] [--row NAME]... [--file insn_sse.def] [--part I/N]
//     [--jobs J] [--report FILE] [--examples N] [--host-only] [--record FILE | --replay FILE] [--tally FILE]
//     [--named start|end]
//
// --part 2/4 takes every fourth row; --row may name one row or a prefix ending in `*`. --report also writes the
// failures to FILE. --host-only runs each case twice on the host, to test the runner. --record writes what the host
// made of the cases to FILE instead of comparing; --replay compares with that, on any host (record.h). --tally adds
// the cases to a file of what was ever run (tally.h). --named: data lies in memory with a name (arena.h). A crash or a
// hang of the interpreter is one row's failure; the rows behind it run in a new process. Exit status: 0 when all rows
// agree.
#include "amd.h"
#include "arena.h"
#include "bounds.h"
#include "cpu/insn.h"
#include "host/exec.h"
#include "record.h"
#include "report.h"
#include "sides.h"
#include "tally.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROW_NAMES = 64, ROW_TEXT = 12 * 1024, KINDS_TOLD = 3, NOT_RECORDED = 3 /* an exit status */ };

struct options {
    unsigned cases, part, parts, jobs, examples;
    uint64_t seed;
    const char *rows[MAX_ROW_NAMES], *file, *report, *record, *replay, *tally;
    int row_count;
    bool host_only, amd; // amd: the judge is one of AMD's processors
    unsigned engines;    // bits by enum guest_engine
    int record_fd;
    struct recording recording;
};

// One row's result, in memory shared with the process that works on it.
struct result {
    bool taken, skipped, done;
    unsigned cases, failures, faults, kind_count[DIFF_KINDS], told;
    unsigned translated; // cases that the translator ran, at least in part, in emitted code
    unsigned settled;    // outcomes that differ within the row's bound
    unsigned amds;       // outcomes that differ as amd.h says
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
    const char *complaint = guest_complaint(s->guest[side]);
    fprintf(f, "  [case %u, %s%s%s]\n", r->cases, guest_engine_names[side], *complaint ? ": " : "", complaint);
    report_difference(f, c, &s->before, host, guest, &s->memories[side], diff);
    fclose(f);
    r->kinds_told |= lowest;
    r->told++;
}

static void judge(struct sides *s, const struct options *o, struct result *r, const struct outcome *host)
{
    struct outcome guest;
    for (int k = 0; k < GUEST_ENGINES; k++) {
        if (!s->guest[k]) continue;
        uint64_t entered = guest_entered(s->guest[k]);
        run_guest(s->guest[k], &r->now, &guest);
        r->translated += guest_entered(s->guest[k]) > entered;
        r->settled += bound_settle(&r->now, host, &guest);
        unsigned diff = compare(&r->now, host, &guest, &s->memories[k]);
        unsigned own = diff && o->amd ? diff & amd_own(&r->now, host, &guest) : 0;
        r->amds += own && own == diff;
        diff &= ~own;
        if (diff) record(r, o, s, &r->now, k, host, &guest, diff);
    }
}

static void run_again(struct sides *s, struct result *r, const struct outcome *host)
{
    struct outcome again;
    sides_sync(s);
    run_host(s, &r->now, &again);
    if (host->vector == VECTOR_LOST || memcmp(&host->after, &again.after, offsetof(struct machine, fx))) r->failures++;
}

// Where a row's cases get the host's outcomes from, or where these go to.
struct tape {
    struct recorder recorder;
    struct replay replay;
};

static void one_case(struct sides *s, const struct options *o, const struct row *row, struct rng *rng, struct result *r,
                     struct tape *tape)
{
    struct outcome host;
    make_case(&r->now, row, rng, &s->before);
    sides_sync(s);
    if (!o->replay)
        run_host(s, &r->now, &host);
    else if (!replay_case(&tape->replay, &r->now, &s->before, &host, s->host_data))
        _exit(NOT_RECORDED);
    r->faults += host.vector != VECTOR_NONE;
    if (o->record)
        recorder_case(&tape->recorder, &r->now, &s->before, &host, &s->memories[0]);
    else if (o->host_only)
        run_again(s, r, &host);
    else
        judge(s, o, r, &host);
    r->cases++;
}

static uint64_t row_seed(uint64_t seed, const char *id)
{
    for (; *id; id++) seed = (seed ^ (uint8_t)*id) * 0x100000001b3;
    return seed;
}

static void run_row(struct sides *s, const struct options *o, const struct row *row, struct result *r)
{
    struct tape tape;
    struct rng rng = {row_seed(o->seed, row->id)};
    alarm(60 + o->cases / (o->replay ? 20 : 2000)); // a record's reader may itself be emulated
    sides_clean(s);
    data_randomize(&s->before, &rng);
    if (o->record) recorder_open(&tape.recorder, o->record_fd, row->id);
    if (o->replay && !recording_find(&o->recording, row->id, &tape.replay)) _exit(NOT_RECORDED);
    while (r->cases < o->cases) one_case(s, o, row, &rng, r, &tape);
    if (o->record) recorder_close(&tape.recorder);
    r->done = true;
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
    else if (WEXITSTATUS(status) == NOT_RECORDED)
        fprintf(f, "  [case %u is not the one that was recorded: other sources, or cases that depend on the host]\n",
                r->cases);
    else
        fprintf(f, "  [ended with status %d in case %u]\n", WEXITSTATUS(status), r->cases);
    if (r->now.row) report_case(f, &r->now, &nothing);
    fclose(f);
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

// Whether the CPU that judges has the row's instruction.
static bool has_judge(const struct options *o, const struct row *row)
{
    struct replay unused;
    return o->replay ? recording_find(&o->recording, row->id, &unused) : hostcpu_has(row->feature);
}

// Is this row one of the share? n counts the rows that are wanted.
static bool shared(const struct options *o, const struct row *row, int index, unsigned share, unsigned *n)
{
    return wanted(o, row, index) && (*n)++ % o->jobs == share;
}

// Runs the rows of this share that are not done yet. Does not return.
static void work(const struct options *o, const struct row_table *t, struct result *results, unsigned share)
{
    static struct sides s;
    unsigned n = 0;
    sides_open(&s, o->replay ? SIDES_GUEST : o->host_only || o->record ? SIDES_HOST : SIDES_BOTH, o->engines);
    for (int i = 0; i < t->count; i++) {
        if (!shared(o, &t->row[i], i, share, &n) || results[i].taken) continue;
        results[i].skipped = !has_judge(o, &t->row[i]);
        results[i].taken = true;
        if (!results[i].skipped) run_row(&s, o, &t->row[i], &results[i]);
    }
    _exit(0);
}

static struct result *at_work(const struct options *o, const struct row_table *t, struct result *results,
                              unsigned share)
{
    unsigned n = 0;
    for (int i = 0; i < t->count; i++) {
        struct result *r = &results[i];
        if (shared(o, &t->row[i], i, share, &n) && r->taken && !r->skipped && !r->done) return r;
    }
    return NULL;
}

// A crash or a hang is the failure of the row at work; another process goes on behind it.
static void run_share(const struct options *o, const struct row_table *t, struct result *results, unsigned share)
{
    for (;;) {
        int status;
        fflush(NULL);
        pid_t pid = fork();
        if (pid < 0) exit(2);
        if (pid == 0) work(o, t, results, share);
        while (waitpid(pid, &status, 0) != pid) {
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
        struct result *r = at_work(o, t, results, share);
        if (!r) exit(2);
        note_crash(r, status);
        r->done = true;
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
    for (unsigned j = 0; j < o->jobs; j++) {
        int status;
        while (waitpid(pids[j], &status, 0) != pids[j]) {
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status)) exit(2);
    }
}

static unsigned outcomes(const struct options *o, const struct result *r)
{
    return r->cases * (unsigned)__builtin_popcount(o->engines);
}

static void print_result(FILE *f, const struct options *o, const struct row *row, const struct result *r)
{
    fprintf(f, "%s (%s): %u of %u cases differ:", row->id, row->file, r->failures, outcomes(o, r));
    for (int i = 0; i < DIFF_KINDS; i++)
        if (r->kind_count[i]) fprintf(f, " %s %u", diff_names[i], r->kind_count[i]);
    fprintf(f, "\n%s\n", r->text);
}

static int summarize(FILE *f, const struct options *o, const struct row_table *t, const struct result *results)
{
    unsigned rows = 0, cases = 0, faults = 0, bad = 0, skipped = 0, translated = 0, amds = 0;
    for (int i = 0; i < t->count; i++) {
        const struct result *r = &results[i];
        if (!r->taken) continue;
        translated += r->translated;
        amds += r->amds;
        const char *bound = bound_of(&t->row[i]);
        if (r->skipped)
            fprintf(f, "%s: not run, %s has no %s\n", t->row[i].id, o->replay ? o->recording.cpu : "this host",
                    t->row[i].feature);
        else if (bound && !o->record)
            fprintf(f, "%s: judged within %s; %u of %u outcomes are not the same bits\n", t->row[i].id, bound,
                    r->settled, outcomes(o, r));
        if (r->failures || (!r->skipped && r->cases == 0)) print_result(f, o, &t->row[i], r), bad++;
        rows += !r->skipped, skipped += r->skipped, cases += r->cases, faults += r->faults;
    }
    if (o->replay) fprintf(f, "difftest: judged by a record of %s\n", o->recording.cpu);
    if (amds) fprintf(f, "difftest: %u outcomes are what only AMD's processors make of it (amd.h)\n", amds);
    if (o->engines >> GUEST_JIT & 1 && !o->record && !o->host_only)
        fprintf(f, "difftest: %u cases ran in emitted code\n", translated);
    fprintf(f, "difftest: %u rows, %u cases (%u faults), seed %llu: %u rows differ, %u not run\n", rows, cases, faults,
            (unsigned long long)o->seed, bad, skipped);
    return bad || rows == 0;
}

// Adds this run to the tally. 0, or -1 with a message.
static int count_in(const struct options *o, const struct row_table *t, const struct result *results, time_t started)
{
    char note[400], day[16] = "", cpu[160];
    struct tm tm;
    time_t now = time(NULL);
    unsigned long long cases = 0;
    unsigned rows = 0, bad = 0;
    struct tally tally = tally_read(o->tally);
    for (int i = 0; i < t->count; i++) {
        const struct result *r = &results[i];
        if (!r->taken || r->skipped) continue;
        tally_add(&tally, t->row[i].id, r->cases, r->failures > 0);
        rows++, cases += r->cases, bad += r->failures > 0;
    }
    if (gmtime_r(&now, &tm)) strftime(day, sizeof day, "%Y-%m-%d", &tm);
    record_cpu_name(cpu, sizeof cpu);
    snprintf(note, sizeof note, "%s: `--cases %u --seed %llu`: %u rows, %llu cases, %u rows differ; %.0f minutes on %s",
             day, o->cases, (unsigned long long)o->seed, rows, cases, bad, difftime(now, started) / 60, cpu);
    tally_note(&tally, note);
    int status = tally_write(&tally, o->tally);
    tally_free(&tally);
    return status;
}

static void usage(void)
{
    fprintf(stderr, "usage: difftest [--engine interp|jit|all] [--cases N] [--seed S] [--row NAME]... [--file DEF] "
                    "[--part I/N] [--jobs J] "
                    "[--report FILE] [--examples N] [--host-only] [--record FILE | --replay FILE] [--tally FILE] "
                    "[--named start|end]\n");
    exit(2);
}

// All there are, but for what this host cannot run.
static unsigned parse_engines(const char *value)
{
    enum { INTERP = 1 << GUEST_DIRECT | 1 << GUEST_CHECKED, JIT = 1 << GUEST_JIT };
    if (!strcmp(value, "all")) return host_exec_lacks() ? INTERP : INTERP | JIT;
    if (strcmp(value, "interp") != 0 && strcmp(value, "jit") != 0) usage();
    return value[0] == 'i' ? INTERP : JIT;
}

static struct options parse(int argc, char **argv)
{
    struct options o = {
        .cases = 2000, .parts = 1, .jobs = 1, .seed = 1, .examples = 1, .engines = parse_engines("all")};
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
        else if (!strcmp(argv[i], "--engine"))
            o.engines = parse_engines(value);
        else if (!strcmp(argv[i], "--file"))
            o.file = value;
        else if (!strcmp(argv[i], "--jobs"))
            o.jobs = (unsigned)strtoul(value, NULL, 0);
        else if (!strcmp(argv[i], "--report"))
            o.report = value;
        else if (!strcmp(argv[i], "--record"))
            o.record = value;
        else if (!strcmp(argv[i], "--replay"))
            o.replay = value;
        else if (!strcmp(argv[i], "--tally"))
            o.tally = value;
        else if (!strcmp(argv[i], "--named"))
            arena_choose(!strcmp(value, "end") ? ARENA_NAME_END : ARENA_NAME_START);
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

static void open_replay(struct options *o)
{
    recording_open(&o->recording, o->replay);
    o->seed = o->recording.seed;
    if (o->cases > o->recording.cases) o->cases = o->recording.cases;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct row_table t = rows_read(BELLJAR_CPU_DIR);
    if (o.record) o.record_fd = record_create(o.record, o.seed, o.cases);
    if (o.replay) open_replay(&o);
    o.amd = o.replay ? strstr(o.recording.cpu, "AMD") != NULL : amd_is_host();
    size_t bytes = (size_t)t.count * sizeof(struct result);
    struct result *results = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED) return 2;
    time_t started = time(NULL);
    run_all(&o, &t, results);
    FILE *report = o.report ? fopen(o.report, "w") : NULL;
    if (report) summarize(report, &o, &t, results), fclose(report);
    int status = summarize(stdout, &o, &t, results);
    if (o.tally && count_in(&o, &t, results, started)) status = 2;
    munmap(results, bytes);
    rows_free(&t);
    return status;
}
