// A process's memory map: what is where (struct vma), which the page table (cpu/mem.h) then shows page by page, on
// demand.
//
// How pages are held (docs/design.md, "Page frames"): every page a guest sees is one frame of the box's memory
// (host/ram.h) with a reference per mapping.
//   private, anonymous      absent until touched, then an own frame
//   private, of a file      reads show the file's own frame (image page or page cache) marked MEM_COW; the first write
//   copies it shared                  shows the frame that belongs to the file (memfd for shared anonymous memory);
//   read-only (MEM_COW) until first written after fork              both sides show the same frame, MEM_COW; who writes
//   first copies, who is alone takes it over
// So fork of a fork, shared memory, page cache and accounting are one reference count.
//
// mm.c: the object, its vmas, fork. mm_place.c: where mappings go. mm_high.c, mm_wide.c: addresses above 4 GiB.
// mm_fault.c: pages on demand. sys_mmap.c: the system calls.
#pragma once
#include "syscalls/kernel.h"

struct vma {
    uint32_t start, end; // pages, end exclusive
    uint8_t prot;        // LX_PROT_READ | WRITE | EXEC
    uint8_t policy;      // of mbind (mempolicy.c)
    uint32_t flags;      // LX_MAP_SHARED, GROWSDOWN, NORESERVE, STACK (of the main stack), and VMA_* below
    struct inode *inode; // referenced; NULL: anonymous
    struct file *file;   // referenced, for names in /proc/PID/maps and write rights; NULL with inode NULL
    uint64_t pgoff;      // the file page shown at start
    struct mm *mm;
    struct vma *map_next, **map_prev; // inode->mappings
};
enum {
    VMA_DONTFORK = 1 << 24,
    VMA_WIPEONFORK = 1 << 25,
    VMA_SHM = 1 << 26,
    VMA_NOWRITE = 1 << 27,
    VMA_LOCKED = 1 << 28,
    VMA_HIGH = 1 << 29
};

// VMA_SHM: shows a System V segment (sysv_shm.c counts these); NOWRITE: shared, of a file whose seals forbid writing;
// LOCKED: mlock; HIGH: the program knows it by the names of 4 GiB and above (mm_high.c). What a guest may say in mmap's
// flags:
enum { MM_MAP_FLAGS = (1 << 24) - 1 };

enum { MM_AUXV_MAX = 40 };
struct mm {
    struct box *box;
    struct mem *mem;
    struct code *code;
    void *tier; // box_tier's own
    unsigned refs;
    struct vma **vma; // sorted by start
    unsigned nvma, cap;
    uint64_t brk_start, brk;        // bytes
    uint64_t total_pages;           // sum of all vmas, for RLIMIT_AS and statm
    uint64_t auxv[MM_AUXV_MAX * 2]; // as the program was given it
    unsigned nauxv;                 // words of it
    uint64_t arg_start, arg_end, env_start, env_end, start_stack;
    uint32_t stack_limit;       // pages the main stack may grow to
    uint64_t faults;            // that the guest's code ran into and were served, since they were last taken
    bool lock_future;           // mlockall(MCL_FUTURE)
    uint32_t refused, nrefused; // pages: what the last hint of 4 GiB or above got instead (mm_high.c)
    // Bytes: the last reservation that was larger than all there is; where in such a one memory was wanted, and how
    // much of it in vain (mm_wide.c).
    uint64_t insists, wants_at;
    uint32_t wants_pages;
    // Pages of the last small mapping, and how many such were touched before the next was made: mm_expect_touch.
    uint32_t small_first, small_end, small_touched;
};

enum {
    MM_MIN_PAGE = 16,       // 64 KiB: vm.mmap_min_addr
    MM_EXEC_BASE = 0x40000, // pages: where a PIE goes (1 GiB); its heap follows
    MM_FILE_LO = 0x10000,
    MM_FILE_HI = 0x40000, // 256 MiB .. 1 GiB: private file mappings, each file at a place of its own (mm_place.c)
    MM_LOW_TOP = 0x80000, // 2 GiB: MAP_32BIT ends here
    // The main stack ends here. Above, and below MM_MIN_PAGE, nothing is ever mapped: jit/ relies on it (trace.h).
    MM_STACK_TOP = 0xffff0,
    MM_MAX_VMAS = 65530, // vm.max_map_count
};

