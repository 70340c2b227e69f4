// What was translated: blocks, their exits, the way from one to the next. All of it lies in pools of fixed size, named
// by index (0: none), and goes at once when one is full (cache_flush).
//
// A block is the translation of a trace, for one view of memory: code at the same address in two views is translated
// twice. Blocks of one view are chained to each other directly; whatever computes its target, or leaves the view, goes
// through the space's table of targets.
#pragma once
#include "cpu/code.h"
#include "cpu/shape.h"
#include "host/fault.h"
#include "jit/build.h"
#include "jit/jit.h"
#include "jit/profile.h"
#include "jit/shard.h"
#include "jit/slots.h"

enum {
    MAX_BLOCKS = 1 << 19,
    MAX_EXITS = 1 << 20,
    MAX_OPS = 1 << 17,
    MAX_MAP = 1 << 22,
    MAX_LISTED = 1 << 20,
    MAX_RAN = 1 << 19,
    NAMES_BITS = 11, // at first
    HEAT_BITS = 17,
    NEAR_WORDS = 64,
    DEAD_BITS = 12,
    TRACE_INSNS = 128,               // and the map entries of probes and of checks (insn_string.c),
    TRACE_ENTRIES = TRACE_INSNS + 3, // which come before the last instruction and behind it, too
    TRACE_PAGES = 4,
    VIEW_PAGES = 16, // the same of a shared view, which is watched as a whole
    TRACE_HEADS = 48,
    BLOCK_BYTES = 12 << 10, // more than any block takes
    SHARD_SHIFT = 20,       // numbers of blocks and exits from 1 << SHARD_SHIFT on are a shard's: its slot, and which
};

// Where the guest's r11 is.
enum r11 { R11_REG = 1, R11_SLOT = 2, R11_BOTH = 3 };

struct block {
    uint32_t pc, view;
    uint32_t stubs, stubs_size; // in the code memory too: the stubs of its exits
    uint32_t host, size;        // in the code memory
    uint32_t map;               // its first map entry
    uint32_t first_exit;        //
    uint16_t insns, nexits;     // map entries, exits
    uint32_t of;                // not 0: another head of that block, whose code this is
    uint8_t r11;                // what it expects at its head: R11_REG or R11_SLOT
    uint8_t ticks;              // how often a tick has found it running
    bool hot;                   // made, or made again, of code that ticks have found running
    bool x87;                   // it wants the x87 state
    bool dead;                  // its guest code has changed
    uint8_t unlisted;           // dead: pages that no longer list it (revive.c)
    uint32_t incoming;          // exits that are chained to it. Dead: the next one that may come back
    uint64_t sum;               // dead: of its guest code
};

// Each guest instruction of a block, in the order of the host's code.
struct map_entry {
    uint32_t pc;
    uint16_t host;  // from the block's start
    uint16_t flags; // MAP_*
};
enum {
    MAP_R11_REG = 1,   // at its start the guest's r11 is in the register alone
    MAP_SCRATCHED = 2, // it saves r11 to its slot before it does anything
    MAP_OP = 4,        // handed to the interpreter, or a probe before an instruction: not paid at the head
    MAP_RDI = 8,       // a string instruction behind what makes these pointers host addresses, in the order rdi, rsi,
    MAP_RSI = 16,      // MAP_POINTER_BYTES each
    MAP_FOLLOWED = 32, // of a function whose call the trace has followed
    MAP_LENGTH = 12,   // the instruction's bytes, from this bit on; 0 for probes
};
enum { MAP_POINTER_BYTES = 16 };

enum exit_kind {
    EXIT_BRANCH,  // to pc, which may be chained
    EXIT_INTERP,  // the interpreter goes on at pc
    EXIT_SYSCALL, // pc is behind it
    EXIT_OP,      // the interpreter does one instruction, then the block goes on at `resume`
    EXIT_X87,     // wants the x87 state loaded, then goes on at `resume`
    EXIT_FUEL,    // not enough left for the block at pc
};

