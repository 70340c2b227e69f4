// Who a process is: user and group ids, supplementary groups, capabilities (credentials(7), capabilities(7)). One user
// namespace.
#include "syscalls/kernel.h"
#include <string.h>

enum { KEEP = -1 };
static const uint64_t ALL_CAPS = (1ull << (LX_CAP_LAST_CAP + 1)) - 1;

// ---------------------------------------------------------------- what changing user ids does to capabilities
// (security/commoncap.c, cap_emulate_setxuid)

static void fix_caps(struct process *p, const struct cred *old)
{
    struct cred *c = &p->cred;
    bool had_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool has_root = c->uid == 0 || c->euid == 0 || c->suid == 0;
    if (had_root && !has_root && !p->keep_caps) {
        c->caps_permitted = c->caps = 0;
        c->caps_ambient = 0;
    }
    if (old->euid == 0 && c->euid != 0) c->caps = 0;
    if (old->euid != 0 && c->euid == 0) c->caps = c->caps_permitted;
}

static int64_t commit(struct task *t, const struct cred *new)
{
    struct process *p = t->proc;
    struct cred old = p->cred;
    p->cred = *new;
    fix_caps(p, &old);
    if (old.euid != new->euid || old.egid != new->egid) p->dumpable = 0;
    return 0;
}

static bool wants(uint32_t id)
{
    return id != (uint32_t)KEEP;
}

// ---------------------------------------------------------------- user ids

static bool may_be_uid(const struct cred *c, uint32_t id)
{
    return !wants(id) || id == c->uid || id == c->euid || id == c->suid;
}

int64_t sys_setuid(struct task *t, const uint64_t a[6])
{
    struct cred c = t->proc->cred;
    uint32_t id = (uint32_t)a[0];
    if (!wants(id)) return -LX_EINVAL;
    if (cred_has_cap(&c, LX_CAP_SETUID))
        c.uid = c.suid = id;
    else if (id != c.uid && id != c.suid)
        return -LX_EPERM;
    c.euid = c.fsuid = id;
    return commit(t, &c);
}

int64_t sys_setreuid(struct task *t, const uint64_t a[6])
{
    struct cred c = t->proc->cred, old = c;
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1];
    bool any = cred_has_cap(&c, LX_CAP_SETUID);
    if (!any && wants(r) && r != old.uid && r != old.euid) return -LX_EPERM;
    if (!any && !may_be_uid(&old, e)) return -LX_EPERM;
    if (wants(r)) c.uid = r;
    if (wants(e)) c.euid = e;
    if (wants(r) || (wants(e) && e != old.uid)) c.suid = c.euid;
    c.fsuid = c.euid;
    return commit(t, &c);
}

int64_t sys_setresuid(struct task *t, const uint64_t a[6])
{
    struct cred c = t->proc->cred;
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1], s = (uint32_t)a[2];
    if (!cred_has_cap(&c, LX_CAP_SETUID) && !(may_be_uid(&c, r) && may_be_uid(&c, e) && may_be_uid(&c, s)))
        return -LX_EPERM;
    if (wants(r)) c.uid = r;
    if (wants(e)) c.euid = e;
    if (wants(s)) c.suid = s;
    c.fsuid = c.euid;
    return commit(t, &c);
}

int64_t sys_setfsuid(struct task *t, const uint64_t a[6])
{
    struct cred *c = &t->proc->cred;
    uint32_t id = (uint32_t)a[0], old = c->fsuid;
    if (wants(id) && (may_be_uid(c, id) || id == c->fsuid || cred_has_cap(c, LX_CAP_SETUID))) c->fsuid = id;
    return old;
}

int64_t sys_getuid(struct task *t, const uint64_t a[6])
{
    return (void)a, t->proc->cred.uid;
}
int64_t sys_geteuid(struct task *t, const uint64_t a[6])
{
    return (void)a, t->proc->cred.euid;
}
int64_t sys_getgid(struct task *t, const uint64_t a[6])
{
    return (void)a, t->proc->cred.gid;
}
int64_t sys_getegid(struct task *t, const uint64_t a[6])
{
    return (void)a, t->proc->cred.egid;
}

static int64_t put_three(struct task *t, const uint64_t a[6], uint32_t r, uint32_t e, uint32_t s)
{
    int err = copy_to_user(t, a[0], &r, 4);
    if (!err) err = copy_to_user(t, a[1], &e, 4);
    return err ? err : copy_to_user(t, a[2], &s, 4);
}

int64_t sys_getresuid(struct task *t, const uint64_t a[6])
{
    const struct cred *c = &t->proc->cred;
    return put_three(t, a, c->uid, c->euid, c->suid);
}

int64_t sys_getresgid(struct task *t, const uint64_t a[6])
{
    const struct cred *c = &t->proc->cred;
    return put_three(t, a, c->gid, c->egid, c->sgid);
}

// ---------------------------------------------------------------- group ids

static bool may_be_gid(const struct cred *c, uint32_t id)
{
    return !wants(id) || id == c->gid || id == c->egid || id == c->sgid;
}

int64_t sys_setgid(struct task *t, const uint64_t a[6])
{
    struct cred c = t->proc->cred;
    uint32_t id = (uint32_t)a[0];
    if (!wants(id)) return -LX_EINVAL;
    if (cred_has_cap(&c, LX_CAP_SETGID))
        c.gid = c.sgid = id;
    else if (id != c.gid && id != c.sgid)
        return -LX_EPERM;
    c.egid = c.fsgid = id;
    return commit(t, &c);
}

