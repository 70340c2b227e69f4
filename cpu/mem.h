// A guest address space as the CPU sees it: the one door to guest memory.
//
// Addresses are 32 bits wide (docs/design.md). Each 4096-byte guest page either is absent or shows one page frame of
// the box's memory (host/ram.h) with permissions. Which file or process a page belongs to, and what happens on a fault,
// is the kernel's business (syscalls/mm.c); this is only the page table and its two back ends, chosen when an address
// space is made:
//
//   direct   a region of 4 GiB of host address space with guards around it, into which the frames are mapped
//            (host/region.h); an access is one host instruction, its fault a host SIGSEGV that unwinds to cpu_run. High
//            address bits are ignored (aliases).
//   checked  no host mapping: each access looks its page up in the table and goes to the frame directly. Addresses of
//            4 GiB and more fault, but for those that mem_low knows. For --exact, hosts with other page sizes,
//            WebAssembly, sanitizers.
//
// The page table is the truth for both; the region only mirrors it, possibly later (a direct access to a page that is
// in the table but not in the region faults once and is mapped by cpu_run through mem_mirror). The region never allows
// what the table does not. When it has come to more host mappings than the host may allow, all of it is dropped and
// built again by faults.
//
// Threads: an address space is used by one host thread at a time. Ownership: each mapping of a RAM frame holds one
// reference.
#pragma once
#include "host/ram.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gaddr; // a guest address as a program passes it: check mem_low of it against MEM_TOP before use

#define PAGE_SHIFT 12
#define PAGE_BYTES 4096u
#define MEM_TOP    0x100000000ull
#define MEM_PAGES  (1u << 20)

enum mem_backend { MEM_DIRECT, MEM_CHECKED };

enum {
    MEM_R = 1,
    MEM_W = 2, // given by mem_map and mem_protect; only effective without MEM_COW and MEM_CODE
    MEM_X = 4,
    MEM_COW = 8,   // writable only after a copy, or a mem_map of the frame that nobody else holds (syscalls/mm_fault.c)
    MEM_CODE = 16, // its frame has decoded instructions: the next write drops them first
    MEM_PRESENT = 32,  // set in every page table entry that is not 0
    MEM_SHOWN = 64,    // direct: mapped in the region, readable
    MEM_SHOWN_W = 128, // direct: mapped in the region, writable
    MEM_UNKEPT = 256,  // the next write has its content saved first (mem_keep_begin)
    MEM_RESTLESS = 512 // code and data alternate: run from the bytes, unwatched (mem_step)
};

typedef uint64_t pte_t; // frame << 12 | MEM_* bits; 0: absent
struct code;            // cpu/code.h

// The fields belong to mem.c; they are here for mem_checked_fast.
struct mem_restless { // a page that guests write to while its code runs, see mem_step
    uint32_t page;
    uint16_t faults, patience; // writes that dropped code since the last trial; as many as the next takes
    uint32_t steps;            // left
};

// Who fills the table on demand: makes the page at addr present with what `need` asks for, if it may be, by mem_map.
// Called from mem_mirror, that is, while the guest is in the middle of an instruction. 0; anything else: not now, or
// not at all, which the owner finds out again when the run ends with the fault.
struct mem_pager {
    int (*fetch)(void *owner, uint32_t addr, unsigned need);
    void *owner;
};

// Names (syscalls/mm_wide.c): addresses of 4 GiB and above that stand for pages below, with the same lower half. The
// k-th claims the 16 GiB from k << MEM_NAME_SHIFT on, of which it is `npages` pages from `start` on.
enum { MEM_NAMES = 64, MEM_NAME_SHIFT = 34, MEM_PROBE_SHIFT = 12 };
struct mem_name {
    uint64_t start;
    uint32_t npages; // 0: none
};

