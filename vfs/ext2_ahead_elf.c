// What a program that starts will need soon of an image that comes from far away: the tables and the data of an ELF
// file, which the dynamic linker goes through first, and the libraries that it names (DT_NEEDED), so that these come at
// the same time and not one after the other. Nothing here waits, and nothing of it has to be right.
//
// What is needed for that may not be here yet: then it is a matter for later (struct ext2_later), looked at again when
// the next page is asked for.
#include "vfs/ext2_internal.h"
#include <elf.h>
#include <string.h>

enum {
    HEAD = 1024,
    PROGRAM = 8 << 20,
    WHOLE = 512 << 10,  // all of a smaller one is asked for
    TABLES = 256 << 10, // names and symbols
    DATA = 128 << 10,
    DYNAMIC = 64, // entries
    NEEDED = 16,
    LOOKS = 200, // then it is needed no more
    NAME = 64
};

struct needed {
    char name[NEEDED][NAME];
    uint64_t ino[NEEDED];
    struct ext2_node file[NEEDED]; // as far as they were found; ino 0
    unsigned n;
};

// ---------------------------------------------------------------- parts of a file

// Reads a part that lies in one run. 0; -LX_EPARK: not all of it is here; -LX_EIO.
static int read_here(struct ext2 *e, struct ext2_node *n, uint64_t from, void *to, size_t bytes)
{
    uint64_t logical = from / e->block_size;
    if (!ext2_can_find(e, n, logical)) return -LX_EPARK;
    if (ext2_find(e, n, logical) || !n->run.physical) return -LX_EIO;
    uint64_t skip = from - n->run.logical * e->block_size, at = n->run.physical * e->block_size + skip;
    if (n->run.count * e->block_size - skip < bytes) return -LX_EIO;
    if (e->dev->ops->ready(e->dev, at, bytes, NULL)) return -LX_EPARK;
    return blockdev_read(e->dev, at, to, bytes);
}

// The dynamic linker is at its beginning first; where it ends, the rest of a page is cleared. What is in between
// follows.
static int ahead_data(struct ext2 *e, struct ext2_node *n, uint64_t from, uint64_t bytes)
{
    uint64_t first = from / e->block_size, last = (from + bytes - 1) / e->block_size, at;
    if (!ext2_can_find(e, n, first) || !ext2_can_find(e, n, last)) return -LX_EPARK;
    if (!ext2_find(e, n, last) && n->run.physical)
        blockdev_ahead(e->dev, (n->run.physical + last - n->run.logical) * e->block_size, e->block_size);
    if (ext2_find(e, n, first) || !n->run.physical) return -LX_EIO;
    at = (n->run.physical + first - n->run.logical) * e->block_size;
    blockdev_ahead(e->dev, at, bytes < DATA ? bytes : DATA);
    blockdev_hint(e->dev, at, bytes + bytes / 1024);
    return 0;
}

// ---------------------------------------------------------------- libraries

static int note_library(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    struct needed *w = ctx;
    (void)dt;
    for (unsigned i = 0; i < w->n; i++)
        if (strlen(w->name[i]) == len && !memcmp(w->name[i], name, len)) w->ino[i] = ino;
    return 0;
}

// A link in the same directory leads to another name there.
static void ahead_library(struct ext2 *e, struct needed *w, unsigned i)
{
    struct ext2_node n;
    uint64_t ino = w->ino[i];
    const struct ext2_inode_large *in = ino && ext2_inode_is_here(e, ino) ? ext2_read_inode(e, ino) : NULL;
    *w->name[i] = 0;
    w->ino[i] = 0;
    if (!in) return;
    ext2_fill_node(e, ino, in, &n);
    if (LINUX_S_ISLNK(n.mode) && n.size < EXT2_MAP_BYTES && n.size < NAME) {
        memcpy(w->name[i], n.map, n.size);
        w->name[i][n.size] = 0;
    }
    bool plain = LINUX_S_ISREG(n.mode) && !(n.flags & EXT4_INLINE_DATA_FL) && ext2_can_find(e, &n, 0);
    if (!plain || ext2_find(e, &n, 0) || !n.run.physical) return;
    w->file[i] = n;
    blockdev_ahead(e->dev, n.run.physical * e->block_size, e->block_size);
}

static void ahead_libraries(struct ext2 *e, struct needed *w)
{
    for (int round = 0; round < 2; round++) {
        if (ext2_entries(&e->lower, &e->libraries, note_library, w)) return;
        for (unsigned i = 0; i < w->n; i++) ahead_library(e, w, i);
    }
    for (unsigned i = 0; i < w->n; i++)
        if (w->file[i].ino) ext2_ahead_file(e, &w->file[i], w->file[i].run.physical * e->block_size);
}

