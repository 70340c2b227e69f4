// The vDSO: two pages that exec maps into every program, data and the functions of vdso.S, which tell the time from
// them without a system call.
//
// Data is written between turns of guest threads (vdso_tick), so no guest ever sees half of it; one that was
// interrupted while it read sees another number and reads again. It says what the clocks were at a value of the host's
// counter, and how long a tick takes, found out by comparing both clocks over seconds. What a program reads never goes
// back: when the estimate was ahead, it goes on from the estimate, with shorter ticks.
//
// Only where the guest's RDTSC is the host's counter (box.host_tsc): not in deterministic boxes. Where the counter does
// not run steadily nothing is told, and the functions call the kernel.
#include "syscalls/vdso.h"
#include "cpu/mem.h"
#include "host/clock.h"
#include "syscalls/mm.h"
#include <stdlib.h>
#include <string.h>

#if defined(BELLJAR_VDSO)
__asm__(".pushsection .rodata\n"
        ".globl belljar_vdso_begin\n.hidden belljar_vdso_begin\n"
        ".globl belljar_vdso_end\n.hidden belljar_vdso_end\n"
        "belljar_vdso_begin: .incbin \"" BELLJAR_VDSO "\"\n"
        "belljar_vdso_end:\n"
        ".popsection");
extern const uint8_t belljar_vdso_begin[], belljar_vdso_end[];
#else
static const uint8_t belljar_vdso_begin[1], *const belljar_vdso_end = belljar_vdso_begin;
#endif

enum {
    PLACE = MM_FILE_LO - 2, // pages: just below what files have
    FIRST_NS = 2000000,     // the counter is watched for that long before anything is told
    EACH_NS = 1000000,      // and the page is written that often
    WINDOW_NS = 2000000000, // ticks are measured over once to twice that
    PAIR_TICKS = 10000,     // some 3 us: a count and a time that lie further apart do not belong together
    STRAY_NS = 1000000,     // an estimate that is ahead by that much, and a thousandth, is of no steady counter
};

struct vdso_data { // as vdso.S knows it
    uint32_t number, unused;
    uint64_t tsc, scale, clock[2];
};

struct moment {
    uint64_t tsc, ns;
};

struct vdso {
    uint32_t data, code; // frames
    struct moment since, half;
    uint64_t next; // counter at which the page is written again
    bool asked, never;
};

static struct vdso_data *data_of(struct box *box)
{
    return (struct vdso_data *)ram_ptr(&box->ram, box->vdso->data);
}

static struct vdso *vdso_new(struct box *box)
{
    size_t n = (size_t)(belljar_vdso_end - belljar_vdso_begin);
    struct vdso *v = n && n <= PAGE_BYTES ? calloc(1, sizeof *v) : NULL;
    if (!v) return NULL;
    uint32_t frames = ram_alloc(&box->ram, 2, true);
    if (!frames) {
        free(v);
        return NULL;
    }
    v->data = frames;
    v->code = frames + 1;
    memcpy(ram_ptr(&box->ram, v->code), belljar_vdso_begin, n);
    return v;
}

void vdso_free(struct box *box)
{
    if (!box->vdso) return;
    ram_unref(&box->ram, box->vdso->data);
    ram_unref(&box->ram, box->vdso->code);
    free(box->vdso);
    box->vdso = NULL;
}

// A private page that shows a frame of the box's own: a program that makes it writable, and writes, gets a copy.
static int show(struct mm *mm, uint32_t page, uint32_t frame, unsigned prot)
{
    struct vma v = {.start = page, .end = page + 1, .prot = prot};
    int err = vma_insert(mm, &v);
    if (err) return err;
    ram_ref(&mm->box->ram, frame);
    return mem_map(mm->mem, page, 1, frame, vma_mem_prot(&v) | MEM_COW);
}

gaddr vdso_map(struct mm *mm)
{
    struct box *box = mm->box;
    if (!box->host_tsc || !mm_range_free(mm, PLACE, 2)) return 0;
    if (!box->vdso && !(box->vdso = vdso_new(box))) return 0;
    if (show(mm, PLACE, box->vdso->data, LX_PROT_READ)) return 0;
    if (show(mm, PLACE + 1, box->vdso->code, LX_PROT_READ | LX_PROT_EXEC)) return 0;
    return (gaddr)(PLACE + 1) << PAGE_SHIFT;
}

