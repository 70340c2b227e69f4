// The code cache of one command (codecache.h): what a box is given of it, and what is put into it of what the box has
// run, in the background, when the command has ended.
//
//     if (cachefill_open(&c, line, image)) ... // before the worker is forked
//     cachefill_lend(&c, &line->box);        // in the worker, before its jail closes
//     cachefill_look(&c, line, image, server); // when the box has ended
//     cachefill_end(&c, line, image, server);  // and its process, too: forks what goes on alone
//
// The image is a descriptor; -1: the server's, whose name is known when it has opened it (cachefill_name, in the
// worker).
//
// Who does what: the worker, which runs a guest, only reads the cache, and writes down which addresses have run. The
// background process forks a translator into a jail of its own, which reads the image and makes translations of these;
// then proves what it gets from there, block by block, and writes it.
#pragma once
#include "cli/codecache.h"
#include "cli/imageserver.h"
#include "cli/options.h"

struct cachefill {
    int dir; // -1: no cache
    uint8_t key[STORE_DIGEST];
    struct store store; // head NULL: nothing there yet
    struct belljar_code_cache cache;
    int profile;               // where the worker writes what ran
    char lacks[CODECACHE_WHY]; // why nothing of it is used, empty: it is there to be used
    unsigned shards;           // that the box has used,
    uint8_t *ran;              // and what it has written down,
    size_t nran;               //
    bool wants;                // some of which is to be added: after cachefill_look
};

// 0; else the command's status, when it has said why the directory that somebody named cannot be used.
int cachefill_open(struct cachefill *, const struct command_line *, int image);
void cachefill_lend(struct cachefill *, struct belljar_options *);
void cachefill_name(struct cachefill *, const uint8_t digest[DISK_DIGEST]);
// Copies what the worker has written, who may still be at it.
void cachefill_look(struct cachefill *, const struct command_line *, int image, const struct imageserver *);
void cachefill_end(struct cachefill *, const struct command_line *, int image, const struct imageserver *);

// Has this machine what filling a cache takes, beside a directory? False: `why`.
bool cachefill_possible(char why[CODECACHE_WHY]);
// The worker has died: of the cache's file having been cut off? Then a line is out that says so.
bool cachefill_tell_cut_off(const struct cachefill *);
// Names what is in a regular file by what stat says, which nobody can keep who changes it. NULL; else why that does not
// hold for this one.
const char *cachefill_name_file(int fd, uint8_t to[16]);