// Their names are strings in the first segment.
static int read_needed(struct ext2 *e, struct ext2_later *l, struct needed *w)
{
    Elf64_Dyn dynamic[DYNAMIC];
    uint64_t strings = 0, n = l->dynamic_bytes / sizeof *dynamic;
    int err = read_here(e, &l->node, l->dynamic, dynamic, n * sizeof *dynamic);
    for (unsigned i = 0; !err && i < n; i++)
        if (dynamic[i].d_tag == DT_STRTAB) strings = dynamic[i].d_un.d_ptr - l->base;
    for (unsigned i = 0; !err && i < n && dynamic[i].d_tag != DT_NULL && w->n < NEEDED; i++) {
        uint64_t at = strings + dynamic[i].d_un.d_val;
        if (dynamic[i].d_tag != DT_NEEDED || at < strings || at > l->first || l->first - at < NAME) continue;
        err = read_here(e, &l->node, at, w->name[w->n], NAME);
        w->name[w->n++][NAME - 1] = 0;
    }
    return err;
}

// ---------------------------------------------------------------- later

// One thing after the other. -LX_EPARK: not yet.
static int go_on(struct ext2 *e, struct ext2_later *l)
{
    struct needed w = {.n = 0};
    int err = l->data_bytes ? ahead_data(e, &l->node, l->data, l->data_bytes) : 0;
    if (err) return err;
    l->data_bytes = 0;
    if (!l->dynamic_bytes) return 0;
    err = read_needed(e, l, &w);
    if (err) return err;
    if (!e->libraries.ino) return -LX_EPARK;
    ahead_libraries(e, &w);
    return 0;
}

void ext2_ahead_again(struct ext2 *e)
{
    e->waiting = false;
    for (struct ext2_later *l = e->later; l < e->later + EXT2_LATER; l++) {
        if (l->node.ino && (go_on(e, l) != -LX_EPARK || l->looks++ == LOOKS)) l->node.ino = 0;
        e->waiting |= l->node.ino != 0;
    }
}

// ---------------------------------------------------------------- programs

static bool is_inside(const Elf64_Phdr *p, uint64_t size)
{
    return p->p_offset <= size && p->p_filesz <= size - p->p_offset;
}

static void take_header(struct ext2_later *l, const Elf64_Phdr *p)
{
    if (p->p_type == PT_LOAD && !p->p_offset) {
        l->first = p->p_filesz;
        l->base = p->p_vaddr;
    } else if (p->p_type == PT_LOAD && p->p_flags & PF_W) {
        l->data = p->p_offset;
        l->data_bytes = p->p_filesz;
    } else if (p->p_type == PT_DYNAMIC && l->program) {
        l->dynamic = p->p_offset;
        l->dynamic_bytes = p->p_filesz < DYNAMIC * sizeof(Elf64_Dyn) ? p->p_filesz : DYNAMIC * sizeof(Elf64_Dyn);
    } else if (p->p_type == PT_INTERP) { // comes before the others
        l->program = true;
    }
}

static bool take_headers(struct ext2_later *l, const uint8_t *head)
{
    Elf64_Ehdr h;
    memcpy(&h, head, sizeof h);
    if (memcmp(head, ELFMAG, SELFMAG) || h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phoff > HEAD) return false;
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        if (h.e_phoff + (i + 1) * sizeof p > HEAD) return false;
        memcpy(&p, head + h.e_phoff + i * sizeof p, sizeof p);
        if (is_inside(&p, l->node.size)) take_header(l, &p);
    }
    return true;
}

// Its first page is `frame`, at `at` of the device: the rest mostly follows there.
void ext2_ahead_program(struct ext2 *e, const struct ext2_node *n, uint32_t frame, uint64_t at)
{
    uint8_t head[HEAD];
    struct ext2_later l = {.node = *n};
    uint64_t all = n->size + n->size / 1024;
    if (!e->cold || e->dev->exact || n->size < sizeof head || n->size > PROGRAM) return;
    if (ram_read(e->lower.vfs->ram, frame, 0, head, sizeof head) || !take_headers(&l, head)) return;
    if (!l.program) e->libraries = e->scanned; // the dynamic linker lies where libraries do
    blockdev_ahead(e->dev, at, l.first < TABLES ? l.first : TABLES);
    e->later[e->nlater++ % EXT2_LATER] = l;
    ext2_ahead_again(e);
    if (n->size <= WHOLE)
        blockdev_ahead(e->dev, at, all);
    else
        blockdev_hint(e->dev, at, all);
}
