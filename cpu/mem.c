// The guest page table and its mirror, the region. See mem.h.
//
// The mirror: MEM_SHOWN and MEM_SHOWN_W in an entry say what the region maps at that page now. A page may be shown with
// less than the table allows (not at all after mem_clone, without W on code pages), never with more.
//
// Code pages: a frame with decoded code has its bit in ram->code, and MEM_CODE stands in each entry that has code or
// could be written through: of a frame with code, no entry with MEM_W lacks both MEM_COW and MEM_CODE. The other
// entries of a frame are found by searching the chunks where frames are held by more than one; private memory is not
// among them, so this is short, and it happens only when such a frame first gets code or is written to while it has
// some. (Frames of files never change, and have no bit.)
#include "cpu/mem.h"
#include "cpu/code.h"
#include "host/fault.h"
#include "host/pages.h"
#include "host/region.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CHUNK_SHIFT = 9, // pages in a chunk of the table: one host page of entries
    AROUND = 32,     // pages mirrored around a fault
    // Linux allows a process 65,530 mappings (vm.max_map_count), which must do for malloc and other boxes too.
    BOX_MAPPINGS = 24000,
    ENOMEM_GUEST = 12 // LX_ENOMEM
};

#define SHOWN_BITS ((pte_t)(MEM_SHOWN | MEM_SHOWN_W))
#define PROT_BITS  ((pte_t)(MEM_R | MEM_W | MEM_X))

static void forget_frame_code(struct ram *, uint32_t frame);

static void join_spaces(struct mem *m)
{
    m->ram->code_changes = forget_frame_code;
    m->next = m->ram->spaces;
    m->prev = &m->ram->spaces;
    if (m->next) m->next->prev = &m->next;
    m->ram->spaces = m;
}

static void leave_spaces(struct mem *m)
{
    *m->prev = m->next;
    if (m->next) m->next->prev = m->prev;
}

struct mem *mem_new(struct ram *ram, enum mem_backend backend)
{
    struct mem *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->ram = ram;
    m->frames = ram->base;
    join_spaces(m);
    m->table = pages_new(MEM_PAGES * sizeof(pte_t));
    if (backend == MEM_DIRECT && host_fault_install() == 0) m->region = region_new();
    if (!m->table || (backend == MEM_DIRECT && !m->region)) {
        mem_free(m);
        return NULL;
    }
    return m;
}

static void chunk_set(uint64_t *chunks, uint32_t page)
{
    uint32_t c = page >> CHUNK_SHIFT;
    chunks[c / 64] |= 1ull << (c % 64);
}

static bool chunk_in(const uint64_t *chunks, uint32_t page)
{
    uint32_t c = page >> CHUNK_SHIFT;
    return chunks[c / 64] >> (c % 64) & 1;
}

static void use_chunks(struct mem *m, uint32_t page, uint32_t npages)
{
    for (uint32_t c = page >> CHUNK_SHIFT; c <= (page + npages - 1) >> CHUNK_SHIFT; c++)
        m->chunks[c / 64] |= 1ull << (c % 64);
}

uint32_t mem_next_present(const struct mem *m, uint32_t page, uint32_t end)
{
    while (page < end) {
        if (!chunk_in(m->chunks, page)) {
            page = ((page >> CHUNK_SHIFT) + 1) << CHUNK_SHIFT;
            continue;
        }
        if (m->table[page]) return page;
        page++;
    }
    return end;
}

static void leave_mirrors(struct mem *m)
{
    if (!m->mirror_prev) return;
    *m->mirror_prev = m->mirror_next;
    if (m->mirror_next) m->mirror_next->mirror_prev = m->mirror_prev;
    m->mirror_next = NULL;
    m->mirror_prev = NULL;
}

void mem_free(struct mem *m)
{
    if (!m) return;
    m->ram->mappings -= m->mappings;
    leave_mirrors(m);
    leave_spaces(m);
    region_free(m->region); // before the references go: a frame must not be reused while something shows it
    for (uint32_t p = mem_next_present(m, 0, MEM_PAGES); p < MEM_PAGES; p = mem_next_present(m, p + 1, MEM_PAGES))
        ram_unref(m->ram, pte_frame(m->table[p]));
    pages_free(m->table, MEM_PAGES * sizeof(pte_t));
    free(m);
}

