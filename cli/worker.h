// The process that runs the box, inside the jail: see worker.c.
#pragma once
#include "cli/cachefill.h"
#include "cli/shares.h"

// In the child of the fork. channel: the broker's socket (channel.h); the cache: opened; image: open for reading;
// broker: the parent. Never returns to the caller's work: the result is the process's exit status, of no interest to
// anybody.
int worker_main(struct command_line *, int channel, struct cachefill *, struct shares *, int image, int broker);
