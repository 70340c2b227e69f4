// The kernel's objects and how a system call is written.
//
//   struct box       one emulated Linux: processes, mounts, clock, limits. Reachable from it: everything there is. No
//   state elsewhere. struct process   a thread group: memory, descriptors, signal actions, children struct task      a
//   thread: its cpu, mask, pending signals, the system call it is in
//
// Restart contract (DESIGN decision 2). A system call never sleeps on a host stack. When it must wait it calls
// task_wait(t, queue...) and returns what that returns: -LX_EPARK (the dispatcher parks the thread; when a queue wakes
// it, the call is run again from its start with the same arguments), or -LX_ERESTARTSYS (a signal is deliverable) or
// -LX_ETIMEDOUT (the deadline set with task_deadline has passed; the call turns it into its own result). What was done
// stays done and is counted in t->sys (cleared when a new call begins): nothing is done twice. A call that has made
// progress and meets a signal returns the progress. uaccess that meets a page not yet there returns -LX_EPARK likewise.
//
// Errors are negative guest errnos. One host thread drives a box (no locks). Every list below is doubly linked or an
// array owned by the object named.
#pragma once
#include "abi/errno.h"
#include "abi/linux.h" // LX_ constants and struct lx_*, sizes asserted
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "host/ram.h"
#include "vfs/vfs.h"
#include "vfs/wait.h"

enum { NSIG = 64, MAX_WAITERS = 8 };

struct sigqueue { // one pending signal with its siginfo
    struct sigqueue *next;
    struct lx_siginfo info;
};
struct sigpending {
    struct vfs *vfs; // whose memory limit counts the entries
    uint64_t set;    // bit sig-1
    struct sigqueue *first, **last;
    unsigned count;
};

struct task_waiter {
    struct waiter w;
    struct task *task;
};

struct box;
struct process;
struct ktimer { // calls fire once, from sched_run, when box_monotonic has reached deadline (syscalls/ktimer.c)
    struct ktimer *next, **prev, *child; // in the heap at box->timers; prev NULL: not armed
    uint64_t deadline, seq;
    void (*fire)(struct box *, struct ktimer *);
};

struct sys_state {  // of the system call a task is in; zeroed when a new one begins
    bool restarted; // this run is a re-run
    bool waiting;   // parked now
    bool yielding;  // has only interrupted itself (task_yield)
    bool has_deadline;
    uint64_t deadline; // box monotonic ns
    uint64_t done;     // progress, e.g. bytes
    uint64_t word[4];  // for the call's own use
    void *object;      // for the call's own use; released by `release` when the call ends
    void (*release)(struct task *);
};

// What a call that ended with -LX_ERESTART_RESTARTBLOCK goes on with: restart_syscall runs it again with the deadline
// it had.
struct restart_block {
    uint64_t nr, arg[6], deadline;
    bool has_deadline;
};

struct futex_key {
    const void *object;
    uint64_t offset;
};               // mm and address (private), or inode and file offset (shared)
struct pi_state; // a priority-inheritance lock somebody waits for (syscalls/futex_pi.c)
struct futex_waiter {
    struct futex_waiter *next, **prev; // bucket, in order of priority and arrival; prev NULL: not queued
    struct futex_key key;
    uint32_t bitset;
    struct task *task;
    gaddr word;          // where the waiter's own memory has the lock's word (PI only)
    struct pi_state *pi; // waits for this lock; NULL: an ordinary waiter
    bool requeue_pi;     // FUTEX_WAIT_REQUEUE_PI: woken only by being moved to `target`
    struct futex_key target;
};

