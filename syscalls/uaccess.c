// The kernel's only way to guest memory: checked copies through the page table (cpu/mem.h). See kernel.h for the
// functions' contract.
//
// A page that is absent or still to be copied is made present first (mm_make_present), which may say -LX_EPARK: the
// caller returns it and is run again. No host fault ever happens here. What was copied in is never read again from the
// guest: it may have changed.
#include "syscalls/kernel.h"
#include <stdlib.h>
#include <string.h>

// The host address of guest byte `at`, good to the end of its page; NULL with *err.
static void *page_at(struct task *t, gaddr at, unsigned need, int *err)
{
    struct mm *mm = t->proc->mm;
    if (mem_low(mm_mem(mm), at) >= MEM_TOP) {
        *err = -LX_EFAULT;
        return NULL;
    }
    void *p = mem_host(mm_mem(mm), (uint32_t)at, need);
    if (p) return p;
    *err = mm_make_present(mm, at, need);
    if (*err == -LX_ENOMEM || *err == -LX_ENOSPC) *err = -LX_EFAULT;
    if (*err) return NULL;
    p = mem_host(mm_mem(mm), (uint32_t)at, need);
    if (!p) *err = -LX_EFAULT;
    return p;
}

static size_t in_page(gaddr at, size_t n)
{
    size_t room = PAGE_BYTES - (at & (PAGE_BYTES - 1));
    return n < room ? n : room;
}

// Copies up to n bytes; *done says how many. buf NULL with to_user: zeros.
static int copy(struct task *t, gaddr at, void *buf, size_t n, bool to_user, size_t *done)
{
    int err = 0;
    *done = 0;
    while (*done < n) {
        size_t part = in_page(at + *done, n - *done);
        void *p = page_at(t, at + *done, to_user ? MEM_W : MEM_R, &err);
        if (!p) return err;
        if (!to_user)
            memcpy((char *)buf + *done, p, part);
        else if (buf)
            memcpy(p, (char *)buf + *done, part);
        else
            memset(p, 0, part);
        *done += part;
    }
    return 0;
}

int copy_from_user(struct task *t, void *to, gaddr from, size_t n)
{
    size_t done;
    return copy(t, from, to, n, false, &done);
}

int copy_to_user(struct task *t, gaddr to, const void *from, size_t n)
{
    size_t done;
    return copy(t, to, (void *)from, n, true, &done);
}

int clear_user(struct task *t, gaddr to, size_t n)
{
    size_t done;
    return copy(t, to, NULL, n, true, &done);
}

int64_t strncpy_from_user(struct task *t, char *to, gaddr from, size_t size)
{
    for (size_t done = 0; done < size;) {
        int err = 0;
        size_t part = in_page(from + done, size - done);
        const char *p = page_at(t, from + done, MEM_R, &err);
        if (!p) return err;
        size_t len = strnlen(p, part);
        memcpy(to + done, p, len);
        done += len;
        if (len < part) {
            to[done] = 0;
            return (int64_t)done;
        }
    }
    return -LX_ENAMETOOLONG;
}

int get_path(struct task *t, gaddr from, char to[LX_PATH_MAX])
{
    int64_t n = strncpy_from_user(t, to, from, LX_PATH_MAX);
    return n < 0 ? (int)n : 0;
}

// ---------------------------------------------------------------- iobs over guest memory

static struct lx_iovec *iovecs(struct iob_user *u)
{
    return u->more ? u->more : u->iov;
}

static size_t move_user(struct iob *io, void *buf, size_t n, int to_user)
{
    struct iob_user *u = (struct iob_user *)io;
    size_t moved = 0;
    while (moved < n && u->at < u->niov && !u->error) {
        const struct lx_iovec *v = &iovecs(u)[u->at];
        size_t part = v->iov_len - u->off < n - moved ? v->iov_len - u->off : n - moved, done;
        u->error = copy(u->task, v->iov_base + u->off, buf ? (char *)buf + moved : NULL, part, to_user, &done);
        moved += done;
        u->off += done;
        if (u->off == v->iov_len) {
            u->at++;
            u->off = 0;
        }
    }
    return moved;
}

// The pieces are pages: each is made present and its own, as for a copy. What fails ends them; why the first one did is
// said as move_user says it.
static unsigned pieces_of_user(struct iob *io, struct host_piece *p, unsigned max, size_t n, int to_user)
{
    struct iob_user *u = (struct iob_user *)io;
    unsigned count = 0, at = u->at;
    size_t off = u->off;
    int err;
    while (count < max && n > 0 && at < u->niov) {
        const struct lx_iovec *v = &iovecs(u)[at];
        size_t part = in_page(v->iov_base + off, v->iov_len - off < n ? v->iov_len - off : n);
        void *host = part ? page_at(u->task, v->iov_base + off, to_user ? MEM_W : MEM_R, &err) : NULL;
        if (part && !host) {
            if (!count) u->error = err;
            break;
        }
        if (part && count && (char *)p[count - 1].at + p[count - 1].n == host)
            p[count - 1].n += part;
        else if (part)
            p[count++] = (struct host_piece){host, part};
        n -= part;
        off += part;
        if (off == v->iov_len) at++, off = 0;
    }
    return count;
}

static void skip_user(struct iob *io, size_t n)
{
    struct iob_user *u = (struct iob_user *)io;
    while (u->at < u->niov && n >= iovecs(u)[u->at].iov_len - u->off) {
        n -= iovecs(u)[u->at++].iov_len - u->off;
        u->off = 0;
    }
    u->off += n;
}

// Field by field: clearing room for eight pieces of memory would take longer than moving a few bytes.
static void user_begin(struct iob_user *u, struct task *t, unsigned niov)
{
    u->io = (struct iob){.move = move_user, .pieces = pieces_of_user, .skip = skip_user};
    u->task = t;
    u->niov = niov;
    u->at = 0;
    u->off = 0;
    u->more = NULL;
    u->error = 0;
}

int iob_user_init(struct iob_user *u, struct task *t, gaddr buf, size_t n)
{
    if (n > 0 && mem_low(mm_mem(t->proc->mm), buf) > MEM_TOP) return -LX_EFAULT; // access_ok: before anything is done
    if (n > LX_MAX_RW_COUNT) n = LX_MAX_RW_COUNT;
    user_begin(u, t, 1);
    u->io.left = n;
    u->iov[0] = (struct lx_iovec){buf, n};
    return 0;
}

int iob_user_iovec(struct iob_user *u, struct task *t, gaddr iov, size_t count)
{
    user_begin(u, t, (unsigned)count);
    if (count > LX_UIO_MAXIOV) return -LX_EINVAL;
    if (count > LX_UIO_FASTIOV && !(u->more = malloc(count * sizeof *u->more))) return -LX_ENOMEM;
    int err = copy_from_user(t, iovecs(u), iov, count * sizeof *u->more);
    for (size_t i = 0; i < count && !err; i++) {
        struct lx_iovec *v = &iovecs(u)[i];
        if (v->iov_len > INT64_MAX) err = -LX_EINVAL;
        if (v->iov_len > LX_MAX_RW_COUNT - u->io.left) v->iov_len = LX_MAX_RW_COUNT - u->io.left;
        u->io.left += v->iov_len;
    }
    if (err) iob_user_end(u);
    return err;
}

void iob_user_end(struct iob_user *u)
{
    free(u->more);
    u->more = NULL;
}
