// A guest process's host address space: 4 GiB at a 4 GiB boundary with guards of PROT_NONE around it, and room for the
// translator's table (docs/design.md). R - (2 GiB + 1 MiB) .. R: guard;  R .. R + 4 GiB: guest;  R + 4 GiB .. R + 8
// GiB: guard;  R + 8 GiB .. R + 24 GiB: the table of targets, 4 bytes for each guest byte, and a page more of it, since
// 8 bytes are read at each entry.
#pragma once
#include "host/ram.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint8_t *region_new(void); // NULL: no address space left. All of it PROT_NONE
void region_free(uint8_t *region);
// The table of targets becomes memory, zeros at first. NULL: the host does not overcommit.
uint32_t *region_table_new(uint8_t *region);
void region_table_clear(uint8_t *region); // zeros again
// A piece of table that several regions show in theirs: for the pages of guest memory from `page` on. `bytes` in all.
uint32_t *region_piece_new(size_t bytes); // zeros. NULL: no address space left
void region_piece_free(uint32_t *piece, size_t bytes);
void region_piece_clear(uint32_t *piece, size_t bytes); // zeros again, wherever it is shown
bool region_piece_show(uint8_t *region, uint32_t page, uint32_t npages, uint32_t *piece); // false: no mappings left
bool region_piece_file(uint8_t *region, uint32_t page, uint32_t npages, int fd, uint64_t offset); // a file's, privately
void region_piece_hide(uint8_t *region, uint32_t page, uint32_t npages);                          // zeros instead
// Map n frames consecutive in their backing at byte offset addr. prot: host PROT_READ | PROT_WRITE. 0 or -errno.
int region_map(uint8_t *region, uint32_t addr, uint32_t n, const struct ram *, uint32_t frame, int prot);
int region_protect(uint8_t *region, uint32_t addr, uint32_t n, int prot);
int region_clear(uint8_t *region, uint32_t addr, uint64_t n); // n pages back to PROT_NONE, nothing behind them