struct task {
    struct cpu cpu;
    struct box *box;
    struct process *proc;
    struct task *next_in_proc;        // proc->tasks
    struct task *run_next, *run_prev; // box run queue
    int tid;
    enum {
        TASK_RUNNABLE,
        TASK_PARKED,
        TASK_TRACED, // stopped for its tracer (ptrace.h)
        TASK_DEAD
    } state;               // a task of a stopped process (proc->stopped) is not run, whatever its state
    struct tracee *traced; // NULL: nobody traces it
    bool at_entry;         // it has stopped for its tracer before its system call has begun
    bool in_syscall;       // between STOP_SYSCALL and the result in rax: a re-run is due when it runs next
    bool restartable; // rax holds the result of a system call just ended: signal_deliver may turn it back (ERESTART*)
    uint64_t sigwait_set; // rt_sigtimedwait under way: these wake it though they are blocked
    uint64_t sigmask, saved_sigmask;
    bool restore_sigmask; // sigsuspend, ppoll: put saved_sigmask back after the call
    struct sigpending pending;
    struct lx_stack altstack;
    struct sys_state sys;
    uint64_t sys_nr, sys_arg[6]; // the call being run
    struct restart_block restart;
    struct ktimer timer;          // armed while parked with a deadline
    uint32_t trap_no, trap_error; // of the last fault, for the signal frame (mm_fault sets error, the dispatcher both)
    uint64_t trap_addr;
    struct task_waiter waiters[MAX_WAITERS];
    unsigned nwaiters;
    struct task_waiter *more_waiters; // poll on many: malloc'ed array, freed when the call ends
    struct futex_waiter futex;
    struct pi_state *pi_owned; // PI locks it holds that others wait for
    gaddr clear_child_tid, robust_list, rseq;
    uint32_t rseq_len, rseq_sig;
    uint8_t rseq_event; // RSEQ_*: rseq.c looks before guest code goes on
    char comm[16];
    struct task_attrs { // what a new thread or process has of who made it
        uint64_t timer_slack;
        int policy, rt_priority;
        bool reset_on_fork; // but then no policy in real time
        uint8_t mempolicy;  // syscalls/mempolicy.c
        uint16_t ioprio;    // syscalls/ioprio.c
    } attrs;
    uint64_t start_ns;
    struct trace_line *trace_line; // trace.c: of the call under way
    struct task *reap_next;        // box->dead_tasks
    uint64_t utime_ns, stime_ns;
};

struct sighand {
    struct lx_sigaction action[NSIG];
    unsigned refs;
    struct waitq signalfd_wait; // told of every signal sent to its processes (signalfd.c)
};
struct fdtable; // syscalls/fdtable.c
struct mm;      // syscalls/mm.c

struct process {
    struct box *box;
    struct process *parent, *children, *sibling; // sibling: next child of the same parent
    struct process *next;                        // box->processes
    struct process *fs_next; // CLONE_FS: the next in the ring that shares root, cwd and umask; NULL: shared with nobody
    int parent_tid;          // the thread of its parent whose child it is (__WNOTHREAD)
    struct task *tasks;      // first is the leader while it lives
    struct tracee *tracees;  // whom its threads trace (ptrace.h)
    unsigned ntasks;
    int pid, pgid, sid;
    struct mm *mm; // shared after vfork / CLONE_VM
    struct fdtable *fds;
    struct sighand *sighand;
    struct sigpending pending; // process-directed
    struct path root, cwd;
    uint32_t umask;
    struct cred cred;
    struct lx_rlimit64 rlimit[16];
    enum { PROC_ALIVE, PROC_ZOMBIE, PROC_REAPED } state;
    int exit_status; // as wait4 reports it
    bool exiting;    // exit_group under way
    int exit_signal; // to the parent; 0 none
    bool did_exec;
    bool vfork_pending; // a vfork child that has neither exec'ed nor exited: its parent waits on exit_wait
    bool stopped, stop_report, continued_report; // *_report: what wait4 has still to tell
    int stop_signal;
    struct waitq child_wait; // the parent waits here for its children
    struct waitq exit_wait;  // pidfd and vfork parents wait here for this process
    struct file *exe;
    uint64_t start_ns, utime_ns, stime_ns, cutime_ns, cstime_ns;
    int personality, dumpable, no_new_privs, pdeathsig, subreaper, keep_caps, thp_disabled;
    int membarriers;     // registrations with membarrier; gone at execve
    struct ktimer alarm; // ITIMER_REAL (syscalls/itimer.c)
    uint64_t alarm_interval;
    struct posix_timers *timers; // timer_create
    struct {
        uint64_t left, interval;
    } cpu_timer[2]; // ITIMER_VIRTUAL, ITIMER_PROF in ns
    int nice, oom_score_adj;
    uint64_t min_faults, maj_faults, switches;
    char last_comm[16];             // the name a zombie is shown by
    uint64_t maxrss_kb, cmaxrss_kb; // its own once it has ended; the largest reaped child's
    uint64_t cpu_warned;            // seconds of RLIMIT_CPU for which SIGXCPU was sent
    struct tty *ctty;
};

