// System V IPC and POSIX message queues as the guest sees them (sysvipc(7), mq_overview(7)): constants LX_*, structs
// lx_* as the kernel's 64-bit user-space headers have them. Leaf header.
#pragma once
#include <stdint.h>

// clang-format off: tables of numbers, several a line

enum { // ipc(2), shmget(2), semget(2), msgget(2)
    LX_IPC_PRIVATE = 0,
    LX_IPC_CREAT = 0x200,
    LX_IPC_EXCL = 0x400,
    LX_IPC_NOWAIT = 0x800,
    LX_IPC_RMID = 0,
    LX_IPC_SET = 1,
    LX_IPC_STAT = 2,
    LX_IPC_INFO = 3,
    LX_SHM_RDONLY = 0x1000,
    LX_SHM_RND = 0x2000,
    LX_SHM_REMAP = 0x4000,
    LX_SHM_EXEC = 0x8000,
    LX_SHM_DEST = 0x200,
    LX_SHM_LOCKED = 0x400,
    LX_SHM_HUGETLB = 0x800,
    LX_SHM_NORESERVE = 0x1000,
    LX_SHM_LOCK = 11,
    LX_SHM_UNLOCK = 12,
    LX_SHM_STAT = 13,
    LX_SHM_INFO = 14,
    LX_SHM_STAT_ANY = 15,
    LX_SEM_UNDO = 0x1000,
    LX_GETPID = 11,
    LX_GETVAL = 12,
    LX_GETALL = 13,
    LX_GETNCNT = 14,
    LX_GETZCNT = 15,
    LX_SETVAL = 16,
    LX_SETALL = 17,
    LX_SEM_STAT = 18,
    LX_SEM_INFO = 19,
    LX_SEM_STAT_ANY = 20,
    LX_MSG_NOERROR = 0x1000,
    LX_MSG_EXCEPT = 0x2000,
    LX_MSG_COPY = 0x4000,
    LX_MSG_STAT = 11,
    LX_MSG_INFO = 12,
    LX_MSG_STAT_ANY = 13,
};

struct lx_ipc_perm {
    int32_t key;
    uint32_t uid, gid, cuid, cgid, mode;
    uint16_t seq, pad;
    uint32_t pad2;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct lx_ipc_perm) == 48, "lx_ipc_perm");

struct lx_shmid_ds {
    struct lx_ipc_perm perm;
    uint64_t segsz;
    int64_t atime, dtime, ctime;
    int32_t cpid, lpid;
    uint64_t nattch, unused[2];
};
_Static_assert(sizeof(struct lx_shmid_ds) == 112, "lx_shmid_ds");
struct lx_shminfo {
    uint64_t shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};
_Static_assert(sizeof(struct lx_shminfo) == 72, "lx_shminfo");
struct lx_shm_info {
    int32_t used_ids, pad;
    uint64_t tot, rss, swp, swap_attempts, swap_successes;
};
_Static_assert(sizeof(struct lx_shm_info) == 48, "lx_shm_info");

struct lx_semid_ds {
    struct lx_ipc_perm perm;
    int64_t otime;
    uint64_t unused1;
    int64_t ctime;
    uint64_t unused2, nsems, unused[2];
};
_Static_assert(sizeof(struct lx_semid_ds) == 104, "lx_semid_ds");
struct lx_seminfo {
    int32_t semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem;
};
_Static_assert(sizeof(struct lx_seminfo) == 40, "lx_seminfo");
struct lx_sembuf {
    uint16_t num;
    int16_t op, flg;
};
_Static_assert(sizeof(struct lx_sembuf) == 6, "lx_sembuf");

struct lx_msqid_ds {
    struct lx_ipc_perm perm;
    int64_t stime, rtime, ctime;
    uint64_t cbytes, qnum, qbytes;
    int32_t lspid, lrpid;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct lx_msqid_ds) == 120, "lx_msqid_ds");
struct lx_msginfo {
    int32_t msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql;
    uint16_t msgseg, pad;
};
_Static_assert(sizeof(struct lx_msginfo) == 32, "lx_msginfo");

struct lx_mq_attr {
    int64_t flags, maxmsg, msgsize, curmsgs, reserved[4];
};
_Static_assert(sizeof(struct lx_mq_attr) == 64, "lx_mq_attr");
