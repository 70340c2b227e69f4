// Memory for code that is emitted: one memfd, mapped twice, so that nothing is ever writable and executable through one
// mapping. Made before a jail closes that allows no executable mappings (host/jail.def); no descriptor stays open.
//
// It runs in a window: 4 GiB at `top` << 32 that belong to emitted code alone. So 32 bits name any place of it, and any
// 32 bits with `top` above them are an address where nothing else is (docs/design.md). The code lies at the window's
// start.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_exec {
    uint8_t *rw;       // written here
    const uint8_t *rx; // runs there
    size_t bytes;
    uint32_t top;
};
// Where windows may be: far above programs at fixed addresses, far below what kernels and their loaders choose, and as
// an address of its own below what can be mapped (64 KiB).
enum { HOST_EXEC_TOP_MIN = 0x2000, HOST_EXEC_TOP_MAX = 0x4fff };
#define HOST_EXEC_WINDOW (1ull << 32)

// top: 0, chosen at random; else that one or none. 0 or -errno: the host forbids executable memory, or has none, or
// something lies there (-EEXIST).
int host_exec_new(struct host_exec *, size_t bytes, uint32_t top);
void host_exec_free(struct host_exec *); // the window, too
// What was written last is complete: the writable mapping's pages need not stay resident (they count twice).
void host_exec_settle(const struct host_exec *, size_t from, size_t to);

// The GS base of this thread, which emitted code reaches the guest's memory with. By an instruction where the host has
// it (FSGSBASE), else by a system call.
bool host_has_wrgsbase(void);
void host_set_gs(uintptr_t base, bool by_instruction);
// Does this host run emitted code? (x86-64.)
const char *host_exec_lacks(void); // NULL: nothing
