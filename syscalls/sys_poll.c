// poll, ppoll, select, pselect6: looks at the files, and when none is ready waits on all their queues (fs/select.c).
//
// A re-run looks again from the start; nothing is consumed, so only the deadline is kept between runs (task_deadline).
// Interrupted: poll goes on with its deadline (restart block), the others come back to the caller if a handler ran
// (ERESTARTNOHAND).
#include "syscalls/fs.h"
#include <stdlib.h>
#include <string.h>

static const uint64_t SECOND_NS = 1000000000;

// The queues to wait on when nothing is ready; few fit inline.
enum { INLINE_FDS = 16 };
struct queues {
    struct waitq *few[INLINE_FDS], **q;
    struct file **file;
    unsigned n;
};

// q[i] is file[i]'s; file has room for an end mark.
static bool queues_init(struct queues *s, size_t most)
{
    s->n = 0;
    s->file = malloc((most + 1) * sizeof *s->file);
    s->q = most <= INLINE_FDS ? s->few : malloc(most * sizeof *s->q);
    return s->file && s->q;
}

static void queues_end(struct queues *s)
{
    if (s->q != s->few) free(s->q);
    free(s->file);
}

// The files are held while the call waits: another thread may close them, and their queues go with them. A list that
// ends with NULL.
static void let_go(struct task *t)
{
    for (struct file **f = t->sys.object; f && *f; f++) file_put(*f);
    free(t->sys.object);
    t->sys.object = NULL;
}

static void hold(struct task *t, struct queues *s)
{
    for (unsigned i = 0; i < s->n; i++) file_get(s->file[i]);
    s->file[s->n] = NULL;
    let_go(t);
    t->sys.object = s->file;
    t->sys.release = let_go;
    s->file = NULL;
}

// What of `events` a descriptor is ready for; errors and hang-ups always.
static unsigned poll_fd(struct file *f, unsigned events, struct queues *s)
{
    struct waitq *queue = NULL;
    unsigned ready = vfs_poll(f, &queue) & (events | LX_POLLERR | LX_POLLHUP | LX_POLLNVAL);
    if (queue) {
        s->file[s->n] = f;
        s->q[s->n++] = queue;
    }
    return ready;
}

// Nothing is ready: 0 when there is no time to wait, else as task_wait.
static int64_t wait_any(struct task *t, struct queues *s, bool immediate)
{
    if (immediate) return 0;
    int64_t r = task_wait_many(t, s->q, s->n);
    if (r == -LX_EPARK) hold(t, s);
    return r == -LX_ETIMEDOUT ? 0 : r;
}

// ---------------------------------------------------------------- the time given to wait

enum timeout_kind { TIMEOUT_NONE, TIMEOUT_TIMEVAL, TIMEOUT_TIMESPEC };
struct timeout {
    enum timeout_kind kind;
    gaddr user;
    bool immediate;
};

static void set_timeout(struct task *t, struct timeout *to, uint64_t ns)
{
    to->immediate = ns == 0;
    task_deadline(t, clock_deadline(t->box, LX_CLOCK_MONOTONIC, false, ns));
}

// Microseconds beyond a second are carried over, as select always allowed.
static int timeval_get(struct task *t, gaddr from, uint64_t *ns)
{
    struct lx_timeval tv;
    int err = copy_from_user(t, &tv, from, sizeof tv);
    if (err) return err;
    if (tv.tv_sec < 0 || tv.tv_usec < 0) return -LX_EINVAL;
    uint64_t sec = (uint64_t)tv.tv_sec + (uint64_t)tv.tv_usec / 1000000;
    *ns = sec > INT64_MAX / SECOND_NS ? INT64_MAX : sec * SECOND_NS + (uint64_t)tv.tv_usec % 1000000 * 1000;
    return 0;
}

static int get_timeout(struct task *t, struct timeout *to)
{
    uint64_t ns;
    if (!to->user) to->kind = TIMEOUT_NONE;
    if (to->kind == TIMEOUT_NONE) return 0;
    int err = to->kind == TIMEOUT_TIMEVAL ? timeval_get(t, to->user, &ns) : timespec_get(t, to->user, &ns);
    if (!err) set_timeout(t, to, ns);
    return err;
}

