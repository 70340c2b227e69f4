// The host and the interpreter, with both memory back ends, side by side with the same memory.
#pragma once
#include "compare.h"
#include "guest_run.h"
#include "host_run.h"

struct sides {
    struct host_runner *host;
    struct guest *guest[2];   // direct, checked; NULL when the host is alone
    struct data_image before; // what data memory holds before a case
    struct memories memories[2];
};

void sides_open(struct sides *, bool host_only); // exits when it cannot
void sides_sync(struct sides *);                 // all three memories are as `before`
void sides_sync_guest(struct sides *, int side);
