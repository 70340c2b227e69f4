// mount-fuzz: the server of --mount (disk/mountserver.h) against a worker that says what it likes.
//
//     mount-fuzz [--seed N] [--first N] [--cases N] [--seconds S]
//
// A case is a fresh server (mostly without its second fence, which would hide what is wrong in the first), in a thread
// of this process, with a directory given for writing and one given read-only, and a few thousand requests, a function
// of the seed and the case's number: mostly about files that the server has named, with names, numbers and sizes that
// matter, some with bytes changed, cut or added. Meanwhile another thread swaps a directory for a link that leads out
// (so what comes of a case differs from run to run). After each case
//   - every descriptor of the process is of a file in one of the two directories, or was there before;
//   - of those only regular files and directories have been opened; no device and no set-user-ID program was made;
//   - the directory given read-only and the one outside are what they were, times of change included;
//   - the server still answers, replies have the sizes they say, and none had a byte of a file outside.
#include "disk/mountserver.h"
#include "host/link.h"
#include "tests/insn/values.h"
#include "tests/store/campaign.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUESTS = 3000, KNOWN = 64, PATH = 512, SNAPSHOT = 65536, FDS = 256 };
#define SECRET "what stands outside"

struct world {
    char root[64];
    char outside[SNAPSHOT], reading[SNAPSHOT]; // what they were
    char fds[FDS][PATH];                       // where descriptors led before
    unsigned nfds;
    atomic_bool stop;
};
struct counts {
    uint64_t cases, requests, done;
};

static void die(const char *what, const char *which)
{
    fprintf(stderr, "mount-fuzz: %s: %s\n", what, which);
    abort();
}

// ---------------------------------------------------------------- the directories

static const char *at(const struct world *w, const char *name)
{
    static char paths[4][PATH];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, PATH, "%s/%.200s", w->root, name);
    return p;
}

static void put_file(const struct world *w, const char *name, const char *text)
{
    int fd = open(at(w, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) die("cannot make", name);
    close(fd);
}

static void make_link(const struct world *w, const char *name, const char *target)
{
    if (symlink(at(w, target), at(w, name))) die("cannot link", name);
}

static void make_tree(const struct world *w, const char *top)
{
    static const char *const dirs[] = {"", "/d", "/d/e", "/swapped", "/swapped/d"};
    char name[PATH];
    for (unsigned i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        snprintf(name, sizeof name, "%s%s", top, dirs[i]);
        if (mkdir(at(w, name), 0755)) die("cannot make", name);
        size_t n = strlen(name);
        snprintf(name + n, sizeof name - n, "/a");
        put_file(w, name, strcmp(top, "out") ? "inside" : SECRET);
        snprintf(name + n, sizeof name - n, "/fifo");
        if (mkfifo(at(w, name), 0666)) die("cannot make", name);
        snprintf(name + n, sizeof name - n, "/link");
        make_link(w, name, "out");
        snprintf(name + n, sizeof name - n, "/b");
        make_link(w, name, "out/a");
    }
}

static int make_removable(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)f;
    return flag == FTW_D || flag == FTW_DNR ? (chmod(path, 0700), 0) : 0;
}
static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path), 0;
}
static void remove_tree(const struct world *w, const char *top)
{
    for (int i = 0; i < 64 && !access(at(w, top), F_OK); i++) { // each pass gets one directory deeper
        nftw(at(w, top), make_removable, 16, FTW_PHYS);
        nftw(at(w, top), remove_one, 16, FTW_PHYS | FTW_DEPTH);
    }
}

// ---------------------------------------------------------------- what must not change

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static size_t tell(const char *path, char *to, size_t n)
{
    struct dirent **names;
    struct stat st;
    if (lstat(path, &st)) die("gone", path);
    int len =
        snprintf(to, n, "%s %o %u %ld %lld.%ld %lld.%ld\n", path, st.st_mode, (unsigned)st.st_nlink, (long)st.st_size,
                 (long long)st.st_mtime, st.st_mtim.tv_nsec, (long long)st.st_ctime, st.st_ctim.tv_nsec);
    size_t all = (size_t)len;
    int count = S_ISDIR(st.st_mode) ? scandir(path, &names, NULL, by_name) : 0;
    if (all >= n) die("too much to tell", path);
    for (int i = 0; i < count; i++) {
        char name[PATH];
        snprintf(name, sizeof name, "%s/%.200s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') all += tell(name, to + all, n - all);
        free(names[i]);
    }
    if (count > 0) free(names);
    return all;
}

static void check_same(const struct world *w, const char *top, const char *was)
{
    char *now = malloc(SNAPSHOT);
    tell(at(w, top), now, SNAPSHOT);
    if (strcmp(now, was)) die("changed", now);
    free(now);
}

// FIFOs, sockets and devices are looked at only.
static void check_opened(int fd, const char *path)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (strncmp(path, "/tmp/mount-fuzz.", 16) || flags < 0 || flags & O_PATH || fstat(fd, &st)) return;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) die("opened", path);
}