static int put_rest(struct task *t, const struct timeout *to)
{
    uint64_t now = box_monotonic(t->box), rest = t->sys.deadline > now ? t->sys.deadline - now : 0;
    int64_t sec = (int64_t)(rest / SECOND_NS), nsec = (int64_t)(rest % SECOND_NS);
    struct lx_timeval tv = {sec, nsec / 1000};
    struct lx_timespec ts = {sec, nsec};
    return to->kind == TIMEOUT_TIMEVAL ? copy_to_user(t, to->user, &tv, sizeof tv)
                                       : copy_to_user(t, to->user, &ts, sizeof ts);
}

// poll_select_finish: the time left is told; where it cannot be, the call cannot be restarted with it either.
static int64_t finish(struct task *t, const struct timeout *to, int64_t r)
{
    if (r == -LX_EPARK) return r;
    if (r == -LX_ERESTARTSYS) r = -LX_ERESTARTNOHAND;
    if (to->kind == TIMEOUT_NONE || to->immediate) return r;
    int err = put_rest(t, to);
    if (err == -LX_EPARK) return err;
    return err && r == -LX_ERESTARTNOHAND ? -LX_EINTR : r;
}

// ---------------------------------------------------------------- poll

static int64_t poll_once(struct task *t, struct lx_pollfd *fds, unsigned n, struct queues *s)
{
    int64_t count = 0;
    for (unsigned i = 0; i < n; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        struct file *f = fd_io(t, fds[i].fd);
        fds[i].revents = (int16_t)(f ? poll_fd(f, (uint16_t)fds[i].events, s) : LX_POLLNVAL);
        if (fds[i].revents) count++;
    }
    return count;
}

static int put_revents(struct task *t, gaddr to, const struct lx_pollfd *fds, unsigned n)
{
    int err = 0;
    for (unsigned i = 0; i < n && !err; i++)
        err = copy_to_user(t, to + i * sizeof *fds + offsetof(struct lx_pollfd, revents), &fds[i].revents,
                           sizeof fds[i].revents);
    return err;
}

static int64_t poll_fds(struct task *t, gaddr user, struct lx_pollfd *fds, unsigned n, bool immediate)
{
    struct queues s;
    int64_t r = queues_init(&s, n) ? copy_from_user(t, fds, user, n * sizeof *fds) : -LX_ENOMEM;
    if (!r) {
        r = poll_once(t, fds, n, &s);
        if (!r) r = wait_any(t, &s, immediate);
        int err = r >= 0 ? put_revents(t, user, fds, n) : 0;
        if (err) r = err;
    }
    queues_end(&s);
    return r;
}

static int64_t do_poll(struct task *t, gaddr user, uint32_t n, bool immediate)
{
    struct lx_pollfd few[INLINE_FDS], *fds = few;
    if (n > fd_limit(t->proc)) return -LX_EINVAL;
    if (n > INLINE_FDS && !(fds = malloc(n * sizeof *fds))) return -LX_ENOMEM;
    int64_t r = poll_fds(t, user, fds, n, immediate);
    if (fds != few) free(fds);
    return r;
}

int64_t sys_poll(struct task *t, const uint64_t a[6])
{
    struct timeout to = {.kind = TIMEOUT_NONE};
    int ms = (int)a[2];
    if (ms >= 0) set_timeout(t, &to, (uint64_t)ms * 1000000);
    int64_t r = do_poll(t, a[0], (uint32_t)a[1], to.immediate);
    return r == -LX_ERESTARTSYS ? -LX_ERESTART_RESTARTBLOCK : r;
}

static int get_mask(struct task *t, gaddr at, uint64_t size)
{
    uint64_t mask;
    if (!at) return 0;
    int err = sigset_from_user(t, at, size, &mask);
    if (!err) signal_mask_until_return(t, mask);
    return err;
}

int64_t sys_ppoll(struct task *t, const uint64_t a[6])
{
    struct timeout to = {.kind = TIMEOUT_TIMESPEC, .user = a[2]};
    int err = get_timeout(t, &to);
    if (!err) err = get_mask(t, a[3], a[4]);
    return err ? err : finish(t, &to, do_poll(t, a[0], (uint32_t)a[1], to.immediate));
}

// ---------------------------------------------------------------- select