struct box_limits {
    uint64_t memory, output, tmp_bytes;
    uint64_t timeout_ns, cpu_time_ns;
    unsigned pids, files;
};

// How a box ended. BOX_END_EXIT: the first program did, with init_status (as wait4 reports it).
enum box_end { BOX_RUNNING, BOX_END_EXIT, BOX_END_TIMEOUT, BOX_END_CPU_TIME, BOX_END_OUTPUT, BOX_END_ASKED };

// A second tier that takes part in running guest code (cpu/tier.h); all NULL: the interpreter alone. `enter` is called
// for each address space; what it returns, NULL too, goes to `leave`. `changed` is told when a range of pages that may
// be a file's code comes to show something else (mm_code_changes), before guest code runs again; `named`, when an
// address space has got its first name (mm_wide.c): from then on code that is not a file's must mind mem.probe. NULL:
// it cannot, and there are no names.
struct box_tier {
    void *ctx;
    void *(*enter)(void *ctx, struct mm *);
    void (*leave)(void *ctx, void *space);
    void (*changed)(void *ctx, void *space, uint32_t first, uint32_t end); // may be NULL
    void (*named)(void *ctx, void *space);
    enum cpu_stop (*run)(void *ctx, struct cpu *); // NULL: cpu_run
};

struct box {
    struct ram ram;
    struct box_tier tier;
    enum mem_backend backend;
    enum cpu_level level;
    struct vfs *vfs;
    struct process *processes;
    unsigned ntasks, nzombies; // both count against limits.pids
    int next_pid;
    struct task *run_queue, *current; // run_queue: the next to run, a ring
    struct task *dead_tasks;          // freed by sched_run when nothing refers to them any more
    struct ktimer *timers;            // the earliest, a heap
    uint64_t timer_seq;
    struct posix_timer *cpu_timers; // armed ones on CPU clocks (posix_timer.c)
    struct waitq clock_set;         // told when CLOCK_REALTIME is set (timerfd)
    int last_tid;                   // who ran last
    uint64_t epoll_checks;          // how many searches for loops among epolls there were (epoll.c)
    struct process *reaper;         // pid 1: has no tasks; orphans become its children and vanish when they exit
    struct process *init;           // the program belljar was asked to run (pid 2); NULL when it has been freed
    int init_status;                // its wait status, once end_reason is BOX_END_EXIT
    struct box_limits limits;
    struct lx_utsname uts;
    struct box_host *host; // how the box reaches the outside: stdio, clock, poll (box/, host/)
    struct trace *trace;   // NULL: no tracing (syscalls/trace.c)
    struct futex_table *futexes;
    struct sock *sockets;             // all of them (syscalls/socket.c)
    unsigned port_hint;               // where the search for a free port begins (syscalls/inet.c)
    struct sockmsg *dropped_messages; // being freed: their files may be sockets with messages of their own
    bool dropping_messages;
    struct mqueue *mqueues;    // POSIX message queues (syscalls/mqueue.c)
    struct sysv *sysv;         // System V IPC; NULL until used (syscalls/sysv.c)
    struct inotify *inotify;   // all instances (syscalls/inotify.c)
    struct ttys *ttys;         // its terminals (syscalls/tty.c)
    uint64_t boot_realtime_ns; // CLOCK_REALTIME - CLOCK_MONOTONIC
    uint64_t boot_host_ns;     // host clock at boot: CLOCK_MONOTONIC starts at 0 then (set by box_time_init)
    uint64_t idle_skipped_ns;  // deterministic mode: idle time jumped over
    uint64_t cpu_ns;           // used by all tasks so far
    uint64_t slice_ns;         // the CPU clock when the current task's slice began
    uint64_t slice_sys_ns;     // of it, about how much was spent in system calls
    uint64_t syscalls;         // made so far
    uint8_t entropy_state[64];
    bool deterministic;
    bool host_tsc;     // the guest's RDTSC is the host's counter
    struct vdso *vdso; // NULL: none yet (syscalls/vdso.c)
    bool dying;        // a limit hit or the embedder asked: tear down
    enum box_end end_reason;
    uint64_t insn_count;
};

