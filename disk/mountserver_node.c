// See mountserver_node.h.
#include "disk/mountserver_node.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { SPARE_FILES = 32, FILES_MAX = 24576, CHAIN_MAX = 256, TRIES = 16 };

// ---------------------------------------------------------------- calls

// Where another file system is mounted nobody gets in: it was not given. (A mount point of /proc would lead to this
// process's own memory.)
int open_beneath(int dir, const char *name, int flags, mode_t mode)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    int fd = -1;
    for (int tries = 0; tries < TRIES; tries++) { // EAGAIN: a rename somewhere, while it walked (openat2(2))
        fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
    }
    return fd >= 0 ? fd : errno == EXDEV ? -EACCES : -errno;
}

int reopen(const struct mount_state *s, int fd, int flags)
{
    char name[16];
    snprintf(name, sizeof name, "%d", fd);
    int again = openat(s->proc, name, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return again >= 0 ? again : -errno;
}

int stat_fd(int fd, struct statx *st)
{
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, st) ? -errno : 0;
}

void identity_of(const struct statx *st, struct node_identity *who)
{
    bool born = st->stx_mask & STATX_BTIME;
    *who = (struct node_identity){.dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor,
                                  .ino = st->stx_ino,
                                  .btime_sec = born ? st->stx_btime.tv_sec : 0,
                                  .btime_nsec = born ? st->stx_btime.tv_nsec : 0,
                                  .kind = st->stx_mode & S_IFMT};
}

static bool same_file(const struct node_identity *a, const struct node_identity *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->btime_sec == b->btime_sec && a->btime_nsec == b->btime_nsec &&
           a->kind == b->kind;
}

// ---------------------------------------------------------------- descriptors, in order of use

static void unlist(struct mount_state *s, struct node *n)
{
    if (!n->in_order) return;
    *(n->newer ? &n->newer->older : &s->newest) = n->older;
    *(n->older ? &n->older->newer : &s->oldest) = n->newer;
    n->newer = n->older = NULL;
    n->in_order = false;
}

// To the front, if it has something that could be closed.
static void used(struct mount_state *s, struct node *n)
{
    unlist(s, n);
    if (n->opens || n->holds || (n->fd < 0 && n->io[0] < 0 && n->io[1] < 0)) return;
    n->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = n;
    s->newest = n;
    n->in_order = true;
}

static void drop(struct mount_state *s, int *fd)
{
    if (*fd < 0) return;
    close(*fd);
    *fd = -1;
    s->files--;
}

void node_drop_io(struct mount_state *s, struct node *n)
{
    drop(s, &n->io[0]);
    drop(s, &n->io[1]);
}

static void drop_all(struct mount_state *s, struct node *n)
{
    node_drop_io(s, n);
    drop(s, &n->fd);
    unlist(s, n);
}

int node_room(struct mount_state *s)
{
    while (s->files >= s->most_files && s->oldest) drop_all(s, s->oldest);
    return s->files < s->most_files ? 0 : -ENFILE;
}

// Puts a new descriptor where one goes: it, or the errno that it is.
static int keep(struct mount_state *s, struct node *n, int *at, int fd)
{
    if (fd >= 0) {
        drop(s, at);
        *at = fd;
        s->files++;
    }
    used(s, n);
    return fd;
}

void node_hold(struct mount_state *s, struct node *n)
{
    n->holds++;
    unlist(s, n);
}

void node_release(struct mount_state *s, struct node *n)
{
    if (n->holds && --n->holds == 0) used(s, n);
}

// A descriptor left open for writing would keep the user from running the file (ETXTBSY).
void node_closed(struct mount_state *s, struct node *n)
{
    if (!n->opens || --n->opens) return;
    node_drop_io(s, n);
    used(s, n);
}

// ---------------------------------------------------------------- nodes

static struct node **bucket(const struct mount_state *s, unsigned mount, const struct node_identity *who)
{
    uint64_t key = (who->ino * 0x9e3779b97f4a7c15ull) ^ (who->dev * 0xbf58476d1ce4e5b9ull) ^ mount;
    return &s->buckets[(key ^ key >> 32) & (s->nbuckets - 1)];
}

struct node *node_find(struct mount_state *s, unsigned mount, const struct node_identity *who)
{
    for (struct node *n = *bucket(s, mount, who); n; n = n->hash_next)
        if (n->mount == mount && same_file(&n->who, who)) return n;
    return NULL;
}

