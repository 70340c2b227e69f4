// store-writers: writers of the code cache that are killed, meet each other, a full disk, or files that somebody has
// damaged or changed hands of. What a reader gets is always what some writer has committed, whole, or nothing.
//
//     store-writers faults | killed | together [--seconds S] [--seed N]     in directories of their own
//     store-writers add DIR FIRST N VERSION                                 for scripts
//     store-writers check DIR
#include "cli/codecache_file.h"
#include "fake.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MANY UINT64_MAX

struct test {
    char path[FAKE_DIRECTORY];
    int dir;
    uint64_t random;
    unsigned seconds, failed;
};

static uint64_t draw(struct test *t)
{
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return t->random >> 33;
}

static void bad(struct test *t, const char *what, const char *how)
{
    printf("FAILED: %s: %s\n", what, how);
    t->failed++;
}

static void expect(struct test *t, bool good, const char *what, const char *how)
{
    if (!good) bad(t, what, how);
}

static void begin(struct test *t)
{
    t->dir = fake_directory(t->path);
    if (t->dir < 0) exit(2);
}

static void end(struct test *t)
{
    close(t->dir);
    fake_remove(t->path);
}

// Opens and compares everything. The number of shards, -1: there is no file. Misses may be, wrong bytes may not.
static int look(struct test *t, const char *what, unsigned *misses)
{
    struct store s;
    const char *why;
    *misses = 0;
    if (!codecache_open(t->dir, fake_key, &s, &why)) return -1;
    const char *wrong = fake_check_all(&s, misses);
    if (wrong) bad(t, what, wrong);
    int n = (int)s.head->nshards;
    codecache_close(&s);
    return n;
}

static void expect_whole(struct test *t, int shards, const char *what)
{
    unsigned misses;
    int n = look(t, what, &misses);
    if (n == shards && !misses) return;
    printf("FAILED: %s: %d shards and %u misses instead of %d\n", what, n, misses, shards);
    t->failed++;
}

static void expect_none(struct test *t, const char *what)
{
    unsigned misses;
    expect(t, look(t, what, &misses) < 0, what, "it is used");
}

