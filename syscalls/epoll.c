// epoll: an interest list whose items wait on their files' queues all the time, and a list of those that may be ready
// (fs/eventpoll.c).
//
// A wake puts the item on the ready list and wakes who waits for the epoll. epoll_wait asks the files on that list;
// level-triggered ones that were reported go back to its end. An item does not keep its file alive: kernel_file_release
// takes it away. file->watch is the list of a file's items. Epolls may watch epolls; how deep, and over how many ways a
// file may be watched, is limited as in Linux, which bounds what one wake can set off.
#include "syscalls/fs.h"

enum { MAX_NESTS = 4, TOO_DEEP = 100 };
enum { MAX_EVENTS = INT32_MAX / 12, PRIVATE = LX_EPOLLONESHOT | LX_EPOLLWAKEUP | LX_EPOLLEXCLUSIVE };
static const uint32_t ET = LX_EPOLLET;
static const uint32_t EXCLUSIVE_OK =
    LX_EPOLLIN | LX_EPOLLOUT | LX_EPOLLERR | LX_EPOLLHUP | LX_EPOLLWAKEUP | LX_EPOLLET | LX_EPOLLEXCLUSIVE;

struct epitem {
    struct waiter w; // on the file's queue; first: wakes cast it
    struct epoll *ep;
    struct file *file; // not a reference
    int fd;
    uint32_t events;
    uint64_t data;
    struct epitem *next, **prev; // ep->items
    struct epitem *file_next;    // file->watch
    struct epitem *ready_next, **ready_prev;
};

struct epoll {
    struct vfs *vfs;
    struct waitq wait;
    struct epitem *items, *ready, **ready_end;
    struct file *file;     // its own, not a reference
    uint64_t check, depth; // the last search that came by, and how deep it is below here
};

static void epoll_release(struct file *);
static unsigned epoll_poll(struct file *, struct waitq **);
static const struct file_ops epoll_fops = {.release = epoll_release, .poll = epoll_poll};

static struct epoll *epoll_of(struct file *f)
{
    return f && f->ops == &epoll_fops ? f->private : NULL;
}

// ---------------------------------------------------------------- the ready list

static void ready_add(struct epitem *i)
{
    struct epoll *ep = i->ep;
    if (i->ready_prev) return;
    i->ready_next = NULL;
    i->ready_prev = ep->ready_end;
    *ep->ready_end = i;
    ep->ready_end = &i->ready_next;
}

static void ready_remove(struct epitem *i)
{
    if (!i->ready_prev) return;
    *i->ready_prev = i->ready_next;
    if (i->ready_next)
        i->ready_next->ready_prev = i->ready_prev;
    else
        i->ep->ready_end = i->ready_prev;
    i->ready_prev = NULL;
}

static void item_wake(struct waiter *w)
{
    struct epitem *i = (struct epitem *)w;
    if (!(i->events & ~(PRIVATE | ET))) return; // disabled by EPOLLONESHOT
    ready_add(i);
    waitq_wake(&i->ep->wait);
}

// What the item's file is ready for now; stays on its queue.
static uint32_t item_poll(struct epitem *i)
{
    struct waitq *queue = NULL;
    if (!(i->events & ~(PRIVATE | ET))) return 0;
    unsigned ready = vfs_poll(i->file, &queue);
    if (queue)
        waitq_add(queue, &i->w);
    else
        waitq_remove(&i->w);
    return ready & (i->events | LX_EPOLLERR | LX_EPOLLHUP) & 0xffff;
}

// ---------------------------------------------------------------- items

static struct epitem *find_item(struct epoll *ep, struct file *f, int fd)
{
    for (struct epitem *i = f->watch; i; i = i->file_next)
        if (i->ep == ep && i->fd == fd) return i;
    return NULL;
}

static void item_free(struct epitem *i)
{
    struct epitem **at = (struct epitem **)&i->file->watch;
    while (*at != i) at = &(*at)->file_next;
    *at = i->file_next;
    waitq_remove(&i->w);
    ready_remove(i);
    *i->prev = i->next;
    if (i->next) i->next->prev = i->prev;
    kmfree(i->ep->vfs, i, sizeof *i);
}

void epoll_file_released(struct file *f)
{
    while (f->watch) item_free(f->watch);
}

static void item_check(struct epitem *i)
{
    if (!item_poll(i)) return;
    ready_add(i);
    waitq_wake(&i->ep->wait);
}

// ---------------------------------------------------------------- epolls that watch epolls

// Levels of epolls below ep; TOO_DEEP when `into` is among them: a circle (ep_loop_check_proc). Each is looked at once.
static uint64_t depth_below(struct epoll *ep, const struct epoll *into, uint64_t check)
{
    if (ep->check == check) return ep->depth;
    ep->check = check;
    ep->depth = 0;
    for (struct epitem *i = ep->items; i && ep->depth < TOO_DEEP; i = i->next) {
        struct epoll *e = epoll_of(i->file);
        uint64_t d = !e ? 0 : e == into ? TOO_DEEP : depth_below(e, into, check) + 1;
        if (d > ep->depth) ep->depth = d;
    }
    return ep->depth;
}