void mem_set_code(struct mem *m, struct code *code)
{
    m->code = code;
}

void mem_set_pager(struct mem *m, struct mem_pager pager)
{
    m->pager = pager;
}

// ---- the mirror ----

// What the region should show of an entry when everything is up to date.
static pte_t wanted_bits(pte_t p)
{
    if (pte_allows(p, MEM_R | MEM_W)) return MEM_SHOWN | MEM_SHOWN_W;
    return pte_allows(p, MEM_R) ? MEM_SHOWN : 0;
}

static int host_prot(pte_t shown)
{
    return shown & MEM_SHOWN_W ? PROT_READ | PROT_WRITE : PROT_READ;
}

// The run of pages from `page` to at most `end` that one host mapping can show: consecutive frames, the same rights.
static uint32_t run_end(const struct mem *m, uint32_t page, uint32_t end)
{
    pte_t first = m->table[page], wanted = wanted_bits(first);
    uint32_t frame = pte_frame(first), p = page + 1;
    for (; p < end; p++) {
        pte_t e = m->table[p];
        if (pte_frame(e) != frame + (p - page) || wanted_bits(e) != wanted || e & SHOWN_BITS) break;
        if (pte_frame(e) == RAM_FILE_BASE) break; // RAM and files are neighbours in number only
    }
    return p;
}

// Does the host need another mapping at page p, other than the one before it?
static bool is_edge(const struct mem *m, uint32_t p)
{
    pte_t e = m->table[p], before = p ? m->table[p - 1] : 0;
    if (!(e & SHOWN_BITS)) return (before & SHOWN_BITS) != 0;
    return (e & SHOWN_BITS) != (before & SHOWN_BITS) || pte_frame(e) != pte_frame(before) + 1;
}

static uint32_t edges(const struct mem *m, uint32_t page, uint32_t end)
{
    uint32_t n = 0;
    for (uint32_t p = page; p <= end && p < MEM_PAGES; p++) n += is_edge(m, p);
    return n;
}

static void count_mappings(struct mem *m, uint32_t gone, uint32_t come)
{
    m->mappings += come - gone;
    m->ram->mappings += come - gone;
}

static void set_shown(struct mem *m, uint32_t page, uint32_t end, pte_t shown)
{
    uint32_t before = edges(m, page, end);
    for (uint32_t p = page; p < end; p++) m->table[p] = (m->table[p] & ~SHOWN_BITS) | shown;
    count_mappings(m, before, edges(m, page, end));
}

// Forget the whole mirror: the host has run out of mappings. It is rebuilt page by page as the guest faults.
static void drop_mirror(struct mem *m)
{
    if (region_clear(m->region, 0, MEM_PAGES) != 0) abort(); // would leave the guest with rights it lost
    for (uint32_t p = mem_next_present(m, 0, MEM_PAGES); p < MEM_PAGES; p = mem_next_present(m, p + 1, MEM_PAGES))
        m->table[p] &= ~SHOWN_BITS;
    count_mappings(m, m->mappings, 0);
}

static void lead_mirrors(struct mem *m)
{
    if (m->ram->mirrors == m) return;
    leave_mirrors(m);
    m->mirror_next = m->ram->mirrors;
    m->mirror_prev = &m->ram->mirrors;
    if (m->mirror_next) m->mirror_next->mirror_prev = &m->mirror_next;
    m->ram->mirrors = m;
}

// The box holds too many mappings: the address spaces that have not grown for longest let theirs go (they sleep, most
// likely), half of all, so that this is rare. The one that asks is the first, so it keeps its own unless it alone has
// too many.
static void make_room(struct mem *m)
{
    struct mem *last = m;
    while (last->mirror_next) last = last->mirror_next;
    while (last != m && m->ram->mappings > BOX_MAPPINGS / 2) {
        struct mem *before = m;
        while (before->mirror_next != last) before = before->mirror_next;
        drop_mirror(last);
        leave_mirrors(last);
        last = before;
    }
    if (m->ram->mappings > BOX_MAPPINGS) drop_mirror(m);
}

