// The image of a command, when it is not a local file: its pool, its disk server (disk/diskserver.h), and what of both
// the worker inherits.
//
//     imageserver_start(&s, line) ... imageserver_own(&s, fd), server_lent(&s.server) ... imageserver_end(&s)
#pragma once
#include "cli/options.h"
#include "disk/http.h"
#include "disk/server.h"
#include "vfs/disk_protocol.h"
#include <sys/types.h>

enum { IMAGESERVER_OWN = 4 };

struct imageserver {
    const char *image; // NULL: a local file, and nothing below is used
    const char *name;  // of it, for messages
    char url[HTTP_SHOWN];
    struct pool *pool;
    struct server server;
    int table, ended; // ended: reads as closed when the server has ended, or the image
    const struct disk_head *head;
    bool told;               // its end
    bool progress;           // may be shown, until the program writes something
    bool shown;              // is on the terminal
    unsigned ticks, changed; // of IMAGESERVER_TICK; when bytes came last
    uint64_t bytes;
};

enum { IMAGESERVER_TICK = 100000000 }; // ns

// Starts it if the image needs one. 0; else the command's status, when it has said why not.
int imageserver_start(struct imageserver *, const struct command_line *);
// What the worker needs of the box's own descriptors: blocks, table, spare memory, pins (which it
// only holds).
void imageserver_own(const struct imageserver *, int fd[IMAGESERVER_OWN]);
bool imageserver_opening(const struct imageserver *); // nothing is known of the image yet
bool imageserver_stuck(const struct imageserver *);   // for seconds nothing has come that the box waits for
bool imageserver_ended(const struct imageserver *);   // it has said why
// The server has ended while it was needed: says why; the command's status.
int imageserver_tell_end(struct imageserver *);
// Called with every tick while nothing is written: shows what is being fetched. And takes it from the terminal, at the
// latest before anything else is written there.
void imageserver_tick(struct imageserver *);
void imageserver_hide(struct imageserver *);
// The command ends. Says so when some of the image was not to be had.
void imageserver_end(struct imageserver *);
void imageserver_report(const struct imageserver *, FILE *); // as a member of a JSON object, if there is one
