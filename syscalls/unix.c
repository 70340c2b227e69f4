// Names of AF_UNIX sockets: in the file system, or abstract (unix(7)).
#include "syscalls/socket.h"
#include <string.h>

enum { FAMILY_BYTES = 2 };

static const struct sock_family family;

static int get(struct task *t, const struct sock *s, gaddr at, uint64_t len, struct sock_addr *a)
{
    (void)s;
    *a = (struct sock_addr){0};
    if (len < FAMILY_BYTES || len > sizeof a->un) return -LX_EINVAL;
    int err = copy_from_user(t, &a->un, at, len);
    if (err) return err;
    if (a->un.sun_family != LX_AF_UNIX) return -LX_EINVAL;
    a->len = (uint32_t)len;
    if (len > FAMILY_BYTES && a->un.sun_path[0]) // a path: up to its NUL, which is counted
        a->len = FAMILY_BYTES + (uint32_t)strnlen(a->un.sun_path, len - FAMILY_BYTES) + 1;
    return 0;
}

static uint32_t put(const struct sock_addr *a, uint8_t out[sizeof(struct lx_sockaddr_un) + 1])
{
    static const uint16_t number = LX_AF_UNIX;
    memcpy(out, &a->un, sizeof a->un);
    memcpy(out, &number, FAMILY_BYTES);
    return a->len ? a->len : FAMILY_BYTES;
}

static bool is_abstract(const struct sock_addr *a)
{
    return a->len > FAMILY_BYTES && !a->un.sun_path[0];
}

static struct sock *find_abstract(struct box *box, const struct sock_addr *a)
{
    for (struct sock *s = box->sockets; s; s = s->next)
        if (!s->closed && s->family == &family && is_abstract(&s->addr) && s->addr.len == a->len &&
            !memcmp(&s->addr.un, &a->un, a->len))
            return s;
    return NULL;
}

static int find_path(struct task *t, const struct sock_addr *a, struct sock **out)
{
    struct vfs_at at;
    struct path p;
    char path[sizeof a->un.sun_path + 1] = {0};
    memcpy(path, a->un.sun_path, sizeof a->un.sun_path);
    at_cwd(t, &at);
    int err = vfs_lookup(t->box->vfs, &at, path, LOOKUP_FOLLOW, &p);
    if (err) return err;
    err = inode_permission(path_inode(&p), &t->proc->cred, LX_W_OK);
    *out = path_inode(&p)->sock;
    path_put(&p);
    return err ? err : *out ? 0 : -LX_ECONNREFUSED;
}

static int find(struct task *t, const struct sock *s, struct sock_addr *a, struct sock **out)
{
    int err = 0;
    if (a->len <= FAMILY_BYTES) return -LX_EINVAL;
    if (!is_abstract(a))
        err = find_path(t, a, out);
    else if (!(*out = find_abstract(t->box, a)))
        err = -LX_ECONNREFUSED;
    if (err) return err;
    return (*out)->type == s->type ? 0 : -LX_EPROTOTYPE;
}

// ---------------------------------------------------------------- bind

static int bind_path(struct task *t, struct sock *s, const struct sock_addr *a)
{
    struct vfs_at at;
    struct path p;
    char path[sizeof a->un.sun_path + 1] = {0};
    memcpy(path, a->un.sun_path, sizeof a->un.sun_path);
    at_cwd(t, &at);
    int err = vfs_mknod(t->box->vfs, &at, path, LX_S_IFSOCK | (0777 & ~t->proc->umask), 0, &p);
    if (err) return err == -LX_EEXIST ? -LX_EADDRINUSE : err;
    s->inode = inode_get(path_inode(&p));
    s->inode->sock = s;
    path_put(&p);
    return 0;
}

static int bind_abstract(struct task *t, struct sock_addr *a)
{
    for (unsigned n = 0; a->len == FAMILY_BYTES; n++) { // autobind: five hexadecimal digits
        static const char digits[] = "0123456789abcdef";
        for (int i = 0; i < 5; i++) a->un.sun_path[1 + i] = digits[n >> 4 * (4 - i) & 15];
        a->len = FAMILY_BYTES + 6;
        if (find_abstract(t->box, a)) a->len = FAMILY_BYTES;
        if (n >> 20) return -LX_ENOSPC;
    }
    return find_abstract(t->box, a) ? -LX_EADDRINUSE : 0;
}

static int bind(struct task *t, struct sock *s, struct sock_addr *a)
{
    return a->len > FAMILY_BYTES && a->un.sun_path[0] ? bind_path(t, s, a) : bind_abstract(t, a);
}

static const struct sock_family family = {.number = LX_AF_UNIX, .get = get, .put = put, .find = find, .bind = bind};

const struct sock_family *unix_family(void)
{
    return &family;
}
