// belljar: runs unmodified x86-64 Linux programs inside this process, from a disk image, with nothing of them reaching
// the host.
//
//     struct belljar_error why;
//     struct belljar_image *image;
//     struct belljar_options options;
//     struct belljar_result result;
//     if (belljar_image_open("python3.ext2", &image, &why)) ...;
//     belljar_options_init(&options);
//     options.argv = (const char *const[]){"python3", "-c", "print(6*7)", NULL};
//     if (belljar_run(image, &options, &result, &why)) ...;
//
// Objects: an image may be used by many boxes at once, in any threads. A box belongs to the thread that uses it;
// several boxes in several threads are independent. Only belljar_box_signal and belljar_box_stop may be called from
// other threads and from signal handlers.
//
// Process-wide effects, all there are: belljar installs handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP (once,
// at the first box) that pass on every fault that is not a guest's, and one for the timer signal SIGRTMAX-1; it raises
// nothing else, changes no descriptor's flags, and touches the terminal only when asked (options.terminal). In the
// thread that runs a box, signals whose handlers lack SA_ONSTACK stay blocked while it runs.
//
// Errors: functions that can fail return 0 or an enum belljar_code, and fill *why (which may be NULL) with one line for
// people. Strings passed in are borrowed for the call unless said otherwise. Sizes are bytes, times nanoseconds.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BELLJAR_API __attribute__((visibility("default")))

enum belljar_code {
    BELLJAR_OK,
    BELLJAR_BAD_IMAGE,      // no such file, not a file system belljar can mount, damaged
    BELLJAR_BAD_OPTION,     // an option's value, or a file to put or get
    BELLJAR_NOT_FOUND,      // no such program in the image
    BELLJAR_NOT_EXECUTABLE, // it is there and cannot be run: a directory, another machine's, no permission, not a
                            // program
    BELLJAR_NO_RESOURCES,   // the host has no memory, address space or descriptors left
    BELLJAR_BUG,            // belljar has caught itself in a mistake and ended the box
    BELLJAR_DIFFERENT,      // BELLJAR_LOCKSTEP: interpreter and translator made different things of the same code
};

struct belljar_error {
    enum belljar_code code;
    char text[512];
};

// ---------------------------------------------------------------- images

struct belljar_image;
BELLJAR_API int belljar_image_open(const char *path, struct belljar_image **,
                                   struct belljar_error *why); // close when no box uses it
BELLJAR_API int belljar_image_open_fd(int fd, const char *name, struct belljar_image **,
                                      struct belljar_error *why); // from a descriptor, which stays the caller's
BELLJAR_API void belljar_image_close(struct belljar_image *);

// An image whose parts come when they are needed, from a server: a process of the caller's, which belljar asks over a
// link (a socketpair that keeps packets apart), and which puts what it gets into slots of a file. vfs/disk_protocol.h
// says how the two talk; the command's server is disk/diskserver.c. The descriptors stay the caller's, and open until
// the image is closed; one box at a time uses such an image, since the link's packets are for one reader. To open it
// waits until the server knows the image.
struct belljar_pool_image {
    int blocks;       // slots of 64 KiB, open for reading
    int spare;        // those with higher numbers, in another file; -1: none
    int table;        // memory that the server writes: what the image is, and where its parts are
    int link;         // -1: nothing more comes, and what is not there cannot be read
    const char *name; // for messages
};
BELLJAR_API int belljar_image_open_pool(const struct belljar_pool_image *, struct belljar_image **,
                                        struct belljar_error *why);

struct belljar_image_info {
    char type[16]; // "ext2", "ext3", "ext4"
    char label[17], uuid[37];
    char features[512]; // as dumpe2fs names them, separated by blanks
    uint64_t bytes, file_system_bytes, free_bytes;
    uint32_t block_size, inodes, free_inodes;
    bool direct;      // pages of files can be shown from the image as they lie there (blocks of 4096 bytes or more)
    char journal[24]; // "none", "clean", "must be replayed", "on another device"
    bool mountable;
    char why_not[256]; // when it is not
};
BELLJAR_API int belljar_image_info(const char *path, struct belljar_image_info *, struct belljar_error *why);
BELLJAR_API int belljar_image_info_pool(const struct belljar_pool_image *, struct belljar_image_info *,
                                        struct belljar_error *why);