static uint64_t depth_above(struct epoll *ep, uint64_t check)
{
    if (ep->check == check) return ep->depth;
    ep->check = check;
    ep->depth = 0;
    for (struct epitem *i = ep->file->watch; i; i = i->file_next) {
        uint64_t d = depth_above(i->ep, check) + 1;
        if (d > ep->depth) ep->depth = d;
    }
    return ep->depth;
}

static bool may_nest(struct box *box, struct epoll *ep, struct epoll *other)
{
    if (other == ep) return false;
    uint64_t below = depth_below(other, ep, ++box->epoll_checks);
    return below + 1 + depth_above(ep, ++box->epoll_checks) <= MAX_NESTS;
}

// The ways by which an event of the file reaches an epoll nobody watches, by their length (reverse_path_check_proc).
static bool count_paths(const struct file *f, unsigned depth, unsigned count[MAX_NESTS + 1])
{
    static const unsigned limit[MAX_NESTS + 1] = {0, 500, 100, 50, 10}; // any number of direct ones
    if (depth > MAX_NESTS) return false;
    for (const struct epitem *i = f->watch; i; i = i->file_next) {
        if (i->ep->file->watch) {
            if (!count_paths(i->ep->file, depth + 1, count)) return false;
        } else if (depth && ++count[depth] > limit[depth]) {
            return false;
        }
    }
    return true;
}

static bool paths_ok(struct file *f, uint64_t check)
{
    unsigned count[MAX_NESTS + 1] = {0};
    struct epoll *ep = epoll_of(f);
    if (!ep) return count_paths(f, 0, count);
    if (ep->check == check) return true;
    ep->check = check;
    for (struct epitem *i = ep->items; i; i = i->next)
        if (!paths_ok(i->file, check)) return false;
    return true;
}

static int item_new(struct box *box, struct epoll *ep, struct file *f, int fd, const struct lx_epoll_event *ev)
{
    struct epoll *other = epoll_of(f);
    if (other && !may_nest(box, ep, other)) return -LX_ELOOP;
    struct epitem *i = kmalloc(ep->vfs, sizeof *i);
    if (!i) return -LX_ENOMEM;
    *i = (struct epitem){
        .w = {.wake = item_wake}, .ep = ep, .file = f, .fd = fd, .events = ev->events, .data = ev->data};
    i->next = ep->items;
    i->prev = &ep->items;
    if (i->next) i->next->prev = &i->next;
    ep->items = i;
    i->file_next = f->watch;
    f->watch = i;
    if ((other || ep->file->watch) && !paths_ok(f, ++box->epoll_checks)) {
        item_free(i);
        return -LX_EINVAL;
    }
    item_check(i);
    return 0;
}

// ---------------------------------------------------------------- the file

static void epoll_release(struct file *f)
{
    struct epoll *ep = f->private;
    while (ep->items) item_free(ep->items);
    waitq_dismiss(&ep->wait);
    kmfree(ep->vfs, ep, sizeof *ep);
}

static unsigned epoll_poll(struct file *f, struct waitq **queue)
{
    struct epoll *ep = f->private;
    *queue = &ep->wait;
    for (struct epitem *i = ep->ready, *next; i; i = next) {
        next = i->ready_next;
        if (item_poll(i)) return LX_POLLIN | LX_POLLRDNORM;
        ready_remove(i);
    }
    return 0;
}

static int64_t epoll_new(struct task *t, bool cloexec)
{
    struct file *f;
    struct vfs *v = t->box->vfs;
    struct epoll *ep = kmalloc(v, sizeof *ep);
    if (!ep) return -LX_ENOMEM;
    ep->vfs = v;
    ep->ready_end = &ep->ready;
    int err = vfs_anon_file(v, "anon_inode:[eventpoll]", 0600, &epoll_fops, ep, LX_O_RDWR, &f);
    if (err) {
        kmfree(v, ep, sizeof *ep);
        return err;
    }
    ep->file = f;
    return fd_install(t->proc, f, 0, cloexec);
}

int64_t sys_epoll_create(struct task *t, const uint64_t a[6])
{
    return (int)a[0] <= 0 ? -LX_EINVAL : epoll_new(t, false);
}

int64_t sys_epoll_create1(struct task *t, const uint64_t a[6])
{
    if ((uint32_t)a[0] & ~(uint32_t)LX_EPOLL_CLOEXEC) return -LX_EINVAL;
    return epoll_new(t, a[0] & LX_EPOLL_CLOEXEC);
}

// ---------------------------------------------------------------- epoll_ctl

