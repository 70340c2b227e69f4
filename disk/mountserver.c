// See mountserver.h. The loop: a request is checked here by what its row says, then done (mountserver_names.c,
// mountserver_files.c).
#include "disk/mountserver.h"
#include "disk/mountserver_ops.h"
#include "host/link.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

// ---------------------------------------------------------------- the directories

// Files of these are not data: they are doors to processes and to the kernel.
static bool is_door(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs)) return false;
    return fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC || fs.f_type == DEBUGFS_MAGIC ||
           fs.f_type == TRACEFS_MAGIC || fs.f_type == SECURITYFS_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC ||
           fs.f_type == CGROUP_SUPER_MAGIC;
}

// Linux before 5.6, or a sandbox around belljar, have no openat2.
static bool has_openat2(int dir)
{
    int fd = open_beneath(dir, ".", O_PATH | O_DIRECTORY, 0);
    if (fd >= 0) close(fd);
    return fd != -ENOSYS && fd != -EPERM;
}

int mount_server_add(struct mount_server *m, const char *path, bool writable, char *why, size_t n)
{
    const char *reason = NULL;
    if (m->ndirs == MOUNT_MAX) {
        snprintf(why, n, "%s: more than %d directories", path, MOUNT_MAX);
        return -1;
    }
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOTDIR)
        reason = "not a directory; --put copies a file into the box";
    else if (fd < 0)
        reason = strerror(errno);
    else if (is_door(fd))
        reason = "a file system of the kernel's own, which is not to be mounted";
    else if (!has_openat2(fd))
        reason = "cannot be kept apart from the rest of this machine: no openat2 here (Linux 5.6, or a sandbox that "
                 "forbids it)";
    if (reason) {
        snprintf(why, n, "%s: %s", path, reason);
        if (fd >= 0) close(fd);
        return -1;
    }
    m->dirs[m->ndirs++] = (struct mount_dir){fd, writable};
    return 0;
}

void mount_server_close(struct mount_server *m)
{
    for (unsigned i = 0; i < m->ndirs; i++) close(m->dirs[i].fd);
    m->ndirs = 0;
}

// ---------------------------------------------------------------- a request

enum { NOTHING = 0, NAME = 1, DATA = 2, NAME_DATA = 3, CHANGES = 1, NO_REPLY = 2 };

struct row {
    int (*act)(struct mount_job *);
    uint8_t takes, flags;
};
static const struct row rows[MOUNT_NOPS] = {
#define MOUNT_OP(name, takes, flags) {mount_do_##name, takes, flags},
    MOUNT_OPS(MOUNT_OP)
#undef MOUNT_OP
};

bool mount_good_name(const char *name, size_t n)
{
    if (n == 0 || n > MOUNT_NAME || memchr(name, '/', n) || memchr(name, 0, n)) return false;
    return !(name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')));
}

struct packets {
    _Alignas(8) uint8_t out[LINK_PACKET];
    uint8_t in[LINK_PACKET + 1];
    char name[MOUNT_NAME + 1];
};
_Static_assert(sizeof(struct mount_reply) + MOUNT_DATA <= LINK_PACKET, "");
_Static_assert(sizeof(struct mount_request) + MOUNT_NAME + MOUNT_VALUE <= LINK_PACKET, "");

// The parts of a packet of n bytes. -EINVAL: it is none.
static int take_apart(struct mount_job *j, struct packets *p, size_t n, const struct row **row)
{
    if (n < sizeof j->q || n > LINK_PACKET) return -EINVAL;
    memcpy(&j->q, p->in, sizeof j->q);
    size_t rest = n - sizeof j->q;
    if (j->q.op >= MOUNT_NOPS || j->q.name > MOUNT_NAME || j->q.data > rest || rest - j->q.data != j->q.name)
        return -EINVAL;
    *row = &rows[j->q.op];
    if ((j->q.name && !((*row)->takes & NAME)) || (j->q.data && !((*row)->takes & DATA))) return -EINVAL;
    memcpy(p->name, p->in + sizeof j->q, j->q.name);
    p->name[j->q.name] = 0;
    p->in[n] = 0; // behind the data, which may be a text
    j->name = p->name;
    j->data = p->in + sizeof j->q + j->q.name;
    return 0;
}

static int find_nodes(struct mount_job *j, const struct row *row)
{
    bool two = j->q.op == MOUNT_LINK || j->q.op == MOUNT_RENAME;
    if (j->q.op == MOUNT_FORGET) return 0;
    j->n = node_get(j->s, j->q.node);
    j->other = two ? node_get(j->s, j->q.other) : NULL;
    if (!j->n || (two && !j->other)) return -ESTALE;
    if (two && j->n->mount != j->other->mount) return -EXDEV;
    return row->flags & CHANGES && !j->s->server->dirs[j->n->mount].writable ? -EROFS : 0;
}

static int act(struct mount_job *j, const struct row *row)
{
    int err = find_nodes(j, row);
    if (err) return err;
    if (j->n) node_hold(j->s, j->n);
    if (j->other) node_hold(j->s, j->other);
    int result = row->act(j);
    if (j->other) node_release(j->s, j->other);
    if (j->n) node_release(j->s, j->n);
    return result;
}

static void close_node(struct mount_state *s, uint64_t id)
{
    struct node *n = node_get(s, id);
    if (n && n->who.kind == S_IFREG) node_closed(s, n);
}

// False: the link is of no use any more.
static bool answer(struct mount_state *s, struct packets *p, size_t n, int link)
{
    struct mount_reply *r = (struct mount_reply *)p->out;
    struct mount_job j = {.s = s, .r = r, .out = p->out + sizeof *r};
    const struct row *row = NULL;
    *r = (struct mount_reply){0};
    r->result = take_apart(&j, p, n, &row);
    if (!r->result && j.q.closes) close_node(s, j.q.closes);
    if (!r->result) r->result = act(&j, row);
    if (row && row->flags & NO_REPLY) return true;
    if (r->result < 0) *r = (struct mount_reply){.result = r->result};
    return !host_link_send(link, p->out, sizeof *r + r->data);
}

// What it has not it cannot be made to use. (Its user's rights it needs: the files are that user's.)
static void give_up(void)
{
    struct rlimit none = {0, 0};
    umask(0);                 // modes come from the box, where its umask was applied
    signal(SIGXFSZ, SIG_IGN); // EFBIG instead
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int mount_server_run(void *ctx, int link)
{
    struct mount_state s;
    struct packets *p = malloc(sizeof *p);
    int64_t n = 0;
    give_up();
    int err = nodes_open(&s, ctx);
    if (!err && !s.server->unfenced) mount_fence(s.server);
    if (err) fprintf(stderr, "belljar: --mount: no /proc here, or no memory: %s\n", strerror(-err));
    while (p && !err && (n = host_link_take(link, p->in, LINK_PACKET, true)) > 0)
        if (!answer(&s, p, (size_t)n, link)) break;
    nodes_close(&s);
    free(p);
    return err || n < 0;
}