static void hash_out(struct mount_state *s, struct node *n)
{
    struct node **at = bucket(s, n->mount, &n->who);
    while (*at && *at != n) at = &(*at)->hash_next;
    if (*at) *at = n->hash_next;
}

static void hash_in(struct mount_state *s, struct node *n)
{
    struct node **at = bucket(s, n->mount, &n->who);
    n->hash_next = *at;
    *at = n;
}

static int grow(struct mount_state *s)
{
    uint32_t cap = s->cap ? s->cap * 2 : 256;
    struct node **at = realloc(s->at, cap * sizeof *at), **buckets = calloc(cap, sizeof *buckets);
    uint32_t *spare = realloc(s->spare, cap * sizeof *spare);
    if (at) s->at = at;
    if (spare) s->spare = spare;
    if (!at || !spare || !buckets) {
        free(buckets);
        return -ENOMEM;
    }
    free(s->buckets);
    s->buckets = buckets;
    s->nbuckets = s->cap = cap;
    for (uint32_t i = 0; i < s->nat; i++)
        if (s->at[i]) hash_in(s, s->at[i]);
    return 0;
}

static struct node *node_new(struct mount_state *s, unsigned mount, const struct node_identity *who)
{
    if (s->count >= NODES_MAX || (s->nat == s->cap && !s->nspare && grow(s))) return NULL;
    struct node *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    uint32_t index = s->nspare ? s->spare[--s->nspare] : s->nat++;
    bool root = index && index <= s->server->ndirs; // their numbers are known beforehand
    *n = (struct node){.id = root ? index : (uint64_t)++s->next_generation << 32 | index,
                       .who = *who,
                       .mount = mount,
                       .fd = -1,
                       .io = {-1, -1}};
    s->at[index] = n;
    s->count++;
    hash_in(s, n);
    return n;
}

struct node *node_get(struct mount_state *s, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    struct node *n = index < s->nat ? s->at[index] : NULL;
    return n && n->id == id ? n : NULL;
}

static void node_free(struct mount_state *s, struct node *n)
{
    uint32_t index = (uint32_t)n->id;
    hash_out(s, n);
    drop_all(s, n);
    s->at[index] = NULL;
    s->spare[s->nspare++] = index;
    s->count--;
    free(n->name);
    free(n);
}

void node_forget(struct mount_state *s, struct node *n)
{
    if (n->id > s->server->ndirs) node_free(s, n);
}

void node_named(struct mount_state *s, struct node *n, const struct node *dir, const char *name)
{
    (void)s;
    if (n->parent == dir->id && n->name && !strcmp(n->name, name)) return;
    if (n->id <= s->server->ndirs) return;
    char *copy = strdup(name);
    if (!copy) return; // it stays under the name it had, or is not found again
    free(n->name);
    n->name = copy;
    n->parent = dir->id;
}

int node_of(struct mount_state *s, struct node *dir, const char *name, int fd, const struct statx *st,
            struct node **out)
{
    struct node_identity who;
    identity_of(st, &who);
    struct node *n = node_find(s, dir->mount, &who);
    if (!n) n = node_new(s, dir->mount, &who);
    int err = !n ? -ENFILE : n->fd < 0 ? node_room(s) : 0;
    if (err || n->fd >= 0)
        close(fd);
    else
        keep(s, n, &n->fd, fd);
    if (err) return err;
    used(s, n);
    if (name) node_named(s, n, dir, name);
    *out = n;
    return 0;
}

// ---------------------------------------------------------------- found again

// The node's file, looked for in its directory, whose descriptor is there.
static int find_again(struct mount_state *s, struct node *dir, struct node *n)
{
    struct statx st;
    struct node_identity who;
    node_hold(s, dir);
    int fd = node_room(s);
    if (!fd) fd = open_beneath(dir->fd, n->name, O_PATH, 0);
    node_release(s, dir);
    if (fd < 0) return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
    int err = stat_fd(fd, &st);
    if (!err) identity_of(&st, &who);
    if (err || !same_file(&who, &n->who)) {
        close(fd);
        return err ? err : -ESTALE;
    }
    return keep(s, n, &n->fd, fd);
}

int node_fd(struct mount_state *s, struct node *n)
{
    struct node *chain[CHAIN_MAX], *dir = n;
    unsigned depth = 0;
    used(s, n);
    while (dir->fd < 0) { // up to one whose descriptor is open; a hostile worker may have made a ring of them
        if (depth == CHAIN_MAX || !dir->name) return -ESTALE;
        chain[depth++] = dir;
        dir = node_get(s, dir->parent);
        if (!dir) return -ESTALE;
    }
    while (depth) {
        int fd = find_again(s, dir, chain[--depth]);
        if (fd < 0) return fd;
        dir = chain[depth];
    }
    return n->fd;
}