struct vma *vma_at(const struct mm *, uint32_t page);      // the one containing page, or NULL
unsigned vma_index_from(const struct mm *, uint32_t page); // index of the first that ends above page
int vma_insert(
    struct mm *,
    const struct vma *like); // the range must be free; merges with neighbours. Takes references. 0 or -LX_ENOMEM
int vma_clear(struct mm *, uint32_t start, uint32_t end);         // unmap [start, end): splits what sticks out
int vma_isolate(struct mm *, uint32_t start, uint32_t end);       // split so that vmas begin at start and end at end
void vma_merge_around(struct mm *, uint32_t start, uint32_t end); // join equal neighbours again
bool mm_range_free(const struct mm *, uint32_t start, uint32_t npages);
// A free place for a new mapping: of a file, or of what has no place of its own (file NULL). flags: as in mmap. 0: none
uint32_t mm_place(const struct mm *, uint32_t npages, const struct inode *file, unsigned flags);
int mm_may_commit(const struct mm *, uint64_t npages, unsigned prot,
                  unsigned flags); // 0 or -LX_ENOMEM: the box's memory limit, judged when mapped
void mm_expect_touch(struct mm *,
                     const struct vma *made); // mmap has made it; it may have merged with its neighbours since
void mm_keep_auxv(struct mm *, const void *stack, size_t n); // from a new program's stack
unsigned vma_mem_prot(const struct vma *);                   // MEM_* of its prot
uint64_t mm_locked_pages(const struct mm *);
int mm_may_lock(const struct task *, uint64_t more_pages); // 0, -LX_EPERM, -LX_ENOMEM: RLIMIT_MEMLOCK
// Names of 4 GiB and above (mm_high.c): does this mapping get one? Then what it got instead; and addresses as the guest
// knows them.
bool mm_goes_high(struct mm *, const struct mm_map *, uint32_t npages);
void mm_note_place(struct mm *, const struct mm_map *, uint32_t page, uint32_t npages);
gaddr vma_shown(const struct vma *, uint32_t page);
gaddr mm_shown(const struct mm *, gaddr addr);
// Reservations of more than 4 GiB, by names (mm_wide.c): the address, or -errno; and taking back.
int64_t mm_wide_reserve(struct mm *, const struct mm_map *);
int mm_wide_unmap(struct mm *, gaddr addr, uint64_t len);
void mm_probe_high(struct mm *);                            // mem.high has been set
void mm_wide_wanted(struct mm *, gaddr addr, uint64_t len); // memory is wanted there
// Of a range that begins in a name's memory and goes on behind it, where nothing will ever be: what is memory.
uint64_t mm_wide_clip(const struct mm *, gaddr addr, uint64_t len);
bool mm_all_mapped(const struct mm *, uint32_t start, uint32_t end);
int mm_range(const struct mm *, uint64_t addr, uint64_t len, uint32_t *start,
             uint32_t *end); // pages; -LX_EINVAL, -LX_ENOMEM
// Brings the pages in, some at a time: t->sys.done counts. 0, -LX_EPARK (then run again), -LX_EFAULT, -LX_ENOMEM
int64_t mm_populate(struct task *, uint32_t start, uint32_t end, bool write);
// What stands in [start, end) is not what it was: for code of files that is translated for all who map it. Whoever
// changes a vma with code, or what it shows, calls it.
void mm_code_changes(struct mm *, uint32_t start, uint32_t end);
// For a debugger and /proc/PID/mem (mm/gup.c, FOLL_FORCE): n bytes, within a page, whatever the mapping's protection
// says of its process; what is written to a private mapping is the process's own from then on. 0, -LX_EFAULT, -LX_EPARK
int mm_force(struct mm *, gaddr, void *, size_t n, bool write);
uint32_t mm_show_file(struct mm *,
                      uint32_t page); // an absent page of a private file mapping, for reading: its frame, or 0
void mm_unmap_inode(void *box, struct inode *, uint32_t first, uint32_t count); // vfs_host.unmap
