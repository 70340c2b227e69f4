// Views: whose translations are whose. Code of a file that processes map privately and cannot write is a shared view:
// what one process has translated all that map the same pages at the same place run, so fork and exec do not translate
// again. Every other code belongs to its address space's own view.
//
// A shared view is a range of pages, named by the file and the page of it that is shown first. It has its own piece of
// the table of targets, which is shown in the table of every space that shares it: what one has looked up is there for
// all. Chains inside a view ask nobody, so a space may share one only while it shows all of it, and the same:
//
// - What is translated for a shared view comes from frames of attached files (host/ram.h), whose content never changes;
//   the view notes the frame behind each page. A page that shows anything else makes the range the space's own.
// - A space that joins later must show those frames, or would when it touched the page (jit_source.show).
// - Whoever changes what such a range shows, or would show, tells it (jit_space_changed) before guest code runs again.
//   The space then leaves the view, and asks anew what the range is when code there is to run.
//
// Code outside the view is reached through the table only (trace_exit), from a space's own view too.
#pragma once
#include "jit/cache.h"
#include "jit/shard.h"

// Pages of table that a box may fill: 256 MiB. A guest could have 4 bytes of them for each byte of its code. When there
// are as many, jumps to elsewhere cost a signal until something is translated, before which all go.
enum { MAX_FILLED = 1 << 16 };

struct view {
    uint32_t id;
    struct jit_mapping of;
    uint32_t *frames; // by page: what its translations are of; 0: there are none
    struct shard
        *shard;       // NULL: none; else the table comes from there, private to each space, and the two below are NULL
    uint32_t *table;  // its targets
    uint64_t *filled; // a bit per page of the table, as jit_space.table_filled
    uint32_t nfilled;
    unsigned uses; // spaces
    struct view *next;
};

struct view_range { // what a space has found out about its pages
    uint32_t first, end;
    struct view *view; // NULL: the space's own
    // Of a shard's view: pages of its piece of table that the space has written to, which are its own memory since. A
    // bit each, NULL: none yet.
    uint64_t *own;
    uint32_t nown;
};

uint32_t view_find(struct jit_space *, uint32_t page); // slow: see view_at

// The view of the code at pc, which the space joins if it can. Never 0.
static inline uint32_t view_at(struct jit_space *s, uint32_t pc)
{
    uint32_t page = pc >> PAGE_SHIFT;
    if (s->last_range >= s->nranges) return view_find(s, page);
    const struct view_range *r = &s->ranges[s->last_range];
    if (page - r->first >= r->end - r->first) return view_find(s, page);
    return r->view ? r->view->id : s->view;
}

struct view *view_shown(struct jit_space *, uint32_t page); // the one it has joined there, NULL: none
// A page of table, of a shard's view, is about to be written to. False: the box may have no more of them.
bool view_own_page(struct jit_space *, uint32_t page);
bool view_has_code(struct jit_space *, struct view *,
                   uint32_t page);                                 // false: it cannot be translated for it, after all
void view_leave(struct jit_space *, uint32_t first, uint32_t end); // what of it lies in this range of pages
void view_drop(struct jit_space *);                                // the space and its region end
void view_forget(struct jit *);                                    // all blocks have gone
void view_close(struct jit *);