static int64_t item_change(struct box *box, struct epoll *ep, struct file *f, int op, int fd,
                           const struct lx_epoll_event *ev)
{
    struct epitem *i = find_item(ep, f, fd);
    if (op == LX_EPOLL_CTL_ADD) return i ? -LX_EEXIST : item_new(box, ep, f, fd, ev);
    if (!i) return -LX_ENOENT;
    if (op == LX_EPOLL_CTL_DEL) {
        item_free(i);
        return 0;
    }
    if (i->events & LX_EPOLLEXCLUSIVE) return -LX_EINVAL;
    i->events = ev->events;
    i->data = ev->data;
    item_check(i);
    return 0;
}

int64_t sys_epoll_ctl(struct task *t, const uint64_t a[6])
{
    struct lx_epoll_event ev = {0};
    int op = (int)a[1], fd = (int)a[2];
    int err = op == LX_EPOLL_CTL_DEL ? 0 : copy_from_user(t, &ev, a[3], sizeof ev);
    if (err) return err;
    struct file *epf = fd_io(t, (int)a[0]), *f = fd_io(t, fd);
    if (!epf || !f) return -LX_EBADF;
    if (!f->ops || !f->ops->poll) return -LX_EPERM;
    struct epoll *ep = epoll_of(epf);
    if (epf == f || !ep) return -LX_EINVAL;
    if (ev.events & LX_EPOLLEXCLUSIVE && (op == LX_EPOLL_CTL_MOD || epoll_of(f) || ev.events & ~EXCLUSIVE_OK))
        return -LX_EINVAL;
    if (op < LX_EPOLL_CTL_ADD || op > LX_EPOLL_CTL_MOD) return -LX_EINVAL;
    return item_change(t->box, ep, f, op, fd, &ev);
}

// ---------------------------------------------------------------- epoll_wait

static int report(struct task *t, struct epitem *i, uint32_t ready, gaddr to)
{
    struct lx_epoll_event ev = {ready, i->data};
    int err = copy_to_user(t, to, &ev, sizeof ev);
    if (err) return err;
    if (i->events & LX_EPOLLONESHOT)
        i->events &= PRIVATE | ET;
    else if (!(i->events & ET))
        ready_add(i); // level-triggered: asked again next time
    return 0;
}

// Reports up to max events. Items that come back to the list behind `last` wait for the next call.
static int64_t collect(struct task *t, struct epoll *ep, gaddr to, unsigned max)
{
    struct epitem **last = ep->ready_end, *i;
    unsigned n = 0;
    for (bool end = !ep->ready; !end && n < max;) {
        i = ep->ready;
        end = &i->ready_next == last;
        ready_remove(i);
        uint32_t ready = item_poll(i);
        int err = ready ? report(t, i, ready, to + n * sizeof(struct lx_epoll_event)) : 0;
        if (err) {
            ready_add(i);
            return n ? (int64_t)n : err;
        }
        if (ready) n++;
    }
    return n;
}

static int64_t do_wait(struct task *t, const uint64_t a[6], bool immediate)
{
    int max = (int)a[2];
    if (max <= 0 || max > MAX_EVENTS) return -LX_EINVAL;
    struct file *f = fd_io_held(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    struct epoll *ep = epoll_of(f);
    if (!ep) return -LX_EINVAL;
    int64_t r = collect(t, ep, a[1], (unsigned)max);
    if (r || immediate) return r;
    fd_hold(t, f);
    r = task_wait(t, &ep->wait);
    if (r == -LX_ETIMEDOUT) return 0;
    return r == -LX_ERESTARTSYS ? -LX_EINTR : r; // never restarted: signal(7)
}

static bool wait_ms(struct task *t, int ms)
{
    if (ms > 0) task_deadline(t, clock_deadline(t->box, LX_CLOCK_MONOTONIC, false, (uint64_t)ms * 1000000));
    return ms == 0;
}

static int wait_mask(struct task *t, gaddr at, uint64_t size)
{
    uint64_t mask;
    if (!at) return 0;
    int err = sigset_from_user(t, at, size, &mask);
    if (!err) signal_mask_until_return(t, mask);
    return err;
}

int64_t sys_epoll_wait(struct task *t, const uint64_t a[6])
{
    return do_wait(t, a, wait_ms(t, (int)a[3]));
}

int64_t sys_epoll_pwait(struct task *t, const uint64_t a[6])
{
    int err = wait_mask(t, a[4], a[5]);
    return err ? err : do_wait(t, a, wait_ms(t, (int)a[3]));
}

int64_t sys_epoll_pwait2(struct task *t, const uint64_t a[6])
{
    uint64_t ns = 1;
    int err = a[3] ? timespec_get(t, a[3], &ns) : 0;
    if (!err) err = wait_mask(t, a[4], a[5]);
    if (err) return err;
    if (a[3]) task_deadline(t, clock_deadline(t->box, LX_CLOCK_MONOTONIC, false, ns));
    return do_wait(t, a, ns == 0);
}
