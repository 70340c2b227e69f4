// The process that runs the box, inside the jail: see worker.c.
#pragma once
#include "cli/cachefill.h"
#include "cli/deltakeep.h"
#include "cli/imageserver.h"
#include "cli/shares.h"

// What it has from the broker, its parent.
struct inherited {
    int channel; // the broker's socket (channel.h)
    int image;   // open for reading; -1: the server's
    int broker;  // the process
    struct cachefill *cache;
    const struct imageserver *server;
    struct shares *shares;
    const struct deltakeep *delta;
    int memory; // belljar_memory_file
};

// In the child of the fork. Never returns to the caller's work: the result is the process's exit status, of no interest
// to anybody.
int worker_main(struct command_line *, const struct inherited *);
