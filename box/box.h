// What stands behind the public handles. Private to box/.
#pragma once
#include "belljar.h"
#include "host/io.h"
#include "syscalls/kernel.h"
#include "syscalls/trace.h"

struct blockdev;

struct belljar_image {
    char *path; // for messages
    int fd;     // -1: of a server
    struct belljar_pool_image pool;
};

// One standard stream inside the box: a file whose bytes come from or go to the embedder.
struct stream {
    struct belljar_box *owner;
    const struct belljar_stream *to;
    struct waitq queue; // tasks that wait for it to become ready
    bool output;
};

struct terminal; // box/terminal.c

struct box_host { // what struct box points to: the outside
    struct host_wake wake;
    struct stream stream[3];
    struct terminal *terminal; // NULL: none of the streams is one
    uint64_t output_left;      // of options.output
    bool told_output;          // options.before_output has been called
    volatile int stop;         // belljar_box_stop was called
    volatile uint64_t signals; // bit sig-1: to be sent
};

struct engine; // box/engine.c

struct belljar_box {
    struct box box;
    struct box_host host;
    struct trace trace;
    const struct belljar_options *options;
    struct engine *engine;
    struct blockdev *device; // of the root; its file system's
    struct fs *root_fs;      // borrowed
    struct path root;
    struct task *first; // of the program's process, until the run begins
    bool ran;
    char damage[sizeof((struct belljar_result *)0)->damage]; // of the result
};

int belljar_fail(struct belljar_error *, enum belljar_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// new.c
// Opens it, in the options' file if they have one. 0 or -errno.
int box_memory(struct ram *, const struct belljar_options *);
int box_load(struct belljar_box *, struct belljar_error *); // the program of the options, into the first process

// stdio.c
int stdio_open(struct belljar_box *, struct process *); // descriptors 0, 1, 2. 0 or a negative errno
void stdio_close(struct belljar_box *);
unsigned stdio_poll_set(struct belljar_box *, struct host_pollfd *,
                        struct waitq **queue); // what parked tasks wait for, at most 3
size_t stdio_allowed(struct belljar_box *,
                     size_t n); // how many of n bytes the output limit lets out; fewer: the box ends
void stdio_take_output(struct belljar_box *, size_t n); // so many went out

// terminal.c
bool terminal_wants(const struct belljar_box *,
                    unsigned stream); // the stream's descriptor is a terminal and options say to use it as one
int terminal_open(struct belljar_box *, unsigned stream, struct file **); // the same terminal for all of them
void terminal_start(struct belljar_box *,
                    struct process *); // all streams are open: controlling terminal, size, raw mode
unsigned terminal_poll_set(struct belljar_box *, struct host_pollfd *); // at most 2
void terminal_ready(struct belljar_box *, unsigned ready);
void terminal_resize(struct belljar_box *);
void terminal_signal(struct belljar_box *, int sig); // to its foreground group; without one, to the first program
void terminal_close(struct belljar_box *);           // gives the host's terminal back as it was
void terminal_free(struct belljar_box *);

// engine.c
int engine_open(struct belljar_box *, struct belljar_error *);
void engine_close(struct belljar_box *);
int engine_start(struct belljar_box *, struct belljar_error *); // around the run, in the thread that runs it
void engine_stop(struct belljar_box *);
bool engine_counts(const struct belljar_box *);                        // each instruction
int engine_failed(const struct belljar_box *, struct belljar_error *); // BELLJAR_DIFFERENT, or 0

// image.c
int image_device(const struct belljar_image *, struct ram *, struct blockdev **, char *why, size_t why_size);
int image_mount(struct belljar_box *, const struct belljar_image *, struct belljar_error *);

// report.c
void report_fault(struct task *, const struct lx_siginfo *); // --trace faults

// new.c
const char *box_errno_text(int err); // of a negative guest errno

// files.c
int box_make_parents(struct belljar_box *, const struct vfs_at *, const char *path);

// mounts.c
int mount_hosts(struct belljar_box *, struct belljar_error *);