struct mem {
    pte_t *table;    // MEM_PAGES entries, populated by use
    uint8_t *frames; // host address of frame 0
    struct ram *ram;
    uint8_t *region;   // direct: host address of guest address 0
    struct code *code; // told when a code page changes
    struct mem_pager pager;
    uint32_t high; // addresses with this upper half are names for those below 4 GiB, too; 0: none are
    // The page from which on there is a page for each 16 MiB of addresses below 1 TiB, readable if they are, or may be,
    // memory: an access to the byte at (address >> MEM_PROBE_SHIFT) of these says whether one to the address aliases
    // something else. 0: no names, and whoever accesses addresses of 4 GiB and above gets what is 4 GiB below.
    uint32_t probe;
    struct mem_name name[MEM_NAMES];
    uint32_t mappings;                      // host mappings the region is made of, beside the empty one
    uint64_t chunks[32];                    // which 512-page chunks of the table were ever used
    uint64_t shared[32], shared_w[32];      // chunks with RAM frames that others may hold, too; writable ones
    struct mem_kept *kept;                  // between mem_keep_begin and mem_keep_end
    struct mem *mirror_next, **mirror_prev; // ram->mirrors; prev NULL: not in it
    struct mem *next, **prev;               // ram->spaces
    struct mem_restless restless[16];       // by page
};

struct mem *mem_new(struct ram *, enum mem_backend); // NULL: out of host address space
void mem_free(struct mem *);                         // unmaps everything, dropping the frames' references

// Map npages consecutive frames from `frame` at page; replaces what was there. Takes over one reference per RAM frame.
// prot: MEM_R|W|X, plus MEM_COW. W or X implies R, as on the hardware. A page with MEM_COW is never writable, whatever
// prot says. Frames of attached files are never writable either: a W mapping of one must have MEM_COW. 0 (failures to
// mirror only cost time; int for the day when the table itself may fail).
int mem_map(struct mem *, uint32_t page, uint32_t npages, uint32_t frame, unsigned prot);
// The same without touching the region: for pages that may never be used (prefault of a whole file).
int mem_map_lazily(struct mem *, uint32_t page, uint32_t npages, uint32_t frame, unsigned prot);
void mem_unmap(struct mem *, uint32_t page, uint32_t npages);
// Pages present get prot (R|W|X; MEM_COW is kept); absent stay absent. prot 0: present, but no access allowed.
void mem_protect(struct mem *, uint32_t page, uint32_t npages, unsigned prot);
// The address below 4 GiB that a is, or is another name for; else a.
gaddr mem_named(const struct mem *, gaddr a); // where there are names
static inline gaddr mem_low(const struct mem *m, gaddr a)
{
    if (a >> 32 == m->high) return (uint32_t)a;
    return a >= MEM_TOP && m->probe ? mem_named(m, a) : a;
}
// Where the addresses end that go on from a, which mem_low has made `low` of: of what is named no further than the
// name.
gaddr mem_low_end(const struct mem *, gaddr a, gaddr low);
// Is a within 16 GiB from a name on?
bool mem_claimed(const struct mem *, gaddr a);
// What is to be added to the address of a page that is named; 0: it is not.
gaddr mem_name_of(const struct mem *, uint32_t page);
static inline pte_t mem_pte(const struct mem *m, uint32_t page)
{
    return m->table[page];
}
static inline uint32_t pte_frame(pte_t p)
{
    return (uint32_t)(p >> PAGE_SHIFT);
}

// fork: `to` gets what `from` shows in the range (where `to` must be empty), with a reference more on each frame. cow:
// pages become MEM_COW on both sides (private mappings); else they stay shared. Nothing is copied, and `to` is mirrored
// by faults.
int mem_clone(struct mem *to, struct mem *from, uint32_t page, uint32_t npages, bool cow);
// mremap: move the entries of a range (to an empty range that does not overlap); references move along.
void mem_move(struct mem *, uint32_t to, uint32_t from, uint32_t npages);
// The first present page in [page, end), or end: skips holes quickly.
uint32_t mem_next_present(const struct mem *, uint32_t page, uint32_t end);

// Host address of the byte at a, valid up to its page's end, when the page is present and allows `need` (MEM_R, MEM_W,
// MEM_X); else NULL. For the kernel's uaccess and the decoder; a writer gets its page's decoded code dropped first.
// Valid until the next change of that page's mapping.
void *mem_host(struct mem *, uint32_t addr, unsigned need);

