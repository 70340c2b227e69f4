// The vDSO: see vdso.c.
#pragma once
#include "syscalls/kernel.h"

struct vma;
gaddr vdso_map(struct mm *); // into a new program's memory: where it is, 0: nowhere
const char *vdso_name(const struct mm *,
                      const struct vma *);         // its name in /proc/PID/maps, NULL: it is none of its pages
void vdso_tick(struct box *);                      // at the start of a thread's turn: the page of data, if it is time
void vdso_write(struct box *);                     // at once: a clock was set
uint64_t vdso_at_least(struct box *, uint64_t ns); // what the kernel says itself is not less than what programs read
void vdso_free(struct box *);