static int open_now(struct mount_state *s, struct node *n, bool write)
{
    bool dir = n->who.kind == S_IFDIR;
    if (n->who.kind != S_IFREG && (!dir || write)) return dir ? -EISDIR : -ENXIO;
    int fd = node_fd(s, n);
    if (fd < 0) return fd;
    node_hold(s, n);
    int err = node_room(s);
    int io = err ? err : reopen(s, fd, dir ? O_RDONLY | O_DIRECTORY : write ? O_WRONLY : O_RDONLY);
    node_release(s, n);
    if (io >= 0) n->dir_pos = 0;
    return io;
}

int node_io(struct mount_state *s, struct node *n, bool write)
{
    int *at = &n->io[write];
    used(s, n);
    return *at >= 0 ? *at : keep(s, n, at, open_now(s, n, write));
}

int node_open_io(struct mount_state *s, struct node *n, unsigned how)
{
    int got[2] = {-1, -1};
    if (n->who.kind != S_IFREG) return n->who.kind == S_IFDIR ? -EISDIR : -ENXIO;
    if (n->opens == UINT32_MAX) return -ENFILE;
    for (unsigned k = 0; k < 2; k++) {
        if (!(how & (k ? MOUNT_WRITING : MOUNT_READING))) continue;
        int fd = open_now(s, n, k);
        if (fd < 0) {
            if (k && got[0] >= 0) close(got[0]);
            return fd;
        }
        got[k] = fd;
    }
    for (unsigned k = 0; k < 2; k++) {
        if (got[k] >= 0 && n->io[k] >= 0)
            close(got[k]);
        else if (got[k] >= 0)
            keep(s, n, &n->io[k], got[k]);
    }
    n->opens++;
    unlist(s, n);
    return 0;
}

int node_give_io(struct mount_state *s, struct node *n, int fd)
{
    int err = node_room(s), other = err ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (other < 0) {
        close(fd);
        return err ? err : -errno;
    }
    keep(s, n, &n->io[0], other);
    keep(s, n, &n->io[1], fd);
    n->opens++;
    unlist(s, n);
    return 0;
}

// ---------------------------------------------------------------- the whole

static unsigned files_allowed(const struct mount_server *m)
{
    struct rlimit limit;
    if (m->most_files) return m->most_files;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return 64;
    limit.rlim_cur = limit.rlim_max < FILES_MAX + SPARE_FILES ? limit.rlim_max : FILES_MAX + SPARE_FILES;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 2 * SPARE_FILES ? (unsigned)limit.rlim_cur - SPARE_FILES : SPARE_FILES;
}

static int add_root(struct mount_state *s, unsigned mount)
{
    struct statx st;
    struct node_identity who;
    int err = stat_fd(s->server->dirs[mount].fd, &st);
    if (err) return err;
    identity_of(&st, &who);
    struct node *n = node_new(s, mount, &who);
    if (!n) return -ENOMEM;
    n->fd = s->server->dirs[mount].fd;
    n->holds = 1; // for good
    return 0;
}

int nodes_open(struct mount_state *s, const struct mount_server *m)
{
    struct statfs fs;
    *s = (struct mount_state){.server = m, .uid = geteuid(), .gid = getegid(), .most_files = files_allowed(m)};
    s->ngroups = getgroups(NODE_GROUPS, s->groups);
    if (s->ngroups < 0) s->ngroups = 0;
    s->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->proc < 0 || fstatfs(s->proc, &fs) || fs.f_type != PROC_SUPER_MAGIC) return -ENOENT;
    int err = grow(s);
    if (!err) s->at[0] = NULL; // no node is 0
    s->nat = !err;
    for (unsigned i = 0; i < m->ndirs && !err; i++) err = add_root(s, i);
    return err;
}

void nodes_close(struct mount_state *s)
{
    for (uint32_t i = 0; i < s->nat; i++) {
        if (!s->at[i]) continue;
        if (s->at[i]->id <= s->server->ndirs) s->at[i]->fd = -1; // the server's own
        node_drop_io(s, s->at[i]);
        if (s->at[i]->fd >= 0) close(s->at[i]->fd);
        free(s->at[i]->name);
        free(s->at[i]);
    }
    free(s->at);
    free(s->spare);
    free(s->buckets);
    if (s->proc >= 0) close(s->proc);
}
