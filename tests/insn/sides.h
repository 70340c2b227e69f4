// The host, the interpreter with both memory back ends and the translator, side by side with the same memory.
#pragma once
#include "compare.h"
#include "guest_run.h"
#include "host_run.h"

enum sides_which {
    SIDES_BOTH,
    SIDES_HOST,  // the host alone
    SIDES_GUEST, // the host's data memory is only memory, which whoever knows its contents fills
};

struct sides {
    struct host_runner *host;           // NULL: SIDES_GUEST
    struct guest *guest[GUEST_ENGINES]; // NULL: not wanted
    struct data_image before;           // what data memory holds before a case
    uint8_t *host_data[DATA_PAGES];     // NULL: absent
    struct memories memories[GUEST_ENGINES];
};

void sides_open(struct sides *, enum sides_which, unsigned engines); // bits by enum guest_engine; exits when it cannot
void sides_clean(struct sides *); // nothing is left in code memory of a case that did not come to an end
void sides_sync(struct sides *);  // all memories are as `before`