struct exit {
    uint32_t pc;
    uint32_t block;
    union {
        struct {
            uint32_t site, stub; // EXIT_BRANCH: where its rel32 is, and where that leads unchained
        };
        struct {
            uint32_t resume; // EXIT_OP, EXIT_X87: in the code memory
            uint32_t op;
        };
    };
    uint32_t to, next; // the block it is chained to, the next one chained to that
    uint16_t insn;     // map entries up to it; the last one's instruction is the one at pc, unless it leaves behind it
    uint8_t kind, r11;
};

struct op { // an instruction for the interpreter, and what leads back
    struct insn in[2];
};

bool op_end(struct op *); // what leads back, behind in[0]. False: that is nothing to come back from

struct host_leaf { // of CPUID
    bool asked;
    uint32_t number, reg[4];
};
enum { HOST_LEAVES = 6 };

enum row_way { WAY_UNKNOWN, WAY_NOTHING, WAY_OWN, WAY_COPY, WAY_CALL };

// The blocks at an address in a view.
struct named {
    uint32_t pc, view;  // view 0: free
    uint32_t reg, slot; // where r11 is at their heads
};

struct listed {
    uint32_t block, next;
};

struct view; // jit/view.h

struct ran { // code of a shared view that ran
    uint32_t view;
    struct profile_code code;
};

// The flags that emitted code left last, and how struct cpu has them.
struct left_flags {
    uint64_t res, aux;
    uint32_t eflags;
};

struct jit {
    struct host_exec memory;
    struct jit_options options;
    int32_t slots;
    bool ymm, wrgsbase;
    uint32_t stub_start, stub_used, stub_settled; // stubs lie apart, so that hot code is dense
    uint32_t start, used, settled;                // bytes of the code memory: the fixed pieces, all, written back
    uint32_t missed, faulted, enter, leave;       // the fixed pieces
    struct block *blocks;
    struct exit *exits;
    struct op *ops;
    struct map_entry *map;
    struct listed *listed;
    uint32_t nblocks, nexits, nops, nmap, nlisted;
    struct ran *ran; // in the order of what happened
    uint32_t nran;
    struct build *build;       // translating ahead: nothing of it runs here (jit/build.h). NULL: not
    uint32_t first_number;     // added to the index of an exit in emitted code
    const struct store *store; // NULL: none
    uint8_t image[16];         // what names the image there
    struct shard *shards;      // by slot, NULL: none yet
    uint16_t *loaded;          // slots of those that are
    unsigned nloaded;
    struct shard_ops *shard_ops;
    size_t ready_blocks, ready_exits, ready_map, ready_code; // bytes that are there already
    bool ready_spread;                                       // and all of heat and names
    struct named *names;                                     // 1 << names_bits
    unsigned names_bits;
    uint32_t nnames;
    uint64_t near[NEAR_WORDS]; // a bit for 64 bytes of code, hashed, where there may be a block
    uint32_t free_listed;
    uint32_t *dead; // 1 << DEAD_BITS chains
    uint8_t *heat;
    struct shapes *shapes;
    uint8_t *row_way; // by row: enum row_way
    struct host_leaf leaves[HOST_LEAVES];
    uint8_t draft[2][BLOCK_BYTES]; // the block at hand and its stubs. Written where the host is running nearby they
                                   // would stop it
    uint32_t *row_done;            // by row: how often the interpreter did it
    struct jit_space *spaces;
    uint32_t views;                 // the last one given
    struct view *shared[64];        // by file (jit/view.h)
    uint32_t nshared, shared_pages; // of them all
    uint32_t shown;                 // pieces of table shown in spaces
    uint32_t nfilled;               // pages of table that have memory, in spaces and views
    struct jit_stats stats;
    struct left_flags left_flags;
    uint64_t epoch;            // another one whenever what cache_find or view_at say may change
    struct host_divert divert; // of whatever runs, and what of it never changes (run.c)
    bool refused;              // options.verify has said no
    bool off;                  // jit_switch_off
};

