// System V IPC: what shared memory, semaphores and message queues have in common (ipc/util.c): identifiers, keys,
// owners and rights. sysv.c has it; sysv_shm.c, sysv_sem.c and sysv_msg.c have the objects.
//
// An identifier is a slot and the sequence number it had when it was given out, so that one that was removed does not
// name what took its slot (EINVAL). Who was waiting when it was removed gets EIDRM.
#pragma once
#include "abi/ipc.h"
#include "syscalls/fs.h"
#include "syscalls/procfs.h"

enum { IPC_SLOTS = 32768, IPC_READ = 0444, IPC_WRITE = 0222 };

struct ipc_object { // first in every object
    int32_t key, id;
    uint32_t uid, gid, cuid, cgid, mode;
    bool removed; // out of the table; freed when nobody waits any more
    unsigned refs;
};
struct ipc_table {
    struct ipc_object **slot; // cap of them, counted memory
    unsigned cap, used, max;  // max: objects
    int last;                 // slot given out last
    unsigned seq;
};
struct sem_undo;
struct sysv {
    struct ipc_table shm, sem, msg;
    uint64_t shm_pages;    // sum of all segments
    uint64_t sem_count;    // sum of all sets
    struct sem_undo *undo; // of all processes
};

struct sysv *sysv_of(struct box *); // made at first use; NULL: no memory

// How a kind is made and how an existing one is asked for again (0 or -errno).
struct ipc_kind {
    int64_t (*make)(struct task *, int32_t key, uint64_t size, int flags); // the id
    int (*fits)(const struct ipc_object *, uint64_t size);
};
int64_t ipc_get(struct task *, struct ipc_table *, const struct ipc_kind *, int32_t key, uint64_t size, int flags);
int64_t ipc_add(struct task *, struct ipc_table *, struct ipc_object *, int32_t key, int flags); // its id; -LX_ENOSPC
void ipc_remove(struct box *, struct ipc_table *, struct ipc_object *);    // from the table; sets removed
struct ipc_object *ipc_find(const struct ipc_table *, int id, int *err);   // NULL: *err is -LX_EINVAL
struct ipc_object *ipc_at(const struct ipc_table *, int index, int *err);  // SHM_STAT and the like
int ipc_allowed(const struct task *, const struct ipc_object *, int mode); // IPC_READ, IPC_WRITE: -LX_EACCES
bool ipc_owner(const struct task *, const struct ipc_object *);            // may it be set and removed?
void ipc_fill(struct lx_ipc_perm *, const struct ipc_object *);
void ipc_set(struct ipc_object *, const struct lx_ipc_perm *);
int ipc_highest(const struct ipc_table *); // index used, 0 when there is none
int64_t ipc_seconds(struct box *);

// The *ctl call asks about `index or id`: an object to read. Finds by index when `by_index`, checks IPC_READ unless
// any.
struct ipc_object *ipc_for_stat(struct task *, const struct ipc_table *, int id, bool by_index, bool any, int *err);
struct ipc_object *ipc_for_change(struct task *, const struct ipc_table *, int id,
                                  int *err); // IPC_SET, IPC_RMID: EPERM

proc_show sysv_show_shm, sysv_show_sem, sysv_show_msg; // /proc/sysvipc

// -- shared memory and mm.c: a vma with VMA_SHM was made or is about to go
void shm_vma_opened(struct box *, struct inode *);
void shm_vma_closed(struct box *, struct inode *);
void sem_exit(struct process *); // undoes
void shm_free(struct box *, struct ipc_object *);
void sem_free(struct box *, struct ipc_object *);
void msg_free(struct box *, struct ipc_object *);