// Show [page, end), one run with some right. False when the host refuses even after everything else was dropped.
static bool show_run(struct mem *m, uint32_t page, uint32_t end)
{
    pte_t shown = wanted_bits(m->table[page]);
    uint32_t frame = pte_frame(m->table[page]), addr = page << PAGE_SHIFT;
    lead_mirrors(m);
    if (m->ram->mappings > BOX_MAPPINGS) make_room(m);
    if (region_map(m->region, addr, end - page, m->ram, frame, host_prot(shown)) != 0) {
        drop_mirror(m);
        if (region_map(m->region, addr, end - page, m->ram, frame, host_prot(shown)) != 0) return false;
    }
    set_shown(m, page, end, shown);
    return true;
}

// Take what the region shows in the range away; one system call per stretch of shown pages.
static void hide(struct mem *m, uint32_t page, uint32_t end)
{
    if (!m->region) return;
    for (uint32_t p = mem_next_present(m, page, end); p < end; p = mem_next_present(m, p, end)) {
        uint32_t q = p;
        while (q < end && m->table[q] & MEM_SHOWN) q++;
        if (q == p) {
            p++;
            continue;
        }
        if (region_clear(m->region, p << PAGE_SHIFT, q - p) != 0) {
            drop_mirror(m);
            return;
        }
        set_shown(m, p, q, 0);
        p = q;
    }
}

// Take W from what the region shows in the range.
static void withdraw_write(struct mem *m, uint32_t page, uint32_t end)
{
    if (!m->region) return;
    for (uint32_t p = mem_next_present(m, page, end); p < end; p = mem_next_present(m, p, end)) {
        uint32_t q = p;
        while (q < end && m->table[q] & MEM_SHOWN_W) q++;
        if (q == p) {
            p++;
            continue;
        }
        if (region_protect(m->region, p << PAGE_SHIFT, q - p, PROT_READ) != 0) {
            drop_mirror(m);
            return;
        }
        set_shown(m, p, q, MEM_SHOWN);
        p = q;
    }
}

// Give W back where the table allows it again and the region already shows the page.
static void regain_write(struct mem *m, uint32_t page, uint32_t end)
{
    if (!m->region) return;
    for (uint32_t p = mem_next_present(m, page, end); p < end; p = mem_next_present(m, p, end)) {
        uint32_t q = p;
        while (q < end && (m->table[q] & SHOWN_BITS) == MEM_SHOWN && wanted_bits(m->table[q]) & MEM_SHOWN_W) q++;
        if (q == p) {
            p++;
            continue;
        }
        if (region_protect(m->region, p << PAGE_SHIFT, q - p, PROT_READ | PROT_WRITE) != 0) {
            drop_mirror(m);
            return;
        }
        set_shown(m, p, q, MEM_SHOWN | MEM_SHOWN_W);
        p = q;
    }
}

// Bring [page, end) of the region up to what the table allows.
static void show(struct mem *m, uint32_t page, uint32_t end)
{
    if (!m->region) return;
    while (page < end) {
        uint32_t q = page + 1;
        if (!(m->table[page] & MEM_SHOWN) && wanted_bits(m->table[page])) {
            q = run_end(m, page, end);
            if (!show_run(m, page, q)) return;
        }
        page = q;
    }
}

// ---- decoded code ----

// The first page from `page` on, in these chunks, that shows the frame; MEM_PAGES: none.
static uint32_t next_showing(const struct mem *m, const uint64_t *chunks, uint32_t frame, uint32_t page)
{
    while (page < MEM_PAGES) {
        if (!chunks[page >> CHUNK_SHIFT >> 6])
            page = ((page >> CHUNK_SHIFT >> 6) + 1) << 6 << CHUNK_SHIFT;
        else if (!chunk_in(chunks, page))
            page = ((page >> CHUNK_SHIFT) + 1) << CHUNK_SHIFT;
        else if (m->table[page] && pte_frame(m->table[page]) == frame)
            return page;
        else
            page++;
    }
    return MEM_PAGES;
}