static void expect_no_leftover(struct test *t, const char *what)
{
    struct stat st;
    expect(t, fstatat(t->dir, CODECACHE_NEW, &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT, what, "leaves a file");
}

static void code_name(char name[CODECACHE_NAME])
{
    codecache_name(name, FILE_CODE, fake_key);
}

static int open_code(const struct test *t, int flags)
{
    char name[CODECACHE_NAME];
    code_name(name);
    return openat(t->dir, name, flags | O_CLOEXEC);
}

// ---------------------------------------------------------------- damage

static void cut_off(struct test *t)
{
    struct stat st;
    expect(t, !fake_write(t->dir, 0, 12, 1, MANY), "cut off", "not written");
    int fd = open_code(t, O_RDWR);
    fstat(fd, &st);
    char *whole = malloc((size_t)st.st_size);
    expect(t, pread(fd, whole, (size_t)st.st_size, 0) == st.st_size, "cut off", "not read");
    close(fd);
    for (int i = 0; i < 200; i++) {
        off_t n = i < 20   ? i * 100
                  : i < 40 ? st.st_size - 1 - (i - 20) * 4096
                           : (off_t)(draw(t) % (uint64_t)st.st_size);
        fd = open_code(t, O_WRONLY | O_TRUNC);
        if (pwrite(fd, whole, (size_t)n, 0) != n) bad(t, "cut off", "not written");
        close(fd);
        expect_none(t, "a file that is cut off");
    }
    free(whole);
    // A writer that finds it makes it anew.
    expect(t, !fake_write(t->dir, 0, 12, 2, MANY), "cut off", "not written");
    expect_whole(t, 12, "after a file that was cut off");
}

// Turns one bit over, and looks.
static int flipped(struct test *t, off_t at, unsigned *misses)
{
    int fd = open_code(t, O_RDWR);
    uint8_t byte, turned;
    if (pread(fd, &byte, 1, at) != 1) exit(2);
    turned = byte ^ (uint8_t)(1 << draw(t) % 8);
    if (pwrite(fd, &turned, 1, at) != 1) exit(2);
    int n = look(t, "a flipped bit", misses);
    if (pwrite(fd, &byte, 1, at) != 1) exit(2);
    close(fd);
    return n;
}

static void flip_sections(struct test *t, const struct store *s, int section)
{
    for (uint32_t k = 0; k < s->head->nshards; k++) {
        const struct store_range *r = &store_shards(s)[k].section[section];
        unsigned misses;
        for (int i = 0; r->bytes && i < 12; i++) {
            uint64_t in = draw(t) * 0x100000001u % r->bytes;
            int n = flipped(t, (off_t)(r->at + in + (section == STORE_CODE ? s->head->code_at : 0)), &misses);
            if (n == (int)s->head->nshards && misses == 1) continue;
            printf("FAILED: a flipped bit in section %d: %d shards, %u misses\n", section, n, misses);
            t->failed++;
        }
    }
}

static void flipped_bits(struct test *t)
{
    struct store s;
    const char *why;
    unsigned misses;
    expect(t, !fake_write(t->dir, 0, 8, 1, MANY), "flips", "not written");
    if (!codecache_open(t->dir, fake_key, &s, &why)) exit(2);
    size_t tables =
        sizeof *s.head + s.head->nshards * sizeof(struct store_shard) + s.head->nmemos * sizeof(struct store_memo);
    for (size_t at = 0; at < tables; at += at < 200 ? 1 : 7)
        expect(t, flipped(t, (off_t)at, &misses) < 0, "a flipped bit in head and tables", "it is used");
    for (int i = 0; i < STORE_SECTIONS; i++) flip_sections(t, &s, i);
    for (int i = 0; i < 500; i++) (void)flipped(t, (off_t)(draw(t) * 4099 % s.bytes), &misses); // also between sections
    codecache_close(&s);
    expect_whole(t, 8, "bits turned back");
}

// A writer leaves out what is damaged, and keeps the rest.
static void damaged_shard(struct test *t)
{
    struct store s;
    const char *why;
    unsigned misses;
    if (!codecache_open(t->dir, fake_key, &s, &why)) exit(2);
    off_t at = (off_t)(store_shards(&s)[3].section[STORE_CODE].at + s.head->code_at);
    codecache_close(&s);
    int fd = open_code(t, O_RDWR);
    if (pwrite(fd, "damaged!", 8, at) != 8) exit(2);
    close(fd);
    expect(t, look(t, "damage", &misses) == 8 && misses == 1, "damage", "not one miss");
    expect(t, !fake_write(t->dir, 100, 1, 1, MANY), "damage", "not written");
    expect_whole(t, 8, "after damage");
}

// ---------------------------------------------------------------- other hands

static void with_mode(struct test *t, mode_t file, mode_t directory, const char *what)
{
    char why[CODECACHE_WHY];
    int fd = open_code(t, O_RDONLY);
    fchmod(fd, file);
    fchmod(t->dir, directory);
    int dir = codecache_directory(t->path, true, why);
    if (directory & 022)
        expect(t, dir < 0 && strstr(why, t->path), what, "the directory is used");
    else
        expect_none(t, what);
    if (dir >= 0) close(dir);
    fchmod(fd, 0600);
    fchmod(t->dir, 0700);
    close(fd);
    expect_whole(t, 9, "modes as they were");
}

static void links(struct test *t)
{
    char name[CODECACHE_NAME], why[CODECACHE_WHY], link[FAKE_DIRECTORY + 8];
    code_name(name);
    snprintf(link, sizeof link, "%s.link", t->path);
    if (symlink(t->path, link)) exit(2);
    expect(t, codecache_directory(link, true, why) < 0 && strstr(why, "symbolic link"), "a link to a directory", why);
    unlink(link);
    renameat(t->dir, name, t->dir, "elsewhere");
    if (symlinkat("elsewhere", t->dir, name)) exit(2);
    expect_none(t, "a link to a file");
    unlinkat(t->dir, name, 0);
    if (mkfifoat(t->dir, name, 0600)) exit(2);
    expect_none(t, "a FIFO");
    unlinkat(t->dir, name, 0);
    if (mkdirat(t->dir, name, 0700)) exit(2);
    expect_none(t, "a directory with the file's name");
    expect(t, fake_write(t->dir, 0, 1, 1, MANY) != 0, "a directory with the file's name", "it was written over");
    expect_no_leftover(t, "a directory with the file's name");
    unlinkat(t->dir, name, AT_REMOVEDIR);
    renameat(t->dir, "elsewhere", t->dir, name);
    expect_whole(t, 9, "names as they were");
    // A writer does not follow links either.
    if (symlinkat("victim", t->dir, CODECACHE_NEW)) exit(2);
    expect(t, !fake_write(t->dir, 200, 1, 1, MANY), "a link instead of the new file", "not written");
    struct stat st;
    expect(t, fstatat(t->dir, "victim", &st, 0) != 0, "a link instead of the new file", "it was followed");
    expect_whole(t, 10, "a link instead of the new file");
}

static void other_owner(struct test *t)
{
    char why[CODECACHE_WHY];
    if (geteuid() != 0) {
        printf("other owners: left out, this is not root\n");
        return;
    }
    int fd = open_code(t, O_RDONLY);
    if (fchown(fd, 12345, 12345) || fchown(t->dir, 12345, 12345)) exit(2);
    expect(t, codecache_directory(t->path, true, why) < 0 && strstr(why, "another user"), "another owner", why);
    expect_none(t, "another owner");
    if (fchown(t->dir, 0, 0)) exit(2);
    expect_none(t, "another owner of the file");
    if (fchown(fd, 0, 0)) exit(2);
    close(fd);
    expect_whole(t, 10, "the owner as before");
}

static void missing(struct test *t)
{
    char why[CODECACHE_WHY], path[FAKE_DIRECTORY + 8];
    struct stat st;
    expect(t, codecache_directory("none", true, why) < 0 && !*why, "none", "a directory");
    expect(t, codecache_directory("/nonexistent/x", true, why) < 0 && *why, "no parent", "a directory");
    snprintf(path, sizeof path, "%s/x", t->path);
    expect(t, codecache_directory(path, false, why) < 0 && errno == ENOENT && *why, "no directory", "a directory");
    mode_t old = umask(0);
    int dir = codecache_directory(path, true, why);
    umask(old);
    expect(t, dir >= 0 && !fstat(dir, &st) && (st.st_mode & 07777) == 0700, "a new directory", "is not made");
    if (dir >= 0) close(dir);
    rmdir(path);
    setenv("XDG_CACHE_HOME", t->path, 1);
    dir = codecache_directory(NULL, true, why);
    snprintf(path, sizeof path, "%s/belljar", t->path);
    expect(t, dir >= 0 && !stat(path, &st), "the default directory", why);
    if (dir >= 0) close(dir);
    rmdir(path);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    expect(t, codecache_directory(NULL, true, why) < 0 && strstr(why, "home"), "no home", why);
}

// ---------------------------------------------------------------- no room

// In a process of its own, where files may be this large.
static int write_limited(struct test *t, rlim_t bytes)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {bytes, bytes};
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(fake_write(t->dir, 300, 10, 1, MANY));
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void size_limit(struct test *t)
{
    struct stat st;
    int fd = open_code(t, O_RDONLY);
    fstat(fd, &st);
    close(fd);
    for (rlim_t n = 0; n < (rlim_t)st.st_size; n += 1 + (rlim_t)st.st_size / 15) {
        expect(t, write_limited(t, n) == EFBIG, "a limit on file sizes", "not an error, or killed");
        expect_no_leftover(t, "a limit on file sizes");
        expect_whole(t, 10, "a limit on file sizes");
    }
    expect(t, write_limited(t, RLIM_INFINITY) == 0, "no limit on file sizes", "an error");
    expect_whole(t, 20, "no limit on file sizes");
}

static void in_full_file_system(struct test *t)
{
    int error = 0, n = 0, after;
    unsigned misses;
    while (!error && n < 1000) error = fake_write(t->dir, (uint32_t)n++, 1, 1, MANY);
    expect(t, error == ENOSPC, "a full disk", "not ENOSPC");
    expect_no_leftover(t, "a full disk");
    expect_whole(t, n - 1, "a full disk");
    // An old file that is to be replaced, with shards as large.
    error = fake_write(t->dir, 0, (uint32_t)n - 1, 2, MANY);
    after = look(t, "a full disk", &misses);
    expect(t, after == n - 1 && !misses && (error == 0 || error == ENOSPC), "a full disk", "the old file has gone");
    if (mount(NULL, t->path, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0) {
        error = fake_write(t->dir, 900, 1, 1, MANY);
        expect(t, error == EROFS, "a read-only file system", "not EROFS");
        expect_whole(t, n - 1, "a read-only file system");
    }
}

static void full_disk(const struct test *all)
{
    struct test t = {.random = all->random};
    int status;
    begin(&t);
    fflush(stdout);
    pid_t pid = fork(); // with mounts of its own
    if (pid == 0) {
        close(t.dir);
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("store-test", t.path, "tmpfs", 0, "size=1500k,mode=700")) {
            printf("a full disk: left out, nothing can be mounted here (%s)\n", strerror(errno));
            fflush(stdout);
            _exit(0);
        }
        t.dir = open(t.path, O_RDONLY | O_DIRECTORY);
        in_full_file_system(&t);
        fflush(stdout);
        _exit(t.failed != 0);
    }
    waitpid(pid, &status, 0);
    ((struct test *)(uintptr_t)all)->failed += status != 0;
    end(&t);
}

static void faults(struct test *t)
{
    begin(t);
    cut_off(t);
    end(t);
    begin(t);
    flipped_bits(t);
    damaged_shard(t);
    expect(t, !fake_write(t->dir, 101, 1, 1, MANY), "one more", "not written");
    with_mode(t, 0660, 0700, "a file that its group may write");
    with_mode(t, 0602, 0700, "a file that anybody may write");
    with_mode(t, 0600, 0770, "a directory that its group may write");
    with_mode(t, 0600, 0702, "a directory that anybody may write");
    links(t);
    other_owner(t);
    size_limit(t);
    missing(t);
    full_disk(t);
    end(t);
}

// ---------------------------------------------------------------- killed, together

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

// Until it is killed: all its shards in one version after another.
static void write_on(const struct test *t, uint32_t first, uint32_t n)
{
    for (uint32_t version = 1;; version++)
        if (fake_write(t->dir, first, n, version, MANY)) _exit(1);
}

static bool are_of_one_version(const struct store *s, uint32_t n)
{
    uint32_t version = 0, other;
    for (uint32_t i = 0; i < n; i++) {
        if (fake_check(s, &store_shards(s)[i], &other) || (i && other != version)) return false;
        version = other;
    }
    return true;
}

static void killed(struct test *t)
{
    enum { SHARDS = 60 };
    unsigned rounds = 0, leftovers = 0, misses;
    double until = now() + t->seconds;
    bool there = false;
    struct stat st;
    begin(t);
    for (; now() < until; rounds++) {
        struct store s;
        const char *why;
        int status;
        pid_t pid = fork();
        if (pid == 0) write_on(t, 0, SHARDS);
        usleep((useconds_t)(draw(t) % 30000));
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        expect(t, WIFSIGNALED(status), "a writer", "failed before it was killed");
        leftovers += !fstatat(t->dir, CODECACHE_NEW, &st, 0);
        if (!codecache_open(t->dir, fake_key, &s, &why)) { // killed before the first was there
            expect(t, !there, "a killed writer", "left no file where one was");
            continue;
        }
        there = true;
        expect(t, s.head->nshards == SHARDS && are_of_one_version(&s, SHARDS), "a killed writer",
               "left half of something");
        codecache_close(&s);
    }
    expect(t, !fake_write(t->dir, 50, 1, 1, MANY), "after a killed writer", "not written");
    expect_no_leftover(t, "the next writer");
    expect(t, look(t, "after a killed writer", &misses) >= 1, "after a killed writer", "nothing there");
    printf("killed: %u writers, %u of them while they wrote\n", rounds, leftovers);
    end(t);
}

// Once it is there, no moment is without it.
static bool is_always_there(const struct test *t)
{
    char name[CODECACHE_NAME];
    struct stat st;
    code_name(name);
    for (int i = 0; i < 2000; i++)
        if (fstatat(t->dir, name, &st, 0)) return false;
    return true;
}

static void together(struct test *t)
{
    enum { WRITERS = 4, EACH = 5 };
    pid_t pids[WRITERS];
    unsigned looks = 0, misses;
    int seen = -1;
    double until = now() + t->seconds;
    int status;
    begin(t);
    for (uint32_t i = 0; i < WRITERS; i++)
        if ((pids[i] = fork()) == 0) {
            for (uint32_t version = 1; now() < until || version < 3; version++)
                if (fake_write(t->dir, i * 100, EACH, version, MANY)) _exit(1);
            _exit(0);
        }
    for (; now() < until; looks++) {
        int n = look(t, "writers together", &misses);
        expect(t, misses == 0 && (n < 0 || n % EACH == 0) && n <= WRITERS * EACH, "writers together",
               "a part is missing");
        if (n < seen) bad(t, "writers together", "a writer has lost what another wrote, or the file");
        seen = n;
        expect(t, n < 0 || is_always_there(t), "writers together", "at a moment there was no file");
    }
    for (int i = 0; i < WRITERS; i++) {
        waitpid(pids[i], &status, 0);
        expect(t, status == 0, "one of the writers together", "failed");
    }
    expect_whole(t, WRITERS * EACH, "what writers together left");
    printf("together: looked %u times\n", looks);
    end(t);
}

// ---------------------------------------------------------------- for scripts

static int check_directory(const char *path)
{
    char why[CODECACHE_WHY];
    const char *no, *wrong;
    struct store s;
    unsigned misses;
    int dir = codecache_directory(path, false, why);
    if (dir < 0) return printf("none: %s\n", why), 3;
    if (!codecache_open(dir, fake_key, &s, &no)) return printf("none: it %s\n", no), 3;
    wrong = fake_check_all(&s, &misses);
    printf("%u shards, %u misses, %s\n", s.head->nshards, misses, s.stamped ? "stamped" : "not stamped");
    if (wrong) printf("WRONG: %s\n", wrong);
    codecache_close(&s);
    close(dir);
    return wrong != NULL;
}

static int add_to_directory(char **argv)
{
    char why[CODECACHE_WHY];
    int dir = codecache_directory(argv[0], true, why);
    if (dir < 0) return printf("none: %s\n", why), 3;
    int error =
        fake_write(dir, (uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]), CODECACHE_LIMIT);
    if (error) printf("not written: %s\n", strerror(error));
    close(dir);
    return error != 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: store-writers faults|killed|together [--seconds S] [--seed N]\n"
                    "       store-writers add DIR FIRST N VERSION | check DIR\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct test *);
    } tests[] = {{"faults", faults}, {"killed", killed}, {"together", together}};
    struct test t = {.random = 1, .seconds = 5};
    if (argc == 6 && !strcmp(argv[1], "add")) return add_to_directory(argv + 2);
    if (argc == 3 && !strcmp(argv[1], "check")) return check_directory(argv[2]);
    for (int i = 2; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], "--seconds"))
            t.seconds = (unsigned)atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--seed"))
            t.random = strtoull(argv[i + 1], NULL, 0);
    for (unsigned i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(argv[1], tests[i].name)) {
            tests[i].run(&t);
            printf("%s: %s\n", argv[1], t.failed ? "failed" : "good");
            return t.failed != 0;
        }
    return usage();
}
