// Files of the code cache's directory, for codecache*.c and cache_command.c: their names, opening them with care,
// stamps, times of use, trials.
#pragma once
#include "cli/codecache.h"
#include "disk/directory.h"
#include <signal.h>
#include <sys/stat.h>

enum codecache_kind { FILE_CODE, FILE_STAMP, FILE_USED, FILE_TRIED, FILE_KINDS };
enum { CODECACHE_NAME = 64 };
#define CODECACHE_NEW  "new"
#define CODECACHE_LOCK "lock"
#define CODECACHE_BUSY "busy"

void codecache_name(char name[CODECACHE_NAME], enum codecache_kind, const uint8_t key[STORE_DIGEST]);
// Of a file that this directory has, of any version; FILE_KINDS: of none.
enum codecache_kind codecache_kind_of(const char *name);

// A regular file of ours that nobody else may write to. With O_CREAT it is made. -1 and errno otherwise.
int directory_file(int dir, const char *name, int flags, struct stat *);
int codecache_open_locked(int dir, const char *name, int operation); // of flock(2)

// A file larger than the process may make is an error code in between, never a signal.
void codecache_quiet(struct sigaction *saved);
void codecache_unquiet(const struct sigaction *saved);

// The file itself, whatever its key is. NULL: mapped and good, else why it is not.
const char *codecache_map_file(int fd, const struct stat *, const uint8_t key[STORE_DIGEST], struct store *);

bool codecache_is_stamped(int dir, const struct store *, const struct stat *);
void codecache_stamp(int dir, const struct store *); // all its sums are right

// By slot, 0: not known.
void codecache_read_used(int dir, const uint8_t key[STORE_DIGEST], uint32_t used[STORE_MAX_SHARDS + 1]);
uint32_t codecache_now(void);

// The file of trials with this name: what is in each of its places, text that ends and shows. False: no more.
struct codecache_trials {
    int fd;
    unsigned place;
};
struct codecache_trials codecache_trials_open(int dir, const char *name);
bool codecache_trials_next(struct codecache_trials *, struct codecache_trial *);
void codecache_trials_close(struct codecache_trials *);
int64_t codecache_pause_end(const struct codecache_trial *); // as codecache_trial has it