// Of this mapping alone.
static void drop_code(struct mem *m, uint32_t page)
{
    if (!(m->table[page] & MEM_CODE)) return;
    m->table[page] &= ~(pte_t)MEM_CODE;
    if (m->code) code_invalidate_page(m->code, page);
}

static void drop_code_in(struct mem *m, uint32_t page, uint32_t end)
{
    for (uint32_t p = mem_next_present(m, page, end); p < end; p = mem_next_present(m, p + 1, end)) drop_code(m, p);
}

// Of all mappings of a frame that others may hold, too.
static void forget_frame_code(struct ram *ram, uint32_t frame)
{
    ram_set_code(ram, frame, false);
    for (struct mem *m = ram->spaces; m; m = m->next)
        for (uint32_t p = 0; (p = next_showing(m, m->shared, frame, p)) < MEM_PAGES; p++) drop_code(m, p);
}

// Before a write through this mapping.
static void forget_code(struct mem *m, uint32_t page)
{
    uint32_t frame = pte_frame(m->table[page]);
    drop_code(m, page);
    if (!ram_has_code(m->ram, frame)) return;
    if (ram_refs(m->ram, frame) > 1)
        forget_frame_code(m->ram, frame);
    else
        ram_set_code(m->ram, frame, false);
}

static void watch_frame(struct ram *ram, uint32_t frame)
{
    if (ram_is_file(frame) || ram_has_code(ram, frame)) return;
    ram_set_code(ram, frame, true);
    if (ram_refs(ram, frame) == 1) return;
    for (struct mem *m = ram->spaces; m; m = m->next)
        for (uint32_t p = 0; (p = next_showing(m, m->shared_w, frame, p)) < MEM_PAGES; p++) {
            if ((m->table[p] & (MEM_W | MEM_COW)) != MEM_W) continue;
            withdraw_write(m, p, p + 1);
            m->table[p] |= MEM_CODE;
        }
}

static void watch(struct mem *m, uint32_t page)
{
    if (m->table[page] & MEM_CODE || !m->table[page]) return;
    watch_frame(m->ram, pte_frame(m->table[page]));
    withdraw_write(m, page, page + 1);
    m->table[page] |= MEM_CODE;
}

void mem_mark_code(struct mem *m, uint32_t page)
{
    m->table[page] &= ~(pte_t)MEM_RESTLESS;
    watch(m, page);
}

// An entry has come to show its frame, or to allow more: keep what is said about code above.
static void note_holders(struct mem *m, uint32_t page)
{
    pte_t e = m->table[page];
    uint32_t frame = pte_frame(e);
    if (ram_is_file(frame)) return;
    bool writable = (e & (MEM_W | MEM_COW)) == MEM_W, alone = ram_refs(m->ram, frame) == 1;
    if (!alone) chunk_set(m->shared, page);
    if (!alone && writable) chunk_set(m->shared_w, page);
    if (!writable || e & MEM_CODE || !ram_has_code(m->ram, frame)) return;
    if (alone)
        ram_set_code(m->ram, frame, false); // whoever had some is gone
    else
        m->table[page] |= MEM_CODE;
}

// ---- restless pages ----

// A trial is as many steps as take about as long as one fault, with the page watched. If a write comes it was worth it:
// many steps follow unwatched, then the next trial. If none comes, it takes twice as many faults until the next.
enum { TRIAL = 64, FREE = 1024, FIRST_PATIENCE = 4, MOST_PATIENCE = 4096 };

static struct mem_restless *restless_at(struct mem *m, uint32_t page)
{
    return &m->restless[page % (sizeof m->restless / sizeof *m->restless)];
}

// A guest's write has just dropped code, and is yet to be done.
static void count_write(struct mem *m, uint32_t page)
{
    struct mem_restless *r = restless_at(m, page);
    if (r->page != page || !r->patience) *r = (struct mem_restless){.page = page, .patience = FIRST_PATIENCE};
    if (mem_is_restless(m, page)) {
        r->steps = FREE;
        if (r->patience > FIRST_PATIENCE) r->patience /= 2;
    } else if (++r->faults >= r->patience) {
        r->faults = r->steps = 0;
        m->table[page] |= MEM_RESTLESS;
    }
}