// ---------------------------------------------------------------- options

// One of the program's standard streams: a descriptor of the caller's, or functions. Default: the process's own
// descriptor 0, 1, 2.
struct belljar_stream {
    int fd; // used when the functions are NULL; -1: like /dev/null. Not closed, its flags are not changed
    // Standard input: up to n bytes into to; 0: end of file. Standard output and error: takes n bytes. They may block
    // (the box waits with them); a negative result is an I/O error inside. Called in the thread that runs the box.
    ptrdiff_t (*read)(void *ctx, void *to, size_t n);
    ptrdiff_t (*write)(void *ctx, const void *from, size_t n);
    void *ctx;
};

enum belljar_trace {
    BELLJAR_TRACE_SYSCALLS = 1,
    BELLJAR_TRACE_FAULTS = 2,
    BELLJAR_TRACE_JIT = 4,
    BELLJAR_TRACE_STARTUP = 8, // where the time of a start goes, phase by phase
};

enum belljar_engine {
    BELLJAR_JIT,    // hot code is translated; where the host does not allow that, as BELLJAR_INTERP
    BELLJAR_INTERP, // interpreted only
    BELLJAR_LOCKSTEP,
};

// A file for the box's memory, made before the box so that another process can read what lies there (a delta server),
// or because the box's process may make none: a descriptor, or -errno. It is the box's from belljar_box_new on, unless
// that says BELLJAR_BAD_OPTION. EFBIG: RLIMIT_FSIZE is less than 16 GiB (and then it comes with SIGXFSZ).
BELLJAR_API int belljar_memory_file(void);

// Memory for translated code. A box makes its own, unless it is given one that was made before: by a process that
// closes a sandbox around itself in which no executable memory can be had. One box at a time uses it.
struct belljar_code_memory;
BELLJAR_API int belljar_code_memory_new(struct belljar_code_memory **, struct belljar_error *why);
BELLJAR_API void belljar_code_memory_free(struct belljar_code_memory *);
// The same, where the code of a cache can be mapped: at struct store_head.top. NO_RESOURCES: something else is there.
BELLJAR_API int belljar_code_memory_new_at(struct belljar_code_memory **, uint32_t top, struct belljar_error *why);
BELLJAR_API void *belljar_code_memory_window(struct belljar_code_memory *); // its start

// Translations that earlier runs have left (jit/store.h): a file of them, opened, its code mapped in the window of the
// box's code memory. Only the command has one so far (cli/codecache.h). The caller's, like what it names, until the box
// is freed; nothing of it is written to, and what is damaged in it is not used. Since its code runs at one address, one
// box of a process at a time can use a file: belljar_code_memory_new_at fails for the others, which do without.
// With code memory made elsewhere it is ignored.
struct belljar_code_cache {
    const struct store *file;
    uint8_t image[16]; // names the box's image there
};

// A directory of the host, served by another process over a link (vfs/mount_protocol.h). Only the command has such a
// server so far (disk/mountserver.h). Files of the user whom that process runs as belong to the box's user inside.
struct belljar_mount {
    const char *place; // where, inside: an absolute path; made as an empty directory if it is not there
    int link;          // stays the caller's; several mounts may share one
    unsigned index;    // of the directory at the server
    bool writable;     // the server is the judge; this is what the box shows
};

