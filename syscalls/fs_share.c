// CLONE_FS between processes: root, current directory and umask that several have in common (kernel/fork.c, copy_fs).
//
// Each process has its own copy, which the rest of the kernel uses; those that share are a ring (process.fs_next), and
// a change is carried around it. Changes are rare, uses are many.
#include "syscalls/kernel.h"

static void replace(struct path *to, const struct path *from)
{
    struct path old = *to;
    *to = *from;
    path_get(to);
    path_put(&old);
}

void process_fs_changed(struct process *p)
{
    for (struct process *q = p->fs_next; q && q != p; q = q->fs_next) {
        replace(&q->root, &p->root);
        replace(&q->cwd, &p->cwd);
        q->umask = p->umask;
    }
}

void process_fs_share(struct process *p, struct process *with)
{
    p->fs_next = with->fs_next ? with->fs_next : with;
    with->fs_next = p;
}

void process_fs_leave(struct process *p)
{
    struct process *q = p->fs_next;
    if (!q) return;
    while (q->fs_next != p) q = q->fs_next;
    q->fs_next = p->fs_next == q ? NULL : p->fs_next;
    p->fs_next = NULL;
}