bool mem_step(struct mem *m, uint32_t page)
{
    struct mem_restless *r = restless_at(m, page);
    if (!mem_is_restless(m, page)) return false;
    bool known = r->page == page;
    if (known && r->steps > 0) {
        r->steps--;
        return true;
    }
    if (known && !(m->table[page] & MEM_CODE)) {
        watch(m, page);
        r->steps = TRIAL;
        return true;
    }
    if (known && r->patience < MOST_PATIENCE) r->patience *= 2;
    m->table[page] &= ~(pte_t)MEM_RESTLESS;
    return false;
}

// ---- changes ----

static void put_entries(struct mem *m, uint32_t page, uint32_t npages, uint32_t frame, unsigned prot)
{
    if (prot & (MEM_W | MEM_X)) prot |= MEM_R;
    for (uint32_t i = 0; i < npages; i++) {
        uint32_t f = frame + i;
        pte_t own = ram_is_file(f) && !(prot & MEM_COW) ? prot & ~(unsigned)MEM_W : prot;
        m->table[page + i] = (pte_t)f << PAGE_SHIFT | own | MEM_PRESENT;
        note_holders(m, page + i);
    }
}

int mem_map_lazily(struct mem *m, uint32_t page, uint32_t npages, uint32_t frame, unsigned prot)
{
    mem_unmap(m, page, npages);
    use_chunks(m, page, npages);
    put_entries(m, page, npages, frame, prot);
    return 0;
}

static bool is_all_shown(const struct mem *m, uint32_t page, uint32_t end)
{
    while (page < end && m->table[page] & MEM_SHOWN) page++;
    return page == end;
}

// Over what the region shows, without clearing that first.
static void map_over(struct mem *m, uint32_t page, uint32_t npages, uint32_t frame, unsigned prot)
{
    uint32_t end = page + npages, q;
    drop_code_in(m, page, end);
    set_shown(m, page, end, 0); // what is there is about to be replaced
    for (uint32_t p = page; p < end; p++) ram_unref(m->ram, pte_frame(m->table[p]));
    put_entries(m, page, npages, frame, prot);
    for (uint32_t p = page; p < end; p = q) {
        q = run_end(m, p, end);
        if (!show_run(m, p, q)) {
            drop_mirror(m);
            return;
        }
    }
}

int mem_map(struct mem *m, uint32_t page, uint32_t npages, uint32_t frame, unsigned prot)
{
    if (m->region && prot & (MEM_R | MEM_W | MEM_X) && is_all_shown(m, page, page + npages)) {
        map_over(m, page, npages, frame, prot);
        return 0;
    }
    mem_map_lazily(m, page, npages, frame, prot);
    show(m, page, page + npages);
    return 0;
}

void mem_unmap(struct mem *m, uint32_t page, uint32_t npages)
{
    uint32_t end = page + npages;
    drop_code_in(m, page, end);
    hide(m, page, end);
    for (uint32_t p = mem_next_present(m, page, end); p < end; p = mem_next_present(m, p + 1, end)) {
        uint32_t frame = pte_frame(m->table[p]);
        m->table[p] = 0;
        ram_unref(m->ram, frame);
    }
}

void mem_protect(struct mem *m, uint32_t page, uint32_t npages, unsigned prot)
{
    uint32_t end = page + npages;
    prot &= PROT_BITS;
    if (prot & (MEM_W | MEM_X)) prot |= MEM_R;
    if (!(prot & MEM_X)) drop_code_in(m, page, end);
    if (!(prot & MEM_R)) hide(m, page, end);
    if (!(prot & MEM_W)) withdraw_write(m, page, end);
    for (uint32_t p = mem_next_present(m, page, end); p < end; p = mem_next_present(m, p + 1, end)) {
        pte_t e = m->table[p];
        unsigned own = ram_is_file(pte_frame(e)) && !(e & MEM_COW) ? prot & ~(unsigned)MEM_W : prot;
        m->table[p] = (e & ~PROT_BITS) | own;
        if (own & ~e & MEM_W) note_holders(m, p);
    }
    if (prot & MEM_W) regain_write(m, page, end);
}