// Where code that came back from the kernel went on, of this epoch alone: asked first, since every system call asks.
struct known {
    uint64_t epoch; // 0: none
    uint32_t pc, host;
};

struct jit_space {
    struct tier tier; // first
    struct jit *jit;
    struct mem *mem;
    struct code *code;
    uint32_t *table; // of targets
    // For its own view, NULL until something is translated for that (space_needs_own).
    uint64_t *table_filled; // a bit per page of the table that leads somewhere, or says that it does not
    uint32_t *page_head;    // by guest page: blocks with code from it (struct listed)
    uint32_t view;          // its own
    void *owner;            // for jit_options.source; NULL: it shares nothing
    uint32_t nfilled;       // pages of table of its own
    struct view_range *ranges;
    uint32_t nranges, room_ranges, last_range;
    uint32_t resume; // the exit whose instruction the interpreter does
    uint32_t called; // where the last system call returns to, 0: something else has run since
    struct known known[64];
    struct jit_space *next, **prev;
};

// Blocks and exits of shards are looked at through these; all else of a block is known of the box's own alone.
enum { SHARD_INDEX = (1 << SHARD_SHIFT) - 1 };
#define SHARD_VIEW 0x80000000u // the view of a shard: this and its slot
static inline bool cache_is_own(uint32_t id)
{
    return id >> SHARD_SHIFT == 0;
}
static inline const struct shard *cache_shard(const struct jit *j, uint32_t id)
{
    return &j->shards[id >> SHARD_SHIFT];
}
static inline const struct block *cache_block(const struct jit *j, uint32_t id)
{
    return cache_is_own(id) ? &j->blocks[id] : &cache_shard(j, id)->blocks[id & SHARD_INDEX];
}
static inline const struct exit *cache_exit(const struct jit *j, uint32_t id)
{
    return cache_is_own(id) ? &j->exits[id] : &cache_shard(j, id)->exits[id & SHARD_INDEX];
}
static inline uint32_t cache_base(const struct jit *j, uint32_t id) // what places in it are from: in the code memory
{
    return cache_is_own(id) ? 0 : cache_shard(j, id)->base;
}
static inline uint32_t cache_host(const struct jit *j, uint32_t block)
{
    return cache_base(j, block) + cache_block(j, block)->host;
}
static inline uint32_t cache_view(const struct jit *j, uint32_t block)
{
    return cache_is_own(block) ? j->blocks[block].view : SHARD_VIEW | block >> SHARD_SHIFT;
}
static inline const struct map_entry *cache_map(const struct jit *j, uint32_t block)
{
    const struct map_entry *all = cache_is_own(block) ? j->map : cache_shard(j, block)->map;
    return &all[cache_block(j, block)->map];
}
static inline uint32_t cache_exit_block(const struct jit *j, uint32_t exit)
{
    return cache_exit(j, exit)->block | (exit & ~(uint32_t)SHARD_INDEX);
}

bool cache_open(struct jit *);
void cache_close(struct jit *);
void cache_begin_at(struct jit *, uint32_t start, uint32_t stubs); // nothing is there yet: places in the code memory
bool cache_is_full(const struct jit *);
void cache_flush(struct jit *);
void cache_ready(struct jit *); // before a translation: memory for it, a piece at a time instead of page by page

