// Pages of an image's files: shown as they lie in the image where a page lies there whole, else put together.
#include "vfs/ext2_internal.h"
#include <string.h>

enum { PAGE = 4096 };

// The parts that a page is made of: blocks, or one part of a larger block.
struct page_blocks {
    uint64_t at[PAGE / 1024]; // in the image; 0: a hole
    unsigned n;
    uint32_t bytes; // of each
    bool any, together;
};

static int find_blocks(struct ext2 *e, struct ext2_node *n, uint32_t index, struct page_blocks *b)
{
    uint32_t part = e->block_size < PAGE ? e->block_size : PAGE;
    *b = (struct page_blocks){.n = PAGE / part, .bytes = part, .together = true};
    for (unsigned k = 0; k < b->n; k++) {
        uint64_t at = ((uint64_t)index << 12) + k * part;
        if (at >= n->size) {
            b->together = false; // what lies behind the end belongs to others
            break;
        }
        int err = ext2_find(e, n, at / e->block_size);
        if (err) return err;
        const struct ext2_run *r = &n->run;
        if (r->physical) {
            b->at[k] = (r->physical - r->logical) * e->block_size + at;
            b->any = true;
        }
        if (b->at[k] != b->at[0] + k * part) b->together = false;
    }
    if (!b->at[0] || b->at[0] % PAGE) b->together = false;
    return 0;
}

// -LX_EPARK while some of them are not here. All are asked for before we wait.
static int blocks_ready(struct ext2 *e, const struct page_blocks *b)
{
    int result = 0;
    for (unsigned k = 0; k < b->n; k++) {
        if (!b->at[k]) continue;
        struct waitq *wait = NULL;
        int err = e->dev->ops->ready(e->dev, b->at[k], b->bytes, e->lower.vfs->probing ? NULL : &wait);
        if (err == -LX_EPARK) e->lower.vfs->park = wait;
        if (err && result != -LX_EIO) result = err;
    }
    return result;
}

static uint32_t bytes_in_page(const struct ext2_node *n, uint32_t index)
{
    uint64_t left = n->size - ((uint64_t)index << 12);
    return left < PAGE ? (uint32_t)left : PAGE;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (*p == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static uint32_t mapped_frame(struct ext2 *e, const struct ext2_node *n, uint32_t index, const struct page_blocks *b)
{
    uint32_t frame = b->together ? e->dev->ops->frame(e->dev, b->at[0]) : 0;
    uint32_t used = bytes_in_page(n, index);
    if (!frame || used == PAGE) return frame;
    uint8_t tail[PAGE]; // must read as zeros
    if (ram_read(e->lower.vfs->ram, frame, used, tail, PAGE - used)) return 0;
    return is_zero(tail, PAGE - used) ? frame : 0;
}

static int read_page(struct ext2 *e, const struct ext2_node *n, uint32_t index, const struct page_blocks *b,
                     uint32_t *frame)
{
    struct ram *ram = e->lower.vfs->ram;
    uint32_t f = ram_alloc(ram, 1, true), used = bytes_in_page(n, index);
    if (!f) return -LX_ENOMEM;
    for (unsigned k = 0; k < b->n; k++) {
        int err = b->at[k] ? blockdev_read(e->dev, b->at[k], ram_ptr(ram, f) + k * b->bytes, b->bytes) : 0;
        if (err) {
            ram_unref(ram, f);
            return err;
        }
    }
    memset(ram_ptr(ram, f) + used, 0, PAGE - used);
    *frame = f;
    return 0;
}

static int inline_page(struct ext2 *e, const struct ext2_node *n, uint32_t index, uint32_t *frame)
{
    struct vfs *v = e->lower.vfs;
    uint8_t *bytes = kmem_new(v, e->inode_size);
    uint32_t f = bytes ? ram_alloc(v->ram, 1, true) : 0;
    int have = f ? ext2_inline(e, n, bytes) : -LX_ENOMEM;
    if (have >= 0 && n->size > (uint64_t)have) have = -LX_EIO;
    if (have >= 0) memcpy(ram_ptr(v->ram, f), bytes + ((uint64_t)index << 12), bytes_in_page(n, index));
    kmem_free(v, bytes, e->inode_size);
    if (have >= 0)
        *frame = f;
    else if (f)
        ram_unref(v->ram, f);
    return have < 0 ? have : 0;
}

int ext2_page(struct lower *l, void *node, uint32_t index, uint32_t *frame)
{
    struct ext2 *e = (struct ext2 *)l;
    struct ext2_node *n = node;
    struct page_blocks b;
    *frame = 0;
    if ((uint64_t)index << 12 >= n->size) return 0;
    if (n->flags & EXT4_INLINE_DATA_FL) return inline_page(e, n, index, frame);
    int err = find_blocks(e, n, index, &b);
    if (err || !b.any) return err;
    if (e->waiting) ext2_ahead_again(e);
    if (e->nbelow) ext2_ahead_below(e);
    if (index == 0 && b.at[0] && !e->lower.vfs->probing) ext2_ahead_file(e, n, b.at[0]);
    err = blocks_ready(e, &b);
    if (err) return err;
    *frame = mapped_frame(e, n, index, &b);
    if (*frame && index == 0) ext2_ahead_program(e, n, *frame, b.at[0]);
    return *frame ? 0 : read_page(e, n, index, &b, frame);
}

bool ext2_has_page(struct lower *l, void *node, uint32_t index)
{
    struct page_blocks b;
    struct ext2_node *n = node;
    if ((uint64_t)index << 12 >= n->size) return false;
    if (n->flags & EXT4_INLINE_DATA_FL) return true;
    return find_blocks((struct ext2 *)l, n, index, &b) != 0 || b.any;
}

uint32_t ext2_alike(struct lower *l, void *node, uint32_t index)
{
    struct ext2 *e = (struct ext2 *)l;
    struct ext2_node *n = node;
    if (n->flags & EXT4_INLINE_DATA_FL || ext2_find(e, n, ((uint64_t)index << 12) / e->block_size)) return 1;
    uint64_t end = (n->run.logical + n->run.count) * e->block_size >> 12; // pages that lie whole in the run
    if (end <= index) return 1;
    return end - index < UINT32_MAX ? (uint32_t)(end - index) : UINT32_MAX;
}
