// From a place in an ELF file to the function it is in, for crash reports and traces (libelf).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol {
    char name[128];
    uint64_t offset;
}; // offset: bytes from the function's start

// image: the whole ELF file in memory (hostile; only read), n bytes. file_offset: of the instruction. False: no symbol
// covers it.
bool symbol_find(const void *image, size_t n, uint64_t file_offset, struct symbol *out);
