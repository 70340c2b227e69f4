// What the command line asks for.
#pragma once
#include "belljar.h"
#include <stdio.h>

enum { STATUS_LIMIT = 124, STATUS_FAILED = 125, STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127 };

struct copy {
    char *from, *to;
};
struct copies {
    struct copy *at;
    unsigned n;
};

struct shared { // --mount
    char *host, *guest;
    bool writable;
};
enum { SHARED_MAX = 16, HTTP_HEADER_MAX = 16 };

struct command_line {
    struct belljar_options box;
    const char *image, *report;
    const char *delta;      // NULL: none
    uint64_t delta_size;    // bytes; 0: deltaserver.h's
    const char *code_cache; // codecache_directory's argument
    const char *pool;       // pool_open's directory and limit
    uint64_t cache_size;
    struct copies put, get;
    struct shared shared[SHARED_MAX];
    unsigned nshared;
    const char **env; // box.envp
    unsigned nenv;
    const char *http_header[HTTP_HEADER_MAX]; // disk/http_headers.h
    unsigned nhttp_header;
    uint64_t http_timeout_ns; // 0: disk/http.h's
    int record; // for image profile: the disk server writes here which chunks were needed (disk/diskserver.h); -1
    bool jail;  // the worker is in it
    bool done;  // --help, --version: nothing more to do
};

// Exit status when the command line is wrong (the message is out), else 0 with *line filled; argv stays borrowed. Free
// with options_free.
int options_parse(struct command_line *line, int argc, char **argv);
void options_free(struct command_line *);
void options_help(FILE *);
int fail(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3))); // "belljar: ..." on stderr; returns status
int image_command(int argc, char **argv);  // argv[0] is "image"
int cache_command(int argc, char **argv);  // argv[0] is "cache"
int syscalls_command(void);
int insns_command(void);