static void share_entry(struct mem *to, struct mem *from, uint32_t p)
{
    pte_t e = from->table[p];
    bool writable = (e & (MEM_W | MEM_COW)) == MEM_W;
    chunk_set(to->chunks, p);
    to->table[p] = e & ~(SHOWN_BITS | (writable ? 0 : MEM_CODE));
    if (ram_is_file(pte_frame(e))) return;
    chunk_set(to->shared, p);
    chunk_set(from->shared, p);
    if (!writable) return;
    chunk_set(to->shared_w, p);
    chunk_set(from->shared_w, p);
}

int mem_clone(struct mem *to, struct mem *from, uint32_t page, uint32_t npages, bool cow)
{
    uint32_t end = page + npages;
    if (npages == 0) return 0;
    if (cow) withdraw_write(from, page, end);
    for (uint32_t p = mem_next_present(from, page, end); p < end; p = mem_next_present(from, p + 1, end)) {
        if (cow) from->table[p] |= MEM_COW;
        ram_ref(from->ram, pte_frame(from->table[p]));
        share_entry(to, from, p);
    }
    return 0;
}

void mem_move(struct mem *m, uint32_t to, uint32_t from, uint32_t npages)
{
    uint32_t end = from + npages;
    if (npages == 0) return;
    drop_code_in(m, from, end);
    hide(m, from, end);
    use_chunks(m, to, npages);
    for (uint32_t p = mem_next_present(m, from, end); p < end; p = mem_next_present(m, p + 1, end)) {
        m->table[to + (p - from)] = m->table[p] & ~SHOWN_BITS;
        m->table[p] = 0;
        note_holders(m, to + (p - from));
    }
}

// ---- keeping ----

static void save_page(struct mem *m, uint32_t page)
{
    struct mem_kept *k = m->kept;
    if (!(m->table[page] & MEM_UNKEPT)) return;
    m->table[page] &= ~(pte_t)MEM_UNKEPT;
    if (k->n == k->room) {
        uint32_t room = k->room ? 2 * k->room : 32;
        k->page = realloc(k->page, room * sizeof *k->page);
        k->bytes = realloc(k->bytes, (size_t)room * PAGE_BYTES);
        if (!k->page || !k->bytes) abort(); // what cannot be undone must not be done
        k->room = room;
    }
    memcpy(k->bytes + (size_t)k->n * PAGE_BYTES, ram_ptr(m->ram, pte_frame(m->table[page])), PAGE_BYTES);
    k->page[k->n++] = page;
}

void mem_keep_begin(struct mem *m, struct mem_kept *kept)
{
    m->kept = kept;
    kept->n = 0;
    withdraw_write(m, 0, MEM_PAGES);
    for (uint32_t p = mem_next_present(m, 0, MEM_PAGES); p < MEM_PAGES; p = mem_next_present(m, p + 1, MEM_PAGES))
        if ((m->table[p] & (MEM_W | MEM_COW)) == MEM_W) m->table[p] |= MEM_UNKEPT;
}

void mem_keep_end(struct mem *m)
{
    for (uint32_t p = mem_next_present(m, 0, MEM_PAGES); p < MEM_PAGES; p = mem_next_present(m, p + 1, MEM_PAGES))
        m->table[p] &= ~(pte_t)MEM_UNKEPT;
    m->kept = NULL;
}

void mem_keep_page(struct mem *m, uint32_t page)
{
    save_page(m, page);
    regain_write(m, page, page + 1);
}

void mem_undo(struct mem *m, const struct mem_kept *k)
{
    for (uint32_t i = k->n; i-- > 0;) {
        void *to = mem_host(m, k->page[i] << PAGE_SHIFT, MEM_W);
        if (!to) abort(); // its mapping has changed
        memcpy(to, k->bytes + (size_t)i * PAGE_BYTES, PAGE_BYTES);
    }
}

void mem_kept_free(struct mem_kept *k)
{
    free(k->page);
    free(k->bytes);
    *k = (struct mem_kept){0};
}

// ---- access ----