enum { SET_IN, SET_OUT, SET_EX, SETS };
static const unsigned wanted[SETS] = {
    LX_POLLIN | LX_POLLRDNORM | LX_POLLRDBAND | LX_POLLHUP | LX_POLLERR,
    LX_POLLOUT | LX_POLLWRNORM | LX_POLLWRBAND | LX_POLLERR,
    LX_POLLPRI,
};

struct selection {
    gaddr user[SETS];
    unsigned n; // descriptors below this
    size_t words;
    uint64_t *in, *out; // SETS * words each
};

static bool is_set(const uint64_t *set, unsigned fd)
{
    return set[fd / 64] >> (fd % 64) & 1;
}

static int get_sets(struct task *t, struct selection *s)
{
    for (unsigned k = 0; k < SETS; k++) {
        if (!s->user[k]) continue;
        int err = copy_from_user(t, s->in + k * s->words, s->user[k], s->words * 8);
        if (err) return err;
    }
    return 0;
}

static int put_sets(struct task *t, const struct selection *s)
{
    for (unsigned k = 0; k < SETS; k++) {
        if (!s->user[k]) continue;
        int err = copy_to_user(t, s->user[k], s->out + k * s->words, s->words * 8);
        if (err) return err;
    }
    return 0;
}

// One descriptor; the number of bits it sets in the result.
static int64_t select_fd(struct task *t, struct selection *s, unsigned fd, struct queues *q)
{
    unsigned events = 0;
    int64_t count = 0;
    for (unsigned k = 0; k < SETS; k++)
        if (is_set(s->in + k * s->words, fd)) events |= wanted[k];
    if (!events) return 0;
    struct file *f = fd_io(t, (int)fd);
    if (!f) return -LX_EBADF;
    unsigned ready = poll_fd(f, events, q);
    for (unsigned k = 0; k < SETS; k++) {
        if (!is_set(s->in + k * s->words, fd) || !(ready & wanted[k])) continue;
        s->out[k * s->words + fd / 64] |= 1ull << (fd % 64);
        count++;
    }
    return count;
}

static int64_t select_once(struct task *t, struct selection *s, struct queues *q)
{
    int64_t count = 0;
    for (unsigned fd = 0; fd < s->n; fd++) {
        int64_t r = select_fd(t, s, fd, q);
        if (r < 0) return r;
        count += r;
    }
    return count;
}

static int64_t select_sets(struct task *t, struct selection *s, bool immediate)
{
    struct queues q;
    int64_t r = get_sets(t, s);
    if (r) return r;
    r = queues_init(&q, s->n) ? select_once(t, s, &q) : -LX_ENOMEM;
    if (!r) r = wait_any(t, &q, immediate);
    queues_end(&q);
    if (r < 0) return r;
    int err = put_sets(t, s);
    return err ? err : r;
}

// Descriptors beyond the table are not looked at, as in Linux.
static int64_t do_select(struct task *t, const uint64_t a[6], bool immediate)
{
    int n = (int)a[0];
    if (n < 0) return -LX_EINVAL;
    struct selection s = {.user = {a[1], a[2], a[3]},
                          .n = (unsigned)n < fd_capacity(t->proc) ? (unsigned)n : fd_capacity(t->proc)};
    s.words = (s.n + 63) / 64;
    s.in = calloc(2 * SETS * s.words + 1, 8);
    if (!s.in) return -LX_ENOMEM;
    s.out = s.in + SETS * s.words;
    int64_t r = select_sets(t, &s, immediate);
    free(s.in);
    return r;
}

int64_t sys_select(struct task *t, const uint64_t a[6])
{
    struct timeout to = {.kind = TIMEOUT_TIMEVAL, .user = a[4]};
    int err = get_timeout(t, &to);
    return err ? err : finish(t, &to, do_select(t, a, to.immediate));
}

int64_t sys_pselect6(struct task *t, const uint64_t a[6])
{
    struct timeout to = {.kind = TIMEOUT_TIMESPEC, .user = a[4]};
    uint64_t mask[2] = {0, 0}; // its address, its size
    int err = a[5] ? copy_from_user(t, mask, a[5], sizeof mask) : 0;
    if (!err) err = get_timeout(t, &to);
    if (!err) err = get_mask(t, mask[0], mask[1]);
    return err ? err : finish(t, &to, do_select(t, a, to.immediate));
}
