// The box's physical memory: page frames of 4096 bytes, in one memfd mapped once as a whole, with a reference count
// each; and windows of read-only files (disk images), whose pages are frames too, so that a file page is shown to a
// guest without a copy.
//
// Frame numbers: [1, RAM_FILE_BASE) are RAM, from RAM_FILE_BASE on they lie in attached files, in order of attachment.
// 0 is never used. All frames are in one host reservation: ram_ptr is an addition. Limit: ram_alloc fails when the box
// holds `limit` frames. Frames freed are given back to the host in runs. Threads: one host thread at a time.
#pragma once
#include "host/reader.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAM_FILE_BASE (1u << 22) // 16 GiB of RAM frames at most
#define RAM_FRAMES    (1u << 24) // 64 GiB of host address space in all

struct ram {
    uint8_t *base;
    struct ram_state *state;
    uint32_t mappings;   // host mappings that mirrors of frames hold (cpu/mem.c): the host has a limit for them
    uint64_t code_bytes; // host memory that decoded code takes (cpu/code.c), kept within bounds for the box as a whole
    struct mem *mirrors; // address spaces with a mirror, the one that grew last first
    struct mem *spaces;  // all address spaces (cpu/mem.c)
    // Frames whose code somebody keeps decoded: a bit per RAM frame, set by cpu/mem.c, cleared with the frame's last
    // reference. And who is told that one is about to change.
    uint64_t *code;
    void (*code_changes)(struct ram *, uint32_t frame);
};

// The memfd of the frames below RAM_FILE_BASE, frame N at N * 4096, for who wants another process to read them; or
// -errno. ram_open_on makes it the ram's.
int ram_memory(void);
int ram_open_on(struct ram *, uint32_t limit_frames, int memory);
int ram_open(struct ram *, uint32_t limit_frames); // 0 or -errno of the host, negated
void ram_close(struct ram *);
uint32_t ram_alloc_to_fill(struct ram *, bool zero); // one that is written to at once, through ram_ptr
uint32_t ram_alloc(struct ram *, uint32_t n,
                   bool zero); // n consecutive frames, one reference each; 0 when over the limit or out of numbers
// n consecutive frames with what the pieces have, which is so many pages. 0: as ram_alloc, or it cannot be read.
uint32_t ram_alloc_from(struct ram *, const struct host_piece *, unsigned pieces, uint32_t n);
void ram_ref(struct ram *, uint32_t frame); // file frames: no-op
void ram_unref(struct ram *, uint32_t frame);
uint32_t ram_refs(const struct ram *, uint32_t frame); // file frames: UINT32_MAX
static inline uint8_t *ram_ptr(const struct ram *r, uint32_t frame)
{
    return r->base + ((uint64_t)frame << 12);
}
static inline bool ram_is_file(uint32_t frame)
{
    return frame >= RAM_FILE_BASE;
}
// Whoever writes to a frame other than through a mapping (cpu/mem.h), holding a reference of its own, says so first,
// each time.
static inline bool ram_has_code(const struct ram *r, uint32_t frame)
{
    return !ram_is_file(frame) && r->code[frame / 64] >> (frame % 64) & 1;
}
static inline void ram_writing(struct ram *r, uint32_t frame)
{
    if (ram_has_code(r, frame)) r->code_changes(r, frame);
}
void ram_set_code(struct ram *, uint32_t frame, bool);
uint32_t ram_used(const struct ram *); // frames held now
uint32_t ram_peak(const struct ram *); // frames held at most so far
uint32_t ram_limit(const struct ram *);
int ram_attach(struct ram *, int fd, uint64_t bytes,
               uint32_t *first); // map fd read-only from its start; the tail of the last page reads as zeros
// n bytes of a frame from `off` on. A file's are not touched through the window: that would map it page by page, which
// counts as resident memory (reader.h). 0 or -errno (a file that cannot be read).
int ram_read(const struct ram *, uint32_t frame, uint32_t off, void *to, size_t n);
// The same into pieces of memory, until they are full: how many bytes of them are filled now. What lies behind the end
// of the file reads as zeros. Only frames of files.
int64_t ram_read_pieces(const struct ram *, uint32_t frame, uint32_t off, const struct host_piece *, unsigned n);
// n pages of a file into frames of RAM that nothing shows yet. False: it has to be done with ram_read.
bool ram_copy(struct ram *, uint32_t frame, uint32_t from, uint32_t n);
int ram_backing(const struct ram *, uint32_t frame,
                uint64_t *offset); // the host descriptor and offset behind a frame, for host/region.c
