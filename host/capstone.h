// Capstone, the disassembler, loaded when it is first wanted: few runs want it, and linked it costs each of them time
// and 3 MB. After a jail is closed only a process that has loaded it before (host_capstone_load) can open it.
#pragma once
#include <capstone/capstone.h>

struct host_capstone {
    void *library;
    __typeof__(cs_open) *open;
    __typeof__(cs_close) *close;
    __typeof__(cs_disasm) *disasm;
    __typeof__(cs_free) *free;
};

int host_capstone_load(void);                   // into the process, for good. 0, or -1: it is not installed
int host_capstone_open(struct host_capstone *); // 0 or -1
void host_capstone_close(struct host_capstone *);