// -- the dispatcher (syscalls/dispatch.c)
typedef int64_t sys_fn(struct task *, const uint64_t arg[6]);
void sys_dispatch(struct task *); // after STOP_SYSCALL: runs the call, writes rax or parks
void sys_resume(struct task *);   // a parked call is run again
void sys_abandon(struct task *);  // ends it without a result (the task dies): releases what it holds
enum sys_support { SYS_NONE, SYS_REFUSED, SYS_STUB, SYS_PARTIAL, SYS_FULL };
struct sys_info {
    const char *name, *note;
    enum sys_support support;
};
const struct sys_info *sys_lookup(uint64_t nr); // NULL: no such number
enum {                                          // NR_read = 0, ...
#define SYS(nr, name, args, support, note) NR_##name = nr,
#include "syscalls/syscall.def"
#undef SYS
    SYS_MAX
};

// -- waiting (syscalls/task.c)
int64_t task_wait(struct task *, struct waitq *); // one queue; see the contract above
int64_t task_wait_many(struct task *, struct waitq **, unsigned n);
int64_t task_sleep(struct task *); // no queue: until the deadline or a signal
int64_t task_wait_io(
    struct task *,
    struct waitq *); // not ended by signals (disk, vfork): always -LX_EPARK. Also outside a system call (page faults)
int64_t
task_yield(struct task *); // a long call lets others run and time limits be seen: -LX_EPARK, run again in its next turn
void task_deadline(struct task *,
                   uint64_t monotonic_ns); // remembered across re-runs (only the first call in a system call counts)
void task_wake(struct task *);
struct task *task_new(struct process *, const struct task *like); // tid, comm, mask as `like` (NULL: a first task); not
                                                                  // on the run queue yet. NULL: no memory, over --pids
void task_start(struct task *);                                   // makes it runnable
void task_requeue(struct task *);                                 // onto the run queue when runnable, and not held
bool task_held(const struct task *); // its process is stopped, and no tracer says otherwise
void task_dequeue(struct task *);    // off the run queue
void task_unwait(struct task *);     // off every wait queue and timer
void task_retire(struct task *);     // a dying task leaves its process and all lists; tasks_reap frees it
void tasks_reap(struct box *);
void task_set_mm(struct task *, struct mm *); // attaches the cpu to the process's memory
void waitq_dismiss(struct waitq *);           // before a queue's owner is freed: wakes all and empties it

// -- timers (syscalls/ktimer.c)
void ktimer_arm(struct box *, struct ktimer *, uint64_t deadline); // again: moves it
void ktimer_cancel(struct ktimer *);                               // harmless when not armed
void ktimers_run(struct box *, uint64_t now);
bool signal_deliverable(const struct task *);

// -- time (syscalls/time.c)
uint64_t box_monotonic(const struct box *); // ns; virtual in deterministic mode
uint64_t box_cpu_clock(const struct box *); // ns of computing, from anywhere; the same
uint64_t box_realtime(const struct box *);
void box_time_init(struct box *);
void itimer_account(struct process *, uint64_t cpu_ns); // ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU
void box_random(struct box *, void *, size_t); // the guest's entropy (syscalls/random.c); deterministic when asked
int clock_read(struct task *, int clock, uint64_t *ns);    // -LX_EINVAL: no such clock
int timespec_ns(const struct lx_timespec *, uint64_t *ns); // -LX_EINVAL; saturates
struct lx_timespec timespec_of(uint64_t ns);
struct lx_timeval timeval_of(uint64_t ns);
int timespec_get(struct task *, gaddr, uint64_t *ns)
    __attribute__((warn_unused_result)); // checked and copied in: -LX_EFAULT, -LX_EINVAL
uint64_t clock_deadline(struct box *, int clock, bool absolute, uint64_t ns); // as box_monotonic counts; saturates

// -- guest memory for the kernel (syscalls/uaccess.c). 0 or -LX_EFAULT or -LX_EPARK; nothing is read twice by a caller.
int copy_from_user(struct task *, void *to, gaddr from, size_t n) __attribute__((warn_unused_result));
int copy_to_user(struct task *, gaddr to, const void *from, size_t n) __attribute__((warn_unused_result));
int clear_user(struct task *, gaddr to, size_t n) __attribute__((warn_unused_result));
int64_t strncpy_from_user(struct task *, char *to, gaddr from, size_t size)
    __attribute__((warn_unused_result)); // length without NUL; -LX_ENAMETOOLONG when no NUL within size
