// System V IPC: identifiers, keys, rights. See sysv.h.
#include "syscalls/sysv.h"
#include <string.h>

struct sysv *sysv_of(struct box *box)
{
    struct sysv *s = box->sysv;
    if (s || !(s = kmalloc(box->vfs, sizeof *s))) return s;
    s->shm.max = 4096; // SHMMNI
    s->sem.max = s->msg.max = 32000;
    s->shm.last = s->sem.last = s->msg.last = -1;
    return box->sysv = s;
}

static void free_table(struct box *box, struct ipc_table *t, void (*free_one)(struct box *, struct ipc_object *))
{
    for (unsigned i = 0; i < t->cap; i++)
        if (t->slot[i]) free_one(box, t->slot[i]);
    kmfree(box->vfs, t->slot, t->cap * sizeof *t->slot);
}

void sysv_free(struct box *box)
{
    struct sysv *s = box->sysv;
    if (!s) return;
    free_table(box, &s->shm, shm_free);
    free_table(box, &s->sem, sem_free);
    free_table(box, &s->msg, msg_free);
    kmfree(box->vfs, s, sizeof *s);
    box->sysv = NULL;
}

void sysv_exit(struct process *p)
{
    if (p->box->sysv) sem_exit(p);
}

int64_t ipc_seconds(struct box *box)
{
    return (int64_t)(box_realtime(box) / 1000000000);
}

// ---------------------------------------------------------------- the table

static bool table_grow(struct box *box, struct ipc_table *t)
{
    unsigned cap = t->cap ? t->cap * 2 : 16;
    struct ipc_object **slot = kmalloc(box->vfs, cap * sizeof *slot);
    if (!slot) return false;
    if (t->cap) memcpy(slot, t->slot, t->cap * sizeof *slot);
    kmfree(box->vfs, t->slot, t->cap * sizeof *slot);
    t->slot = slot;
    t->cap = cap;
    return true;
}

// ipc_idr_alloc: the lowest free slot; the sequence number goes on when it was used before.
static int new_id(struct ipc_table *t, unsigned slot)
{
    if ((int)slot <= t->last) t->seq = (t->seq + 1) % (INT32_MAX / IPC_SLOTS);
    t->last = (int)slot;
    return (int)(t->seq * IPC_SLOTS + slot);
}

int64_t ipc_add(struct task *t, struct ipc_table *table, struct ipc_object *o, int32_t key, int flags)
{
    const struct cred *c = &t->proc->cred;
    unsigned slot = 0;
    if (table->used >= table->max) return -LX_ENOSPC;
    while (slot < table->cap && table->slot[slot]) slot++;
    if (slot == table->cap && !table_grow(t->box, table)) return -LX_ENOMEM;
    o->key = key;
    o->id = new_id(table, slot);
    o->uid = o->cuid = c->euid;
    o->gid = o->cgid = c->egid;
    o->mode = (uint32_t)flags & 0777;
    o->refs = 1;
    table->slot[slot] = o;
    table->used++;
    return o->id;
}

void ipc_remove(struct box *box, struct ipc_table *t, struct ipc_object *o)
{
    (void)box;
    t->slot[(unsigned)o->id % IPC_SLOTS] = NULL;
    t->used--;
    o->removed = true;
}

struct ipc_object *ipc_at(const struct ipc_table *t, int index, int *err)
{
    struct ipc_object *o =
        index >= 0 && (unsigned)index % IPC_SLOTS < t->cap ? t->slot[(unsigned)index % IPC_SLOTS] : NULL;
    *err = o ? 0 : -LX_EINVAL;
    return o;
}

struct ipc_object *ipc_find(const struct ipc_table *t, int id, int *err)
{
    struct ipc_object *o = ipc_at(t, id, err);
    if (!o || o->id == id) return o;
    *err = -LX_EINVAL;
    return NULL;
}

int ipc_highest(const struct ipc_table *t)
{
    for (unsigned i = t->cap; i-- > 0;)
        if (t->slot[i]) return (int)i;
    return 0;
}

// ---------------------------------------------------------------- rights

// ipcperms
int ipc_allowed(const struct task *t, const struct ipc_object *o, int mode)
{
    const struct cred *c = &t->proc->cred;
    unsigned wanted = (unsigned)(mode >> 6 | mode >> 3 | mode) & 7, granted = o->mode;
    if (c->euid == o->cuid || c->euid == o->uid)
        granted >>= 6;
    else if (cred_in_group(c, o->cgid) || cred_in_group(c, o->gid))
        granted >>= 3;
    return wanted & ~granted && !cred_has_cap(c, LX_CAP_IPC_OWNER) ? -LX_EACCES : 0;
}

bool ipc_owner(const struct task *t, const struct ipc_object *o)
{
    const struct cred *c = &t->proc->cred;
    return c->euid == o->cuid || c->euid == o->uid || cred_has_cap(c, LX_CAP_SYS_ADMIN);
}

struct ipc_object *ipc_for_stat(struct task *t, const struct ipc_table *table, int id, bool by_index, bool any,
                                int *err)
{
    struct ipc_object *o = by_index ? ipc_at(table, id, err) : ipc_find(table, id, err);
    if (o && !any) *err = ipc_allowed(t, o, IPC_READ);
    return *err ? NULL : o;
}

struct ipc_object *ipc_for_change(struct task *t, const struct ipc_table *table, int id, int *err)
{
    struct ipc_object *o = ipc_find(table, id, err);
    if (o && !ipc_owner(t, o)) *err = -LX_EPERM;
    return *err ? NULL : o;
}

void ipc_fill(struct lx_ipc_perm *p, const struct ipc_object *o)
{
    *p = (struct lx_ipc_perm){.key = o->key,
                              .uid = o->uid,
                              .gid = o->gid,
                              .cuid = o->cuid,
                              .cgid = o->cgid,
                              .mode = o->mode,
                              .seq = (uint16_t)((unsigned)o->id / IPC_SLOTS)};
}

void ipc_set(struct ipc_object *o, const struct lx_ipc_perm *p)
{
    o->uid = p->uid;
    o->gid = p->gid;
    o->mode = (o->mode & ~0777u) | (p->mode & 0777);
}

// ---------------------------------------------------------------- get

static struct ipc_object *with_key(const struct ipc_table *t, int32_t key)
{
    for (unsigned i = 0; i < t->cap; i++)
        if (t->slot[i] && t->slot[i]->key == key) return t->slot[i];
    return NULL;
}

// ipcget
int64_t ipc_get(struct task *t, struct ipc_table *table, const struct ipc_kind *kind, int32_t key, uint64_t size,
                int flags)
{
    struct ipc_object *o = key == LX_IPC_PRIVATE ? NULL : with_key(table, key);
    if (!o) return key == LX_IPC_PRIVATE || flags & LX_IPC_CREAT ? kind->make(t, key, size, flags) : -LX_ENOENT;
    if (flags & LX_IPC_CREAT && flags & LX_IPC_EXCL) return -LX_EEXIST;
    int err = kind->fits(o, size);
    if (!err) err = ipc_allowed(t, o, flags);
    return err ? err : o->id;
}