// Code pages: the decoder marks a page before it caches instructions from it; a guest write to it (or mem_host for W,
// map, unmap, the loss of MEM_X) drops them. What is watched is the frame: a write through any other mapping of it, in
// any address space of the box, and one of the kernel's to a file's page (ram_writing) drops them, too.
void mem_mark_code(struct mem *, uint32_t page);
// A page that is written to time and again while its code runs costs a fault and the code each time. After some of
// these it becomes restless (MEM_RESTLESS): it is not watched, nothing is kept of its code, and whoever runs code that
// begins in it decodes one instruction at a time, just before it is executed. mem_step counts these, and says whether
// the page still is restless. It stays so for as long as it goes on changing; mem_mark_code, too, ends it.
//
// There is always progress. A write to a watched page drops the code and makes the page writable; the instruction that
// writes is then run alone from its bytes, which needs no watch (cpu/run.c), so it comes through, even if it lies in
// the page it writes to or writes to two. A write to a restless page does not fault.
bool mem_step(struct mem *, uint32_t page);
static inline bool mem_is_restless(const struct mem *m, uint32_t page)
{
    return m->table[page] & MEM_RESTLESS;
}
void mem_set_code(struct mem *, struct code *); // who is told (code_invalidate_page) when a code page changes
void mem_set_pager(struct mem *, struct mem_pager);

// An access to a non-canonical address is #GP, not #PF (SDM vol. 1, 3.3.7.1).
static inline bool is_canonical(uint64_t a)
{
    return (int64_t)(a << 16) >> 16 == (int64_t)a;
}

// Does the table allow the access now? W: not on MEM_COW, MEM_CODE and MEM_UNKEPT pages.
static inline bool pte_allows(pte_t p, unsigned need)
{
    unsigned withheld = need & MEM_W ? MEM_COW | MEM_CODE | MEM_UNKEPT : 0;
    return (p & (need | withheld | MEM_PRESENT)) == (need | MEM_PRESENT);
}

// Checked back end's fast path: the host address of n bytes at a when they lie in one page that allows `need`; else
// NULL.
static inline uint8_t *mem_checked_fast(const struct mem *m, uint64_t a, unsigned n, unsigned need)
{
    bool outside = a >> 32 && mem_low(m, a) >> 32;
    if (__builtin_expect(outside || (a & (PAGE_BYTES - 1)) + n > PAGE_BYTES, 0)) return NULL;
    pte_t p = m->table[(uint32_t)a >> PAGE_SHIFT];
    if (__builtin_expect(!pte_allows(p, need), 0)) return NULL;
    return m->frames + ((p & ~(pte_t)(PAGE_BYTES - 1)) | (a & (PAGE_BYTES - 1)));
}

static inline uint8_t *mem_region(const struct mem *m)
{
    return m->region;
} // host address of guest address 0; checked: NULL
static inline enum mem_backend mem_backend(const struct mem *m)
{
    return m->region ? MEM_DIRECT : MEM_CHECKED;
}

// After a fault at guest address addr: true when the table allows the access, now that its owner has been asked, and
// the region has been brought up to date (mirrored, or a code page made writable): run the instruction again. False: a
// #PF for the kernel.
bool mem_mirror(struct mem *, uint32_t addr, unsigned need);

// Keeping: from mem_keep_begin to mem_keep_end the content of a page is saved before its first write, so that what a
// run wrote can be seen and undone. No mapping may change meanwhile. Pages are in the order of their first write; two
// that show one frame are undone rightly because it is done backwards.
struct mem_kept {
    uint32_t n, room;
    uint32_t *page;
    uint8_t *bytes; // PAGE_BYTES each
};
void mem_keep_begin(struct mem *, struct mem_kept *); // empties what was kept
void mem_keep_end(struct mem *);
void mem_keep_page(struct mem *, uint32_t page); // now, as if it were written; nothing if it cannot be written
void mem_undo(struct mem *, const struct mem_kept *);
void mem_kept_free(struct mem_kept *);
