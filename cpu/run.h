// What cpu/run.c and the checked memory back end share.
#pragma once
#include "cpu/cpu.h"

// Values that cpu->unwind is jumped to with.
enum {
    UNWIND_HOST = 1 /* from host/fault.c: its guard says where */,
    UNWIND_MEMORY /* cpu->fault has address and access */,
    UNWIND_RAISE
};