int64_t sys_setregid(struct task *t, const uint64_t a[6])
{
    struct cred c = t->proc->cred, old = c;
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1];
    bool any = cred_has_cap(&c, LX_CAP_SETGID);
    if (!any && wants(r) && r != old.gid && r != old.egid) return -LX_EPERM;
    if (!any && !may_be_gid(&old, e)) return -LX_EPERM;
    if (wants(r)) c.gid = r;
    if (wants(e)) c.egid = e;
    if (wants(r) || (wants(e) && e != old.gid)) c.sgid = c.egid;
    c.fsgid = c.egid;
    return commit(t, &c);
}

int64_t sys_setresgid(struct task *t, const uint64_t a[6])
{
    struct cred c = t->proc->cred;
    uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1], s = (uint32_t)a[2];
    if (!cred_has_cap(&c, LX_CAP_SETGID) && !(may_be_gid(&c, r) && may_be_gid(&c, e) && may_be_gid(&c, s)))
        return -LX_EPERM;
    if (wants(r)) c.gid = r;
    if (wants(e)) c.egid = e;
    if (wants(s)) c.sgid = s;
    c.fsgid = c.egid;
    return commit(t, &c);
}

int64_t sys_setfsgid(struct task *t, const uint64_t a[6])
{
    struct cred *c = &t->proc->cred;
    uint32_t id = (uint32_t)a[0], old = c->fsgid;
    if (wants(id) && (may_be_gid(c, id) || id == c->fsgid || cred_has_cap(c, LX_CAP_SETGID))) c->fsgid = id;
    return old;
}

int64_t sys_getgroups(struct task *t, const uint64_t a[6])
{
    const struct cred *c = &t->proc->cred;
    int size = (int)a[0];
    if (size < 0) return -LX_EINVAL;
    if (size == 0) return c->ngroups;
    if ((uint32_t)size < c->ngroups) return -LX_EINVAL;
    int err = copy_to_user(t, a[1], c->groups, c->ngroups * sizeof c->groups[0]);
    return err ? err : (int64_t)c->ngroups;
}

int64_t sys_setgroups(struct task *t, const uint64_t a[6])
{
    struct cred *c = &t->proc->cred;
    uint32_t groups[VFS_NGROUPS];
    if (!cred_has_cap(c, LX_CAP_SETGID)) return -LX_EPERM;
    if (a[0] > VFS_NGROUPS) return -LX_EINVAL;
    int err = copy_from_user(t, groups, a[1], a[0] * sizeof groups[0]);
    if (err) return err;
    memcpy(c->groups, groups, a[0] * sizeof groups[0]);
    c->ngroups = (uint32_t)a[0];
    return 0;
}

// ---------------------------------------------------------------- capabilities

enum { CAP_V1 = 0x19980330, CAP_V2 = 0x20071026, CAP_V3 = 0x20080522 };

// How many lx_cap_data a version has; 0: unknown (and ours is written back, man capget).
static int cap_words(struct task *t, gaddr header, struct lx_cap_header *h, int *err)
{
    *err = copy_from_user(t, h, header, sizeof *h);
    if (*err) return 0;
    if (h->version == CAP_V1) return 1;
    if (h->version == CAP_V2 || h->version == CAP_V3) return 2;
    uint32_t ours = CAP_V3;
    *err = copy_to_user(t, header, &ours, sizeof ours);
    if (!*err) *err = -LX_EINVAL;
    return 0;
}

int64_t sys_capget(struct task *t, const uint64_t a[6])
{
    struct lx_cap_header h;
    int err, n = cap_words(t, a[0], &h, &err);
    if (!n) return !a[1] && err == -LX_EINVAL ? 0 : err;
    if (h.pid < 0) return -LX_EINVAL;
    struct task *u = h.pid ? task_find(t->box, h.pid) : t;
    if (!u) return -LX_ESRCH;
    const struct cred *c = &u->proc->cred;
    struct lx_cap_data d[2];
    for (int i = 0; i < n; i++)
        d[i] = (struct lx_cap_data){(uint32_t)(c->caps >> 32 * i), (uint32_t)(c->caps_permitted >> 32 * i),
                                    (uint32_t)(c->caps_inheritable >> 32 * i)};
    return a[1] ? copy_to_user(t, a[1], d, (size_t)n * sizeof d[0]) : 0;
}

int64_t sys_capset(struct task *t, const uint64_t a[6])
{
    struct lx_cap_header h;
    struct lx_cap_data d[2] = {{0}};
    int err, n = cap_words(t, a[0], &h, &err);
    if (!n) return err;
    if (h.pid && h.pid != t->tid) return -LX_EPERM;
    if ((err = copy_from_user(t, d, a[1], (size_t)n * sizeof d[0]))) return err;
    struct cred *c = &t->proc->cred;
    uint64_t e = (d[0].effective | (uint64_t)d[1].effective << 32) & ALL_CAPS,
             p = (d[0].permitted | (uint64_t)d[1].permitted << 32) & ALL_CAPS;
    uint64_t i = (d[0].inheritable | (uint64_t)d[1].inheritable << 32) & ALL_CAPS;
    if (p & ~c->caps_permitted || e & ~p) return -LX_EPERM;
    if (i & ~(c->caps_inheritable | c->caps_permitted) && !cred_has_cap(c, LX_CAP_SETPCAP)) return -LX_EPERM;
    c->caps = e;
    c->caps_permitted = p;
    c->caps_inheritable = i;
    c->caps_ambient &= p & i;
    return 0;
}
