// Shards on their way into the code cache's file (struct store_record): written by a process that reads a hostile
// image, so looked at here like anybody's bytes. What is good keeps within its bounds everywhere a box will look, and
// each block of its code is proven harmless (jit/verify.h). That it does what the guest's code does is not proven, nor
// that it says why it leaves (jit/run.c).
#pragma once
#include "jit/check.h"
#include "jit/store.h"

struct record {
    const struct store_record *head;
    const void *section[STORE_SECTIONS];
    size_t bytes; // of all of it
};

// The record at the start of n bytes. False: there is none, or it is cut off.
bool record_parse(const void *at, size_t n, struct record *);
bool record_check(const struct record *, struct jit_check *, const char **why);
