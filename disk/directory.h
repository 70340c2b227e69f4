// belljar's directory in the user's cache directory, and those that an option names. Nobody is believed: a directory,
// and every file in it, must belong to this user and be writable for nobody else, and nothing is opened through a
// symbolic link. Whatever is not as it should be is not there.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

// path NULL: $XDG_CACHE_HOME/belljar, or ~/.cache/belljar. Make it when it is missing? A descriptor; -1 with errno
// (EPERM: not ours alone; 0: there is no home directory) and a line in `why` (of why_size bytes).
int directory_open(const char *path, bool create, char *why, size_t why_size);
// The same for `name` in an opened one.
int directory_below(int dir, const char *name, bool create, char *why, size_t why_size);

// A regular file of ours that nobody else may write to. With O_CREAT it is made. -1 and errno (EPERM: not ours alone).
int directory_file(int dir, const char *name, int flags, struct stat *);

void directory_path(int fd, char *to, size_t n); // for people: where an opened file is now
