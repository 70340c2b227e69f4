// Which page frame holds each page of a file: a sparse radix tree, so that its size follows the pages held, never the
// file's length. A frame comes with a flag `own`: the page belongs to the file (was written); without it, it is a
// cached copy of a lower page. The map holds one reference on each frame, which the caller gives (pagemap_set) and gets
// back (pagemap_cut's drop).
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct vfs;
struct pagemap {
    void *root;
    unsigned height;        // levels; 0: empty
    struct pm_leaf *recent; // the leaf last used, and its first index
    uint32_t recent_base;
};

enum {
    PAGE_HOLE = 0xffffffff, // "frame" of a page that was made a hole over a lower page
    PAGE_KEPT = 0xfffffffe, // of a page of the file's own whose content is not in memory but in the delta
};
static inline bool page_in_memory(uint32_t frame)
{
    return frame && frame < PAGE_KEPT;
}

uint32_t pagemap_get(struct pagemap *, uint32_t index, bool *own);                         // 0: not there
int pagemap_set(struct vfs *, struct pagemap *, uint32_t index, uint32_t frame, bool own); // replaces; -LX_ENOSPC
bool pagemap_next(const struct pagemap *, uint64_t from, uint32_t *index, uint32_t *frame,
                  bool *own); // first page at or after from
typedef void pagemap_drop(void *ctx, uint32_t frame, bool own);
void pagemap_cut(struct vfs *, struct pagemap *, uint64_t from, uint64_t to, pagemap_drop *,
                 void *ctx); // removes pages [from, to)

// Marks: pages that differ from what the delta has. A page that is cut off has none. pagemap_mark is for pages that are
// there; true: it was not marked.
bool pagemap_mark(struct pagemap *, uint32_t index);
uint16_t pagemap_marked(struct pagemap *, uint32_t first); // of 16 pages from `first` on, a multiple of 16
void pagemap_unmark(struct pagemap *, uint32_t first);     // these
bool pagemap_next_mark(const struct pagemap *, uint64_t from, uint32_t *index); // the first at or after from