const char *vdso_name(const struct mm *mm, const struct vma *v)
{
    if (v->file || !mm->box->vdso || v->end - v->start != 1) return NULL;
    pte_t shown = mem_pte(mm->mem, v->start);
    if (!shown) return NULL;
    if (pte_frame(shown) == mm->box->vdso->data) return "[vvar]";
    return pte_frame(shown) == mm->box->vdso->code ? "[vdso]" : NULL;
}

// ---------------------------------------------------------------- time

static uint64_t times(uint64_t ticks, uint64_t scale)
{
    return (uint64_t)((unsigned __int128)ticks * scale >> 32);
}

// Nanoseconds a tick, since a moment of once to twice WINDOW_NS ago.
static uint64_t measure(struct vdso *v, const struct moment *now)
{
    if (now->ns - v->half.ns > WINDOW_NS) {
        v->since = v->half;
        v->half = *now;
    }
    return (uint64_t)(((unsigned __int128)(now->ns - v->since.ns) << 32) / (now->tsc - v->since.tsc));
}

// What has been told stays the least that the kernel tells.
static void tell_nothing(struct vdso *v, struct vdso_data *d, uint64_t told)
{
    v->never = true;
    d->number = 0;
    if (told > d->clock[1]) d->clock[1] = told;
}

// The counter first: who waited for a time does not read an earlier one. False: another process had the processor in
// between, which would make ticks longer or shorter than they are.
static bool read_moment(const struct box *box, struct moment *now)
{
    now->tsc = host_tsc();
    now->ns = box_monotonic(box);
    return host_tsc() - now->tsc < PAIR_TICKS;
}

// The first FIRST_NS: is there a counter to go by? To ask the CPU takes long where the host is a virtual machine.
static bool is_early(struct vdso *v, const struct moment *now)
{
    if (!v->since.tsc) v->since = v->half = *now;
    if (now->ns - v->since.ns < FIRST_NS || now->tsc <= v->since.tsc) return true;
    if (!v->asked && !host_tsc_is_steady()) v->never = true;
    v->asked = true;
    return v->never;
}

static void write_data(struct box *box, struct vdso_data *d, const struct moment *now, uint64_t scale)
{
    uint32_t number = d->number + 1;
    d->tsc = now->tsc;
    d->scale = scale;
    d->clock[0] = now->ns + box->boot_realtime_ns;
    d->clock[1] = now->ns;
    d->number = number ? number : 1;
}

// CLOCK_MONOTONIC as programs read it at this count.
static uint64_t told_at(const struct vdso_data *d, uint64_t tsc)
{
    return d->number && tsc > d->tsc ? d->clock[1] + times(tsc - d->tsc, d->scale) : d->clock[1];
}

// A program that has been told this by the kernel reads no less from the page.
uint64_t vdso_at_least(struct box *box, uint64_t ns)
{
    if (!box->vdso) return ns;
    struct vdso_data *d = data_of(box);
    struct moment now = {host_tsc(), ns};
    uint64_t told = told_at(d, now.tsc);
    if (told >= ns) return told;
    if (d->number) write_data(box, d, &now, d->scale);
    return ns;
}

void vdso_write(struct box *box)
{
    struct vdso *v = box->vdso;
    if (!v || v->never) return;
    struct vdso_data *d = data_of(box);
    struct moment now;
    if (!read_moment(box, &now)) { // as before, but for a clock that was set
        now.ns = told_at(d, now.tsc);
        if (d->number) write_data(box, d, &now, d->scale);
        return;
    }
    if (is_early(v, &now)) return;
    uint64_t scale = measure(v, &now), told = told_at(d, now.tsc);
    if (d->number && (now.tsc < d->tsc || told > now.ns + STRAY_NS + (now.ns - d->clock[1]) / 1000)) {
        tell_nothing(v, d, told);
        return;
    }
    if (told > now.ns) { // shorter ticks, until it is no longer ahead
        uint64_t ahead = told - now.ns < 8 * EACH_NS ? told - now.ns : 8 * EACH_NS;
        scale -= times(scale, (ahead << 32) / (16 * EACH_NS));
        now.ns = told;
    }
    write_data(box, d, &now, scale);
    v->next = now.tsc + ((uint64_t)EACH_NS << 32) / scale;
}

void vdso_tick(struct box *box)
{
    if (box->vdso && host_tsc() >= box->vdso->next) vdso_write(box);
}