// Of what was made nothing gives rights, and nothing is a device.
static int check_made(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)f;
    if (flag == FTW_NS) return 0; // a directory that may be read, not searched: st is nothing
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) die("a device was made", path);
    if (st->st_mode & S_ISUID || (st->st_mode & S_ISGID && !S_ISDIR(st->st_mode))) die("set-user-ID", path);
    return 0;
}

static unsigned list_fds(char to[][PATH], unsigned most)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; d && (e = readdir(d));) {
        char name[PATH];
        snprintf(name, sizeof name, "/proc/self/fd/%.20s", e->d_name);
        ssize_t len = readlink(name, to[n], PATH - 1);
        if (len < 0 || atoi(e->d_name) == dirfd(d)) continue;
        to[n][len] = 0;
        check_opened(atoi(e->d_name), to[n]);
        if (++n == most) die("too many descriptors", name);
    }
    closedir(d);
    return n;
}

static bool is_inside(const struct world *w, const char *path)
{
    size_t n = strlen(w->root);
    if (strncmp(path, w->root, n) || path[n] != '/') return false;
    return !strncmp(path + n + 1, "in", 2) || !strncmp(path + n + 1, "ro", 2);
}

static void check_fds(const struct world *w)
{
    static char now[FDS][PATH];
    unsigned n = list_fds(now, FDS);
    for (unsigned i = 0; i < n; i++) {
        bool known = is_inside(w, now[i]) || !strncmp(now[i], "socket:", 7);
        for (unsigned k = 0; k < w->nfds && !known; k++) known = !strcmp(now[i], w->fds[k]);
        if (!known && !(!strncmp(now[i], "/proc/", 6) && strstr(now[i], "/fd"))) die("a descriptor of", now[i]);
    }
}

// ---------------------------------------------------------------- the other threads

struct serving {
    struct mount_server m;
    int link;
};
static void *serve(void *ctx)
{
    struct serving *s = ctx;
    if (mount_server_run(&s->m, s->link)) die("the server", "could not begin");
    close(s->link);
    return NULL;
}

static void *swap(void *ctx)
{
    struct world *w = ctx;
    char a[PATH], b[PATH];
    snprintf(a, sizeof a, "%s/in/swapped", w->root);
    snprintf(b, sizeof b, "%s/in/link", w->root);
    while (!w->stop)
        if (renameat2(AT_FDCWD, a, AT_FDCWD, b, 2)) usleep(100); // the worker has done something with them
    return NULL;
}

// ---------------------------------------------------------------- requests

struct worker {
    struct rng r;
    int link;
    uint64_t nodes[KNOWN];
    unsigned known;
    _Alignas(8) uint8_t packet[LINK_PACKET + 64], reply[LINK_PACKET];
    const char *outside; // the only path from the root that is ever named: a server that is wrong must do no harm
    struct counts *c;
};

static uint64_t pick(struct worker *w, uint64_t n)
{
    return rng_next(&w->r) % n;
}

static size_t pick_name(struct worker *w, uint8_t *to)
{
    // clang-format off
    static const char *const names[] = {"a", "b", "d", "e", "link", "fifo", "new", "newer", "x", "swapped", "user.a", "user.b",
        ".", "..", "", "a/b", "../out", "d/a", "link/a", "../out/new", "security.x", "system.posix_acl_access"};
    // clang-format on
    size_t n;
    if (pick(w, 40) == 0) {
        n = pick(w, 2) ? 255 : 256;
        memset(to, 'n', n);
        return n;
    }
    if (pick(w, 100) == 0) return (size_t)sprintf((char *)to, "%s/%s", w->outside, pick(w, 2) ? "a" : "new");
    const char *name = names[pick(w, 4) ? pick(w, 12) : pick(w, sizeof names / sizeof *names)];
    n = strlen(name);
    memcpy(to, name, n);
    if (pick(w, 60) == 0) to[n++] = 0;
    return n;
}