struct belljar_options {
    const char *program;     // a name looked up in PATH, or a path with '/'. NULL: argv[0]
    const char *const *argv; // NULL-terminated, with argv[0]
    const char *const *envp; // NULL-terminated; NULL: belljar_default_env
    const char *cwd;         // "/"
    int delta;       // what the box writes is kept: the link to a delta server (vfs/delta_protocol.h), which stays the
                     // caller's. Only the command has one so far (disk/deltaserver.h). 0: none
    int memory_file; // of belljar_memory_file; 0: the box makes its own (and so for belljar_ahead)
    const struct belljar_mount *mounts; // in this order, before any file is put
    unsigned nmounts;
    const char *hostname; // "belljar"
    uint32_t uid, gid;    // 0, 0: root inside the box
    struct belljar_stream stdio[3];
    // Called once, in the thread that runs the box, before the first byte goes to standard output or error. NULL: none.
    void (*before_output)(void *ctx);
    void *before_output_ctx;
    bool terminal; // streams whose fd is a terminal are one inside, in raw mode while the program reads (default true)
    uint64_t memory; // of all processes and files in memory together; 1 GiB. Beyond: ENOMEM, ENOSPC, then SIGKILL
    uint64_t timeout_ns, cpu_time_ns;       // 0: none
    uint64_t output;                        // bytes on stdout and stderr together; 0: no limit
    uint64_t tmp_bytes;                     // size of /tmp; 0: bounded by memory
    unsigned pids, files;                   // threads in all; descriptors a process; 1024, 1024
    int cpu_level;                          // 2: x86-64-v2, 3: x86-64-v3 and AES, SHA, ... (the default)
    enum belljar_engine engine;             // BELLJAR_JIT
    struct belljar_code_memory *code;       // NULL: the box makes its own
    const struct belljar_code_cache *cache; // NULL: none. Needs `code`
    bool jit_eager;                         // for tests: translate whatever runs, at once
    bool verify_code;   // an independent verifier proves each piece of translated code before it runs; needs libZydis
    bool exact;         // software-checked memory: wild 64-bit pointers fault as on hardware, slower
    bool deterministic; // clock, randomness and scheduling are functions of the seed and the instruction count
    uint64_t seed;
    unsigned trace; // enum belljar_trace, bits
    int trace_fd;   // 2
    // BELLJAR_TRACE_STARTUP: when time began (CLOCK_MONOTONIC; belljar_options_init), and CPU time that was spent
    // before, elsewhere (0).
    uint64_t start_ns, start_cpu_ns;
};
BELLJAR_API void belljar_options_init(struct belljar_options *); // fills in the defaults above
BELLJAR_API extern const char *const belljar_default_env[];      // PATH, HOME, LANG, ...
// Only for a process that can open no files when it makes and runs the box: loads now what these options would load
// then (the disassembler of BELLJAR_TRACE_FAULTS, the one of verify_code).
BELLJAR_API int belljar_prepare(const struct belljar_options *, struct belljar_error *why);

// ---------------------------------------------------------------- translating ahead

// Makes of what a box has run (belljar_box_profile) translations that later boxes use from the start. The profile may
// come from anybody: of it only addresses are used, the code comes from the image. Each mapping of the profile becomes
// one record (jit/store.h, struct store_record), written to fd; those that nothing can be made of are left out, and so
// is all that comes behind a mapping that is none. Of the options level, deterministic and memory count, as for the
// boxes. It reads a hostile image and takes seconds: do it in a process of its own, in a jail. Errors: BAD_IMAGE,
// NO_RESOURCES (nothing more can be written). Everything named is borrowed for the call.
struct belljar_ahead {
    const void *profile; // as belljar_box_profile wrote it
    size_t bytes;
    const uint32_t *slots; // numbers for the records, none of them used elsewhere in the cache
    unsigned nslots;       // as many mappings are made
    // The SHA-256 of n bytes: by what a file is known. Called in this thread.
    void (*digest)(const void *, size_t n, uint8_t to[32]);
    // NULL; else the digest of the image, by which and by its inode number a file is known instead: of an image that
    // comes from a server not all of a file is here.
    const uint8_t *image;
};
BELLJAR_API int belljar_ahead(struct belljar_image *, const struct belljar_options *, const struct belljar_ahead *,
                              int fd, struct belljar_error *why);

