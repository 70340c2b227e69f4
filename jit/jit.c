// The translator's life: its memory and fixed pieces of code, its spaces. run.c has the way through the tiers.
#include "jit/cache.h"
#include "jit/emit.h"
#include "jit/enter.h"
#include "jit/run.h"
#include "host/cpuid.h"
#include "host/fault.h"
#include "host/pages.h"
#include "host/region.h"
#include "jit/view.h"
#include <stdlib.h>
#include <string.h>

_Static_assert(SLOT_COUNT <= (int)HOST_WORDS, "slots are words of the thread");

enum { FIRST_CODE = 1 << 16 };
_Static_assert((int)HOST_EXEC_TOP_MAX + 64 < (int)FIRST_CODE,
               "an entry that leads nowhere is below all that lead anywhere");

#if defined(__x86_64__)
static bool host_has_avx(void)
{
    return host_cpu_avx2(); // and the kernel saves it
}

// What a table jump found nothing for is told with the exit 0.
static uint32_t emit_missed(struct emitter *e, uint32_t at)
{
    e->n = at;
    emit_store_slot(e, 8, SLOT_TMP2, R11);
    emit_store_slot_imm(e, SLOT_PC, LEFT_MISSED);
    emit_jump_slot(e, SLOT_EXIT);
    return at;
}

// Below this nothing of the window runs but what a pair of entries that lead nowhere leads to (cache.h): one such entry
// behind another, or behind zeros. Of several jits that share a window the first writes these; the others' would be the
// same.
static void emit_nowhere(struct jit *j)
{
    struct emitter e = {.at = j->memory.rw, .size = FIRST_CODE, .slots = j->slots};
    if ((uint32_t)(uintptr_t)j->memory.rx) return;
    emit_missed(&e, 0);
    emit_missed(&e, j->memory.top);
    host_exec_settle(&j->memory, 0, FIRST_CODE);
}

// r11 is the last register to be loaded.
static void emit_pieces(struct jit *j)
{
    struct emitter e = {.at = j->memory.rw, .size = FIRST_CODE + 4096, .slots = j->slots};
    emit_nowhere(j);
    j->missed = emit_missed(&e, FIRST_CODE);
    j->enter = e.n;
    emit_load_slot(&e, 8, R11, SLOT_R11, 0);
    emit_jump_slot(&e, SLOT_TARGET);
    j->faulted = e.n;
    emit_store_slot(&e, 8, SLOT_TMP2, R11);
    emit_store_slot_imm(&e, SLOT_PC, LEFT_FAULTED);
    emit_jump_slot(&e, SLOT_EXIT);
    j->leave = e.n; // with the number of an exit in r11
    emit_store_slot(&e, 8, SLOT_PC, R11);
    emit_jump_slot(&e, SLOT_EXIT);
    j->start = (e.n + 63) & ~63u;
    j->stub_start = (uint32_t)(j->memory.bytes / 4 * 3);
}
#else
static bool host_has_avx(void)
{
    return false;
}
static void emit_pieces(struct jit *j)
{
    (void)j;
}
#endif

struct jit *jit_new(const struct host_exec *memory, const struct jit_options *options, const char **why)
{
    struct jit *j = calloc(1, sizeof *j);
    *why = host_exec_lacks();
    if (!j || *why) {
        free(j);
        return NULL;
    }
    j->memory = *memory;
    j->options = *options;
    j->store = options->store;
    if (options->image) memcpy(j->image, options->image, sizeof j->image);
    host_thread_words(&j->slots);
    j->ymm = options->level >= CPU_LEVEL_V3 && host_has_avx();
    j->wrgsbase = host_has_wrgsbase();
    j->epoch = 1;
    j->left_flags.res = UINT64_MAX; // none: flags_res_of gives no such
    emit_pieces(j);
    *why = "out of memory";
    if (cache_open(j)) return j;
    jit_free(j);
    return NULL;
}

void jit_switch_off(struct jit *j)
{
    j->off = true;
}

void jit_free(struct jit *j)
{
    if (!j) return;
    view_close(j);
    cache_close(j);
    free(j);
}

static void leave_list(struct jit_space *s)
{
    if (!s->prev) return;
    *s->prev = s->next;
    if (s->next) s->next->prev = s->prev;
}

void jit_space_free(struct jit_space *s)
{
    if (!s) return;
    if (s->code) code_set_tier(s->code, NULL);
    leave_list(s);
    view_drop(s);
    space_free_own(s);
    free(s);
}

struct jit_space *jit_space_new(struct jit *j, struct mem *mem, struct code *code)
{
    struct jit_space *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->tier = (struct tier){
        .due = jit_due, .counts = jit_counts, .run = jit_run, .changed = jit_changed, .shapes = j->shapes};
    s->jit = j;
    s->mem = mem;
    s->view = ++j->views;
    s->table = mem_region(mem) ? region_table_new(mem_region(mem)) : NULL;
    if (!s->table) {
        jit_space_free(s);
        return NULL;
    }
    s->code = code;
    s->next = j->spaces;
    s->prev = &j->spaces;
    if (s->next) s->next->prev = &s->next;
    j->spaces = s;
    code_set_tier(code, &s->tier);
    return s;
}

bool jit_can_probe(void)
{
#if defined(__x86_64__)
    return host_cpu_bmi2();
#else
    return false;
#endif
}

// A view of its own anew, so that nothing that died comes back either.
void jit_space_named(struct jit_space *s)
{
    for (uint32_t page = mem_next_present(s->mem, 0, MEM_PAGES); page < MEM_PAGES;
         page = mem_next_present(s->mem, page + 1, MEM_PAGES))
        cache_page_changed(s, page);
    s->view = ++s->jit->views;
    s->jit->epoch++;
}

void jit_stats(const struct jit *j, struct jit_stats *to)
{
    *to = j->stats;
}

// Selection by rank, for a handful of rows.
const char *jit_most_handed(const struct jit *j, unsigned skip, uint64_t *times)
{
    uint32_t below = UINT32_MAX, found = INSN_COUNT;
    for (unsigned rank = 0; rank <= skip; rank++) {
        found = INSN_COUNT;
        for (uint32_t i = 0; i < INSN_COUNT; i++)
            if (j->row_done[i] < below && (found == INSN_COUNT || j->row_done[i] > j->row_done[found])) found = i;
        if (found == INSN_COUNT || !j->row_done[found]) return NULL;
        below = j->row_done[found];
    }
    *times = below;
    return insn_rows[found].name;
}