void *mem_host(struct mem *m, uint32_t addr, unsigned need)
{
    uint32_t page = addr >> PAGE_SHIFT, in_page = addr & (PAGE_BYTES - 1);
    if (need & MEM_W && m->table[page] & MEM_UNKEPT) save_page(m, page);
    if (need & MEM_W && m->table[page] & MEM_CODE && m->table[page] & MEM_W && !(m->table[page] & MEM_COW))
        forget_code(m, page);
    pte_t e = m->table[page];
    if (!pte_allows(e, need)) return NULL;
    // Through the region where it shows the page: the host then counts and maps the frame once.
    if (e & (need & MEM_W ? MEM_SHOWN_W : MEM_SHOWN)) return m->region + addr;
    return ram_ptr(m->ram, pte_frame(e)) + in_page;
}

// A fault on a page that the table allows but the region does not show: show it and its neighbours.
static bool mirror_around(struct mem *m, uint32_t page)
{
    uint32_t lo = page & ~(uint32_t)(AROUND - 1), hi = lo + AROUND, frame = pte_frame(m->table[page]);
    pte_t wanted = wanted_bits(m->table[page]);
    uint32_t first = page;
    while (first > lo) {
        pte_t e = m->table[first - 1];
        if (pte_frame(e) != frame - (page - first) - 1 || wanted_bits(e) != wanted || e & SHOWN_BITS) break;
        if (pte_frame(e) + 1 == RAM_FILE_BASE) break;
        first--;
    }
    return show_run(m, first, run_end(m, page, hi));
}

static bool is_served(pte_t e, unsigned need)
{
    return (e & (MEM_PRESENT | need)) == (MEM_PRESENT | need) && !(need & MEM_W && e & MEM_COW);
}

// While pages are kept no mapping may change.
static bool fetch(struct mem *m, uint32_t addr, unsigned need)
{
    return m->pager.fetch && !m->kept && m->pager.fetch(m->pager.owner, addr, need) == 0;
}

bool mem_mirror(struct mem *m, uint32_t addr, unsigned need)
{
    uint32_t page = addr >> PAGE_SHIFT;
    bool fetched = !is_served(m->table[page], need) && fetch(m, addr, need);
    pte_t e = m->table[page];
    if (!is_served(e, need)) return false;
    bool withheld = need & MEM_W && e & (MEM_CODE | MEM_UNKEPT);
    if (withheld && e & MEM_UNKEPT) save_page(m, page);
    if (withheld && e & MEM_CODE) {
        forget_code(m, page);
        count_write(m, page);
    }
    if (!m->region) return withheld || fetched;
    // Shown as wanted, yet it faulted: SIGBUS (the file behind the frame has shrunk, or the host is out of memory).
    pte_t wanted = wanted_bits(m->table[page]);
    if ((m->table[page] & SHOWN_BITS) == wanted) return fetched;
    if (!(m->table[page] & MEM_SHOWN)) return mirror_around(m, page);
    regain_write(m, page, page + 1);
    return true;
}

// ---------------------------------------------------------------- names

static const struct mem_name *name_at(const struct mem *m, gaddr a)
{
    gaddr k = a >> MEM_NAME_SHIFT;
    return k && k < MEM_NAMES && m->name[k].npages ? &m->name[k] : NULL;
}

// How much of the name a has before it; 0: it is in none.
static gaddr left_of(const struct mem *m, gaddr a)
{
    const struct mem_name *n = name_at(m, a);
    gaddr bytes = n ? (gaddr)n->npages << PAGE_SHIFT : 0, off = n ? a - n->start : 0;
    return off < bytes ? bytes - off : 0;
}

gaddr mem_named(const struct mem *m, gaddr a)
{
    return left_of(m, a) ? (uint32_t)a : a;
}

bool mem_claimed(const struct mem *m, gaddr a)
{
    return name_at(m, a) != NULL;
}

gaddr mem_low_end(const struct mem *m, gaddr a, gaddr low)
{
    return a != low && a >> 32 != m->high ? low + left_of(m, a) : MEM_TOP;
}

gaddr mem_name_of(const struct mem *m, uint32_t page)
{
    for (unsigned k = 1; k < MEM_NAMES && m->probe; k++) {
        gaddr start = m->name[k].start;
        if (page - ((uint32_t)start >> PAGE_SHIFT) < m->name[k].npages) return start - (uint32_t)start;
    }
    return 0;
}