int get_path(struct task *, gaddr from, char to[LX_PATH_MAX])
    __attribute__((warn_unused_result)); // a path argument: -LX_ENOENT for "" is the walker's business
struct iob_user {
    struct iob io;
    struct task *task;
    unsigned niov, at;
    size_t off;
    struct lx_iovec iov[LX_UIO_FASTIOV];
    struct lx_iovec *more;
    int error;
};
int iob_user_init(struct iob_user *, struct task *, gaddr buf, size_t n);
int iob_user_iovec(struct iob_user *, struct task *, gaddr iov,
                   size_t count); // -LX_EINVAL, -LX_EFAULT; free with iob_user_end
void iob_user_end(struct iob_user *);

// -- memory maps (syscalls/mm.c)
struct mm *mm_new(struct box *);
struct mm *mm_fork(struct mm *); // NULL: out of memory
struct mm *mm_ref(struct mm *);
void mm_unref(struct mm *);
int mm_fault(struct task *, gaddr addr,
             enum cpu_access); // 0: run again; -LX_EPARK; else fills *sig and sends SIGSEGV / SIGBUS itself: -LX_EFAULT
int mm_make_present(struct mm *, gaddr addr, unsigned need); // for uaccess: 0, -LX_EFAULT, -LX_EPARK
int mm_fetch(void *mm, uint32_t addr, unsigned need);        // the same as mem_pager's: for guest code
uint64_t mm_take_faults(struct mm *);                        // those since the last call
struct mem *mm_mem(struct mm *);
struct code *mm_code(struct mm *);
struct mm_map {
    gaddr addr;
    uint64_t len;
    unsigned prot, flags;
    struct file *file;
    uint64_t offset;
};
int64_t mm_mmap(struct mm *, const struct mm_map *); // the address, or -errno. Takes its own reference on file

// -- programs (syscalls/exec.c uses loader/)
// Replaces the image; path is what AT_EXECFN shows, argv and envp kernel strings. *why (may be NULL) gets a reason in
// words, or NULL. -LX_EPARK: vfs->park.
int exec_program(struct task *, struct file *, const char *path, char **argv, char **envp, const char **why);

// -- processes (syscalls/process.c, fork.c, wait.c, exit.c; who traces whom: ptrace.h)
struct task *process_new_init(struct box *); // pid 1 and the first process (pid 2), empty: no mm, files, cwd; its task
                                             // is not started. NULL: no memory
void processes_free(struct box *);           // at the box's end: everything, whatever its state
void exit_group(struct process *, int status); // status as wait4 reports it. Every task of it is dead on return
void exit_task(struct task *, int status);     // this thread only; the last one ends the process
void exit_other_tasks(struct task *);          // for execve, first: this one remains and becomes the leader
void process_execed(struct task *); // for execve, when the new image stands: handlers, robust list, altstack, timers; a
                                    // vfork parent goes on
void vfork_done(struct task *);     // a vfork child has exec'ed or exits: its parent goes on
struct process *process_new(struct process *parent); // fork.c's: linked to its parent, everything else empty
void process_unlink(struct process *);               // reaped: leaves every list and is freed
void process_add_child(struct process *parent, struct process *child);
void process_stop(struct process *, int sig); // job control
void process_continue(struct process *);
bool process_orphaned_group(struct box *, int pgid);
void process_rusage(struct process *, struct lx_rusage *);
uint64_t process_maxrss_kb(const struct process *);
// root, cwd or umask of p have changed: so they do for who shares them
void process_fs_changed(struct process *);
void process_fs_share(struct process *, struct process *with);
void process_fs_leave(struct process *);
// ptrace_may_access (kernel/ptrace.c) with real ids: what process_vm_readv, pidfd_getfd and kcmp ask
bool process_may_access(const struct process *me, const struct process *other);
struct process *process_find(struct box *, int pid);
struct task *task_find(struct box *, int tid);