// Open addressing: a key's place among 1 << bits, or the free one where it would be.
uint32_t cache_place(const struct named *, unsigned bits, uint32_t view, uint32_t pc);
uint32_t cache_find(const struct jit *, uint32_t view, uint32_t pc, unsigned r11); // r11: R11_BOTH: any
void cache_expect(const struct jit *, uint32_t view, uint32_t pc);                 // will be added soon
void cache_add(struct jit *, struct jit_space *, uint32_t block, const uint32_t *pages, unsigned npages);
uint32_t cache_block_at(const struct jit *, uint32_t host); // the block whose code has this place, 0: none
uint32_t cache_head_at(const struct jit *, uint32_t host);  // the one that begins there
unsigned cache_tick(struct jit *, uint32_t block);          // has found it running: how often so far
bool cache_is_replaced(const struct jit *, uint32_t block); // another one has taken its place, or is to
// The new block, which begins at the same address, takes the place of the old one, which stays for who is in it.
void cache_replace(struct jit_space *, uint32_t old, uint32_t with);
void cache_chain(struct jit *, uint32_t exit, uint32_t block);
void cache_page_changed(struct jit_space *, uint32_t page);           // is about to
void cache_bury(struct jit_space *, uint32_t block, uint32_t page);   // revive.c: killed, since this page will change
uint32_t cache_revive(struct jit_space *, uint32_t pc, unsigned r11); // 0: none
void cache_kill(struct jit_space *, uint32_t block);                  // nothing leads there any more

// The table of targets has 4 bytes for each guest byte: where in the window (host/exec.h) the code to run is, or the
// window's `top`, which leads nowhere. A jump takes two of them for an address, the target's below, the next byte's
// above. So behind an entry that leads somewhere is always one that does not. Then a pair is
//
//     somewhere, top      the address of that code: all other pairs are misses
//     top, top            a place in the window, where the piece that misses is; as at top, 0, the window's start
//     top, somewhere      not canonical, since all code is at FIRST_CODE or above: the jump faults
//     0, or top, before 0 an address where nothing is mapped: pages of the table are zeros until they are filled
//
// and never is it somewhere, 0. The last two cost a signal (host/fault.c). Of neighbours that both are targets only the
// first is aimed at.
void cache_aim(struct jit_space *, uint32_t pc, uint32_t block);
void cache_fill(struct jit_space *, uint32_t pc);   // pc was asked for in vain, or will be asked for
void cache_part(struct jit_space *, uint32_t page); // the table from this page on becomes another
bool space_needs_own(struct jit_space *);           // false: no memory
void space_free_own(struct jit_space *);
void space_forget(struct jit_space *);
void space_forget_targets(struct jit_space *); // the table alone: another space of the same region has used it

// The same for all of 64 bytes of code: what is near each other is looked for together.
static inline uint32_t cache_hash(uint32_t view, uint32_t pc)
{
    return (pc >> 6 ^ view * 0x85ebca6bu) * 0x9e3779b1u;
}

// For the profile: code of a shared view, the first time that this happens to it.
static inline void cache_ran(struct jit *j, const struct jit_space *s, uint32_t view, uint32_t pc, uint32_t flags)
{
    if (view != s->view && j->nran < MAX_RAN) j->ran[j->nran++] = (struct ran){view, {pc, flags}};
}

// How often pc was the interpreter's next block, up to the number that makes it hot; with HEAT_BLOCK when there may be
// a block, so that whoever looks for one that is not there has touched one byte.
enum { HEAT_BLOCK = 0x80, HEAT_MAX = 0x7f };

static inline uint32_t cache_near_bit(uint32_t view, uint32_t pc)
{
    return cache_hash(view, pc) >> 16 & (64 * NEAR_WORDS - 1);
}
// May there be a block of the box's own nearby? With a code cache there are few, and asking is not to touch all of
// heat.
static inline bool cache_is_near(const struct jit *j, uint32_t view, uint32_t pc)
{
    uint32_t bit = cache_near_bit(view, pc);
    return j->near[bit / 64] >> (bit % 64) & 1;
}

static inline uint8_t *cache_heat(const struct jit *j, uint32_t view, uint32_t pc)
{
    uint32_t line = cache_hash(view, pc) >> (32 - (HEAT_BITS - 6));
    return &j->heat[line << 6 | (pc & 63)];
}

// Once more, along all code that has run, also where there are blocks already.
uint32_t translate_hot(struct jit_space *, uint32_t pc, unsigned r11);
void translate_around(struct jit_space *, uint32_t block); // the block and those it leads to (jit/hot.c)
uint32_t translate(struct jit_space *, uint32_t pc,
                   unsigned r11); // 0: cannot be fetched, or nothing there to translate
