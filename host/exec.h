// Memory for code that is emitted: one memfd, mapped twice, so that nothing is ever writable and executable through one
// mapping. Made before a jail closes that allows no executable mappings (host/jail.def); no descriptor stays open.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_exec {
    uint8_t *rw;       // written here
    const uint8_t *rx; // runs there
    size_t bytes;
};
int host_exec_new(struct host_exec *, size_t bytes); // 0 or -errno: the host forbids executable memory, or has none
void host_exec_free(struct host_exec *);
// What was written last is complete: the writable mapping's pages need not stay resident (they count twice).
void host_exec_settle(const struct host_exec *, size_t from, size_t to);

// The GS base of this thread, which emitted code reaches the guest's memory with. By an instruction where the host has
// it (FSGSBASE), else by a system call.
bool host_has_wrgsbase(void);
void host_set_gs(uintptr_t base, bool by_instruction);
// Does this host run emitted code? (x86-64.)
const char *host_exec_lacks(void); // NULL: nothing