// -- signals (syscalls/signal.c)
int signal_send(struct process *, const struct lx_siginfo *);             // process-directed
int signal_send_group(struct box *, int pgid, const struct lx_siginfo *); // every process of the group: tty.c's ^C
void signal_simple(struct process *, int sig);                            // SI_KERNEL
void signals_flush(struct sigpending *);
void signals_flush_set(struct sigpending *, uint64_t set);
void signals_exec(struct process *);                               // caught signals become default
void signal_notify_parent(struct process *, int code, int status); // SIGCHLD with CLD_* (not for exits: exit.c)
bool signal_ignored_by(const struct process *, int sig);
bool signal_kill_pending(const struct task *);
struct sighand *sighand_new(const struct sighand *like); // NULL: no memory
void sighand_unref(struct sighand *);
int sigset_from_user(struct task *, gaddr, uint64_t size, uint64_t *set)
    __attribute__((warn_unused_result)); // EINVAL unless size is 8; KILL and STOP removed
void signal_mask_until_return(
    struct task *,
    uint64_t mask); // ppoll, pselect, epoll_pwait, sigsuspend: for this call and the handlers that end it
int signal_send_task(struct task *, const struct lx_siginfo *);
void signal_force(struct task *, const struct lx_siginfo *); // a fault: cannot be blocked or ignored
bool signal_deliver(
    struct task *); // before returning to the guest: builds a frame, stops or kills. False: the task cannot go on now

// -- futexes (syscalls/futex.c)
void futex_exit(struct task *); // robust list and clear_child_tid of a dying task, or of one that execs
void futexes_free(struct box *);

// -- sockets (syscalls/socket.c)
void sockets_flush(struct box *); // at the box's end: what is in flight goes, so that cycles of passed descriptors end

// -- timers of processes (syscalls/itimer.c, posix_timer.c)
void itimer_alarm_fired(struct box *, struct ktimer *);
void posix_timers_free(struct process *);
void posix_timers_of_cpu(struct box *); // after each slice: those on CPU clocks that have come due
void posix_timer_delivered(struct process *, const struct lx_siginfo *); // SI_TIMER taken from its queue

// -- restartable sequences (syscalls/rseq.c). Before guest code goes on after others have run, or (signal) a handler is
// entered. 0, or -LX_EPARK: parked for a page. A bad descriptor is SIGSEGV.
enum { RSEQ_OTHERS_RAN = 1, RSEQ_NEW = 2 };
int rseq_resume(struct task *, bool signal);
void rseq_forked(struct task *child, const struct task *parent, bool shares_memory);

// -- the scheduler (syscalls/sched.c). Runs guest threads until the box ends, must wait for the host, or until
// budget_ns of host time has passed.
enum sched_result { SCHED_ENDED, SCHED_IDLE, SCHED_AGAIN };
enum sched_result
sched_run(struct box *, uint64_t *idle_until); // IDLE: nothing runnable; next deadline in *idle_until (UINT64_MAX none)

// -- descriptors (syscalls/fdtable.c)
struct fdtable *fdtable_new(unsigned limit);
struct fdtable *fdtable_clone(struct fdtable *);
struct fdtable *fdtable_ref(struct fdtable *);
void fdtable_unref(struct fdtable *);
void fdtable_cloexec(struct fdtable *);
int fd_install(struct process *, struct file *, unsigned from,
               bool cloexec);                  // takes over the reference; the descriptor or -LX_EMFILE
struct file *fd_get(struct process *, int fd); // borrowed until the system call ends or waits; NULL: EBADF
bool fd_cloexec(struct process *, int fd);
int fd_close(struct process *, int fd);             // as close(2)
int fd_room(struct process *, unsigned n);          // 0, or -LX_EMFILE: fewer than n can be installed
void kernel_file_release(void *box, struct file *); // struct vfs_host's file_release: locks, epoll items

// -- System V IPC (syscalls/sysv.c)
void sysv_exit(struct process *); // undoes its semaphore operations
void sysv_free(struct box *);
void mqueues_free(struct box *); // syscalls/mqueue.c

// -- inotify (syscalls/inotify.c)
struct vfs_event;
void kernel_notify(void *box, const struct vfs_event *); // struct vfs_host's notify

// -- terminals (syscalls/tty.c; tty.h has what the box uses)
int kernel_devices(struct box *, struct fs *devfs); // /dev/tty, /dev/ptmx
void ttys_free(struct box *);                       // after every file has been put
void tty_session_end(struct process *leader);       // a session leader exits or gives its terminal up (TIOCNOTTY)

// -- the table (syscalls/syscall.def): a prototype for each row
#define SYS(nr, name, args, support, note) sys_fn sys_##name;
#include "syscalls/syscall.def"
#undef SYS
