// The code cache's directory: which file there is for whom, how it is opened, and how another one takes its place. What
// is in a file: jit/store.h.
//
//     code-K.vN    the file for the key that begins with K, of version N. Never written to once it has this name
//     stamp-K.vN   which of these files has been checked whole since this machine started: its device, inode, size,
//     ctime
//                  and generation, and the machine's boot id. Sums need not be asked then. Who changes a file changes
//                  its ctime. After a start of the machine no stamp counts: so nothing has to be synced to the disk;
//                  what a crash has left of a file is found by its sums
//     used-K.vN    when each shard was used last, by slot: numbers of 32 bits, seconds since 2026
//     tried-K.vN   what came of the last try to make something of an image (struct codecache_trial)
//     new          the file that a writer is at. Who finds one, with the lock, removes it: its writer was killed
//     lock         exclusively locked (flock) by who writes here
//     busy         locked by background work that will want to write (codecache_begin)
//
// Who is believed, and who is not: disk/directory.h. A file that is cut off while
// it is mapped ends its readers (SIGBUS), as one does whose shared libraries are: only this user can do that.
#pragma once
#include "jit/store.h"
#include <sys/types.h>

enum {
    CODECACHE_WHY = 256,         // bytes that a reason takes
    CODECACHE_LIMIT = 256 << 20, // bytes on disk, unless somebody says otherwise
    CODECACHE_TIME = 20,         // bytes that a time takes
    CODECACHE_EPOCH = 1767225600 // 2026-01-01 00:00 UTC
};

// The directory: what --code-cache says, NULL: the default. -1: there is none, `why` says the reason, empty where it
// was asked for ("none"). Make it when it is missing?
int codecache_directory(const char *option, bool create, char why[CODECACHE_WHY]);

// For people: a time of time(2), to the minute.
void codecache_time(int64_t when, char to[CODECACHE_TIME]);

// What a file's code depends on, beside the content of what it was made from: this build of belljar, the CPU, and
// `options`, bytes that whoever compiles chooses. It is a name, no proof. False: this program has no build id.
bool codecache_key(uint8_t key[STORE_DIGEST], const void *options, size_t n);

// The file for this key, mapped to be read. False: there is none, and *why says what was wrong with it.
bool codecache_open(int dir, const uint8_t key[STORE_DIGEST], struct store *, const char **why);
void codecache_close(struct store *); // and its descriptor
// Maps its code to where it runs. `window` is the start of the 4 GiB that are reserved for code, from which it belongs
// to nobody else: STORE_WINDOW + STORE_MAX_CODE bytes at head->top << 32. False: it cannot be executed here.
bool codecache_map(const struct store *, void *window);

// These shards (a bit for each slot) have just been used.
enum { CODECACHE_SLOT_WORDS = STORE_MAX_SHARDS / 64 + 1 };
void codecache_touch(int dir, const uint8_t key[STORE_DIGEST], const uint64_t slots[CODECACHE_SLOT_WORDS]);

// ---------------------------------------------------------------- writing (codecache_write.c)

// What is held (also across fork) from when a box ends until all that comes of it has been written: `belljar cache
// wait` waits until it is closed. A descriptor, -1: none can be had, and nothing will be waited for.
int codecache_begin(int dir);

// Can anything ever be written here, and be run from here? False: `why` says what the directory or its file system
// lacks. Nothing is made by looking.
bool codecache_fillable(int dir, char why[CODECACHE_WHY]);

// A new shard. What `section` names is the caller's, and stays until the commit. That of STORE_TABLE is not used: the
// table is made from `targets`, in any order. One at the end of the shard, and one right before another one, get no
// entry (jit/store.h); of two for one address the later counts.
struct store_new {
    struct store_shard id; // digest, offset, first, npages, slot. The rest is the writer's
    struct {
        const void *at;
        size_t bytes;
    } section[STORE_SECTIONS];
    const struct store_target *targets;
    uint32_t ntargets;
};

struct codecache_writer;

// Takes the lock, after whoever has it if `wait`. NULL: *error is an errno (EWOULDBLOCK: somebody has it). It has then
// looked at all that is in the current file, and left out what is damaged.
struct codecache_writer *codecache_lock(int dir, const uint8_t key[STORE_DIGEST], bool wait, int *error);
const struct store *codecache_current(const struct codecache_writer *); // NULL: no file yet, or nothing in it counts
// The slot of the shard with this identity, else a free one, which is then taken. 0: there is none.
uint32_t codecache_slot(struct codecache_writer *, const struct store_shard *id);
// False: it cannot be (bounds, a slot that was not given, no memory, so large that little else would find room), or is
// there already.
bool codecache_add(struct codecache_writer *, const struct store_new *);
bool codecache_remember(struct codecache_writer *,
                        const struct store_memo *); // in place of what was known of the inode
// Writes the file and gives the lock back. Shards that were used longest ago go, so that no more than `limit` bytes are
// on the disk, and what the directory has for other keys. 0 or an errno: then the file that was there stays, and
// nothing else is left. With nothing new, and nothing damaged, nothing is written.
int codecache_commit(struct codecache_writer *, uint64_t limit);
void codecache_abandon(struct codecache_writer *);

// ---------------------------------------------------------------- what was tried (codecache_tried.c)

// The last try to make something of an image, or of one mapping of it. So that nobody has to guess why nothing is kept,
// and so that what comes to nothing is not tried with each run.
struct codecache_trial {
    uint8_t of[16]; // the image's name (struct store_memo), or one for the mapping
    uint32_t mapping;
    uint32_t when;  // seconds since CODECACHE_EPOCH; 0: never
    uint32_t times; // in vain, one after the other; more than 3 count as 3
    uint32_t asked, made;
    char what[220]; // for people
    char why[CODECACHE_WHY];
};

// What is known of what t->of and t->mapping say: fills in the rest. Until when it is left alone, in time(2)'s seconds:
// after two tries in vain ten minutes, after more an hour; 0: it is not.
int64_t codecache_trial(int dir, const uint8_t key[STORE_DIGEST], struct codecache_trial *t);
// For who has the lock, and is about to try: it counts as in vain, and as ended from outside, until codecache_tried
// says more. False: it is left alone, or this cannot be written down, so nothing is to be tried. `of`, `mapping` and
// `what` are the caller's.
bool codecache_try(int dir, const uint8_t key[STORE_DIGEST], struct codecache_trial *t);
// `made` of `asked`; `why` says what there is to say. `times` stays as codecache_try has counted it, unless the caller
// sets it to 0: not in vain, or to 1: without having cost anything, so not to be left alone.
void codecache_tried(int dir, const uint8_t key[STORE_DIGEST], struct codecache_trial *t);