// Are these n bytes records that are harmless to run, and to look at? Proven by the verifier, block by block, and all
// or none. `records` is aligned to 8 bytes, and nobody changes it meanwhile. That the code does what the guest's would
// is not proven. BUG: one is refused, and *why says which and for what; NO_RESOURCES: no libZydis.
BELLJAR_API int belljar_ahead_check(const void *records, size_t n, struct belljar_error *why);

// ---------------------------------------------------------------- running

enum belljar_end {
    BELLJAR_EXITED,       // code: the exit status, 0 .. 255
    BELLJAR_KILLED,       // code: the signal
    BELLJAR_TIMEOUT,      // timeout_ns or cpu_time_ns were up
    BELLJAR_OUTPUT_LIMIT, // it wrote more than `output` bytes; exactly so many came out
    BELLJAR_STOPPED,      // belljar_box_stop
};

struct belljar_result {
    enum belljar_end end;
    int code;
    uint64_t wall_ns, cpu_ns;
    uint64_t instructions;   // with BELLJAR_INTERP or deterministic; else 0: translated code does not count them
    uint64_t peak_memory;    // bytes held at most
    unsigned live_processes; // background processes that were still there and were ended with the box
    char damage[128];        // what of the image was damaged, and not read: the first that was met. "": nothing
};

struct belljar_box;
BELLJAR_API int belljar_box_new(struct belljar_image *, const struct belljar_options *, struct belljar_box **,
                                struct belljar_error *why); // options are borrowed until belljar_box_free
BELLJAR_API int belljar_box_run(struct belljar_box *, struct belljar_result *,
                                struct belljar_error *why); // once; returns when the program has ended
BELLJAR_API void belljar_box_free(struct belljar_box *);

// With a delta: makes all that the box has written until now durable; after the run, and after the last put. Without:
// nothing. BAD_OPTION: it cannot be kept, and *why says why; what was kept before still is.
BELLJAR_API int belljar_box_save(struct belljar_box *, struct belljar_error *why);

// Files in and out of the box, before and after the run; by root, missing directories are made. A get of a directory or
// a missing file fails.
BELLJAR_API int belljar_box_put(struct belljar_box *, const char *path, uint32_t mode, const void *bytes, size_t n,
                                struct belljar_error *why);
BELLJAR_API int belljar_box_put_fd(struct belljar_box *, const char *path, uint32_t mode, int fd,
                                   struct belljar_error *why); // from fd's position to its end
BELLJAR_API int belljar_box_get_fd(struct belljar_box *, const char *path, int fd, struct belljar_error *why);

// What code of the image's files the box has run, for belljar_ahead: addresses, nothing else (jit/profile.h). After the
// run, before the box is freed, in its thread. Appended to fd, which stays the caller's. Nothing when it was
// interpreted only. NO_RESOURCES: it could not be written, or not all of it.
BELLJAR_API int belljar_box_profile(struct belljar_box *, int fd, struct belljar_error *why);

BELLJAR_API void belljar_box_signal(
    struct belljar_box *,
    int signal); // to the program's foreground process group (SIGWINCH: the terminal's size is read again)
BELLJAR_API void belljar_box_stop(struct belljar_box *); // ends the run soon

// All in one: new, run, free.
BELLJAR_API int belljar_run(struct belljar_image *, const struct belljar_options *, struct belljar_result *,
                            struct belljar_error *why);

// For BELLJAR_TRACE_STARTUP, without which it does nothing: what is called `phase` has just ended.
BELLJAR_API void belljar_trace_phase(const struct belljar_options *, const char *phase);

BELLJAR_API const char *belljar_version(void);

// What the kernel and the CPU of the box support, from the tables they are made of. 0 at the end of the list, else 1.
struct belljar_syscall {
    unsigned number;
    const char *name, *support, *note;
};
BELLJAR_API int belljar_syscall_list(unsigned index, struct belljar_syscall *);
struct belljar_insn {
    const char *name, *operands, *encoding, *feature, *proof;
};
BELLJAR_API int belljar_insn_list(unsigned index, struct belljar_insn *);

#ifdef __cplusplus
}
#endif
