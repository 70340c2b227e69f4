// ELF executables and interpreters: header and program headers of a hostile file, checked and turned into a plan of
// what to map.
//
// Follows fs/binfmt_elf.c of Linux: what it refuses is refused with the same errno; what it ignores is ignored. Only
// ELF64, x86-64, little-endian.
#pragma once
#include "abi/linux.h"
#include <stdbool.h>
#include <stddef.h>

enum { ELF_MAX_SEGMENTS = 64 }; // PT_LOADs belljar maps; more is ENOEXEC. Linux allows 64 KiB of program headers

struct elf_segment { // one PT_LOAD, as written in the file (not rounded)
    uint64_t vaddr, offset, filesz, memsz;
    unsigned prot; // LX_PROT_*
};

struct elf_plan {
    bool dyn;            // ET_DYN: may be placed anywhere
    uint64_t entry;      // relative to the load bias
    uint64_t lo, hi;     // address span of all segments: [lo, hi), page-rounded
    uint64_t align;      // the largest p_align of a segment, a power of two, at least a page
    uint64_t phdr_vaddr; // where the program headers are when loaded (AT_PHDR), 0 if no segment holds them
    uint16_t phnum, phentsize;
    bool exec_stack; // PT_GNU_STACK with PF_X, or absent as Linux treats it (absent: not executable on x86-64 with our
                     // personality)
    char interp[LX_PATH_MAX]; // "" for static programs
    unsigned nsegments;
    struct elf_segment segment[ELF_MAX_SEGMENTS];
};

// Reads n bytes at offset of the file into to; returns the bytes read (short at the end of file) or a negative errno
// (-LX_EPARK: call elf_read again later).
typedef int64_t elf_read_fn(void *file, uint64_t offset, void *to, size_t n);

// 0, or -LX_ENOEXEC (not an ELF file we run), -LX_ELIBBAD (broken interpreter), -LX_EINVAL, -LX_EIO, -LX_EPARK. *why,
// when not NULL, gets a static sentence fragment for messages ("is for another machine (aarch64)" class of text).
int elf_read_plan(struct elf_plan *, elf_read_fn *, void *file, uint64_t file_size, const char **why);