static size_t pick_names(struct worker *w, uint8_t *to)
{
    size_t n = 0;
    for (uint64_t k = pick(w, 12); k; k--) {
        n += pick_name(w, to + n);
        to[n++] = 0;
    }
    return n;
}

static uint64_t pick_offset(struct worker *w)
{
    static const uint64_t some[] = {0, 1, 4095, 4096, 65536, 100000, INT64_MAX, INT64_MAX - 65536, UINT64_MAX};
    return some[pick(w, sizeof some / sizeof *some)];
}

static uint32_t pick_mode(struct worker *w)
{
    static const uint32_t kinds[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, 0, S_IFMT};
    return kinds[pick(w, sizeof kinds / sizeof *kinds)] | (uint32_t)pick(w, 010000);
}

static uint64_t pick_node(struct worker *w)
{
    if (pick(w, 50) == 0) return rng_next(&w->r);
    if (pick(w, 30) == 0) return pick(w, 64);
    return w->nodes[pick(w, w->known)];
}

// Of what holds up the whole machine only a little.
static uint32_t pick_op(struct worker *w)
{
    uint32_t op = (uint32_t)pick(w, MOUNT_NOPS);
    if ((op == MOUNT_SYNC || op == MOUNT_FSYNC) && pick(w, 200)) op = MOUNT_LOOKUP;
    if (op == MOUNT_FORGET && pick(w, 8)) op = MOUNT_LOOKUP;
    return pick(w, 100) ? op : (uint32_t)rng_next(&w->r);
}

static size_t pick_data(struct worker *w, uint32_t op, uint8_t *to)
{
    size_t n = pick(w, 4) ? pick(w, 64) : pick(w, MOUNT_DATA + 1);
    uint64_t id = pick_node(w);
    if (op == MOUNT_RENAME) return pick_name(w, to);
    if (op == MOUNT_LOOKUP) return pick_names(w, to);
    if (op == MOUNT_FORGET) return memcpy(to, &id, sizeof id), sizeof id;
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)('a' + i % 26);
    return n;
}

static size_t make_request(struct worker *w)
{
    struct mount_request q = {.op = pick_op(w), .node = pick_node(w), .other = pick_node(w)};
    uint8_t *to = w->packet + sizeof q;
    bool data = q.op == MOUNT_CREATE || (q.op == MOUNT_LOOKUP && pick(w, 2)) || q.op == MOUNT_WRITE ||
                q.op == MOUNT_RENAME || q.op == MOUNT_SETXATTR || q.op == MOUNT_FORGET;
    bool name = q.op != MOUNT_WRITE && q.op != MOUNT_FORGET &&
                (data || q.op == MOUNT_LOOKUP || q.op == MOUNT_LINK || q.op == MOUNT_UNLINK || q.op == MOUNT_GETXATTR ||
                 q.op == MOUNT_REMOVEXATTR);
    q.flags = (uint32_t)(pick(w, 8) ? pick(w, 4) : rng_next(&w->r));
    q.mode = q.op == MOUNT_ALLOCATE || q.op == MOUNT_SEEK || q.op == MOUNT_ACCESS ? (uint32_t)pick(w, 8) : pick_mode(w);
    q.offset = pick_offset(w);
    if (pick(w, 4) == 0) q.closes = pick_node(w);
    q.size = pick(w, 3) ? pick(w, MOUNT_DATA + 2) : pick_offset(w);
    q.atime = (struct mount_time){(int64_t)rng_next(&w->r), rng_next(&w->r) >> (pick(w, 2) ? 0 : 35)};
    q.mtime = (struct mount_time){(int64_t)pick(w, 1u << 30), pick(w, 1100000000)};
    q.name = name ? (uint32_t)pick_name(w, to) : 0;
    if (data && !(q.op == MOUNT_CREATE && (q.mode & S_IFMT) != S_IFLNK))
        q.data = (uint32_t)pick_data(w, q.op, to + q.name);
    memcpy(w->packet, &q, sizeof q);
    return sizeof q + q.name + q.data;
}

static size_t spoil(struct worker *w, size_t n)
{
    switch (pick(w, 3)) {
    case 0:
        for (unsigned i = 0; i < 3; i++)
            w->packet[pick(w, sizeof(struct mount_request))] ^= (uint8_t)(1 + pick(w, 255));
        return n;
    case 1:
        return 1 + pick(w, n);
    default:
        return n + pick(w, 64) < LINK_PACKET ? n + pick(w, 64) : n;
    }
}

