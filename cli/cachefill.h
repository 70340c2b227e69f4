// The code cache of one command (codecache.h): what a box is given of it, and what is put into it of what the box has
// run, in the background, when the command has ended.
//
//     if (cachefill_open(&c, line, image)) ... // before the worker is forked
//     cachefill_lend(&c, &line->box);        // in the worker, before its jail closes
//     cachefill_end(&c, line, image);        // when it has ended: forks what goes on alone
//
// Who does what: the worker, which runs a guest, only reads the cache, and writes down which addresses have run. The
// background process forks a translator into a jail of its own, which reads the image and makes translations of these;
// then proves what it gets from there, block by block, and writes it.
#pragma once
#include "cli/codecache.h"
#include "cli/options.h"

struct cachefill {
    int dir; // -1: no cache
    uint8_t key[STORE_DIGEST];
    struct store store; // head NULL: nothing there yet
    struct belljar_code_cache cache;
    int profile; // where the worker writes what ran
};

// 0; else the command's status, when it has said why the directory that somebody named cannot be used.
int cachefill_open(struct cachefill *, const struct command_line *, int image);
void cachefill_lend(struct cachefill *, struct belljar_options *);
void cachefill_end(struct cachefill *, const struct command_line *, int image);