static void check_reply(struct worker *w, int64_t n)
{
    const struct mount_reply *r = (const struct mount_reply *)w->reply;
    if (n < (int64_t)sizeof *r) die("a reply", "too short");
    if (r->data != (uint64_t)n - sizeof *r) die("a reply", "of another size than it says");
    if (r->data && memmem(w->reply + sizeof *r, r->data, SECRET, strlen(SECRET))) die("a reply", "with a secret");
    w->c->done += r->result >= 0;
    if (r->result >= 0 && r->node) w->nodes[w->known < KNOWN ? w->known++ : 2 + pick(w, KNOWN - 2)] = r->node;
}

// The request as the server will see it: does it answer?
static bool is_answered(const struct worker *w, size_t n)
{
    struct mount_request q;
    if (n < sizeof q) return true;
    memcpy(&q, w->packet, sizeof q);
    bool whole = q.name <= MOUNT_NAME && (uint64_t)q.name + q.data == n - sizeof q;
    return (q.op != MOUNT_CLOSE && q.op != MOUNT_FORGET) || !whole;
}

static void one_request(struct worker *w)
{
    size_t n = make_request(w);
    if (pick(w, 10) == 0) n = spoil(w, n);
    if (host_link_send(w->link, w->packet, n)) die("the server", "is gone");
    w->c->requests++;
    // Whatever had no reply: the next that has one tells that it lives.
    if (!is_answered(w, n)) return;
    int64_t got = host_link_take(w->link, w->reply, sizeof w->reply, true);
    check_reply(w, got);
}

// ---------------------------------------------------------------- a case

static void run_case(struct world *w, uint64_t seed, uint64_t number, struct counts *c)
{
    static struct worker k;
    struct serving s = {.m = {.most_files = number % 2 ? 12 : 100, .unfenced = number % 4 < 3}};
    char why[PATH];
    pthread_t server, swapper;
    int pair[2];
    make_tree(w, "in");
    if (mount_server_add(&s.m, at(w, "in"), true, why, sizeof why)) die("in", why);
    if (mount_server_add(&s.m, at(w, "ro"), false, why, sizeof why)) die("ro", why);
    if (host_link_pair(pair)) die("no link", "");
    s.link = pair[1];
    w->stop = false;
    k = (struct worker){.r = {seed ^ number * 0xd1342543de82ef95},
                        .link = pair[0],
                        .nodes = {1, 2},
                        .known = 2,
                        .outside = at(w, "out"),
                        .c = c};
    if (pthread_create(&server, NULL, serve, &s) || pthread_create(&swapper, NULL, swap, w)) die("no threads", "");
    for (unsigned i = 0; i < REQUESTS; i++) {
        one_request(&k);
        if (i % 256 == 0) check_fds(w);
    }
    w->stop = true;
    pthread_join(swapper, NULL);
    check_fds(w);
    close(pair[0]);
    pthread_join(server, NULL);
    mount_server_close(&s.m);
    check_same(w, "out", w->outside);
    check_same(w, "ro", w->reading);
    nftw(at(w, "in"), check_made, 16, FTW_PHYS);
    remove_tree(w, "in");
    c->cases++;
}

int main(int argc, char **argv)
{
    static struct world w = {.root = "/tmp/mount-fuzz.XXXXXX"};
    struct counts c = {0};
    struct rlimit most = {1 << 20, 1 << 20}; // of a file
    const struct campaign run = campaign_of(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &most);
    if (!mkdtemp(w.root)) die("mkdtemp", w.root);
    make_tree(&w, "out");
    make_tree(&w, "ro");
    tell(at(&w, "out"), w.outside, SNAPSHOT);
    tell(at(&w, "ro"), w.reading, SNAPSHOT);
    w.nfds = list_fds(w.fds, FDS);
    for (uint64_t number = run.first; number - run.first < run.cases && time(NULL) < run.end; number++)
        run_case(&w, run.seed, number, &c);
    remove_tree(&w, "out");
    remove_tree(&w, "ro");
    rmdir(w.root);
    printf("mount-fuzz: seed %llu: %llu cases, %llu requests, %llu of them done\n", (unsigned long long)run.seed,
           (unsigned long long)c.cases, (unsigned long long)c.requests, (unsigned long long)c.done);
    return 0;
}
