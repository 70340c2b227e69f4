// See pagemap.h. 64 entries a node, so a 32-bit index needs at most six levels; recursion is bounded by that.
#include "vfs/pagemap.h"
#include "vfs/internal.h"

enum { FAN = 64, BITS = 6, MAX_HEIGHT = 6 };

struct pm_leaf {
    uint32_t frame[FAN];
    uint64_t own, mark;
};
struct pm_node {
    void *child[FAN];
};

static unsigned slot(uint32_t index, unsigned level)
{
    return (uint64_t)index >> (level * BITS) & (FAN - 1);
}

static bool covers(const struct pagemap *m, uint32_t index)
{
    return (uint64_t)index >> (m->height * BITS) == 0 && m->height > 0;
}

static struct pm_leaf *find_leaf(struct pagemap *m, uint32_t index)
{
    uint32_t base = index & ~(uint32_t)(FAN - 1);
    if (m->recent && m->recent_base == base) return m->recent;
    if (!covers(m, index)) return NULL;
    void *p = m->root;
    for (unsigned level = m->height - 1; level > 0 && p; level--) p = ((struct pm_node *)p)->child[slot(index, level)];
    if (p) {
        m->recent = p;
        m->recent_base = base;
    }
    return p;
}

uint32_t pagemap_get(struct pagemap *m, uint32_t index, bool *own)
{
    struct pm_leaf *l = find_leaf(m, index);
    *own = l && l->own >> slot(index, 0) & 1;
    return l ? l->frame[slot(index, 0)] : 0;
}

static bool grow(struct vfs *v, struct pagemap *m, uint32_t index)
{
    while (!covers(m, index)) {
        if (m->height == 0) {
            m->root = kmem_new(v, sizeof(struct pm_leaf));
            if (!m->root) return false;
            m->height = 1;
            continue;
        }
        struct pm_node *top = kmem_new(v, sizeof *top);
        if (!top) return false;
        top->child[0] = m->root;
        m->root = top;
        m->height++;
    }
    return true;
}

static struct pm_leaf *make_leaf(struct vfs *v, struct pagemap *m, uint32_t index)
{
    if (!grow(v, m, index)) return NULL;
    void *p = m->root;
    for (unsigned level = m->height - 1; level > 0; level--) {
        void **child = &((struct pm_node *)p)->child[slot(index, level)];
        if (!*child) *child = kmem_new(v, level == 1 ? sizeof(struct pm_leaf) : sizeof(struct pm_node));
        if (!*child) return NULL;
        p = *child;
    }
    return p;
}

int pagemap_set(struct vfs *v, struct pagemap *m, uint32_t index, uint32_t frame, bool own)
{
    struct pm_leaf *l = find_leaf(m, index);
    if (!l) l = make_leaf(v, m, index);
    if (!l) return -LX_ENOSPC;
    uint64_t bit = 1ull << slot(index, 0);
    l->frame[slot(index, 0)] = frame;
    l->own = own ? l->own | bit : l->own & ~bit;
    return 0;
}

// The first page at or after index `from` below a subtree that begins at `base`.
static bool next_below(void *p, unsigned level, uint64_t base, uint64_t from, uint32_t *index, uint32_t *frame,
                       bool *own)
{
    uint64_t span = 1ull << (level * BITS);
    if (!p) return false;
    for (unsigned i = from > base ? (unsigned)((from - base) / span) : 0; i < FAN; i++) {
        uint64_t at = base + i * span;
        if (level > 0) {
            if (next_below(((struct pm_node *)p)->child[i], level - 1, at, from, index, frame, own)) return true;
            continue;
        }
        const struct pm_leaf *l = p;
        if (!l->frame[i]) continue;
        *index = (uint32_t)at;
        *frame = l->frame[i];
        *own = l->own >> i & 1;
        return true;
    }
    return false;
}

bool pagemap_next(const struct pagemap *m, uint64_t from, uint32_t *index, uint32_t *frame, bool *own)
{
    if (m->height == 0 || from >> (m->height * BITS)) return false;
    return next_below(m->root, m->height - 1, 0, from, index, frame, own);
}

// ---------------------------------------------------------------- marks

bool pagemap_mark(struct pagemap *m, uint32_t index)
{
    struct pm_leaf *l = find_leaf(m, index);
    uint64_t bit = 1ull << slot(index, 0);
    if (!l || l->mark & bit) return false;
    l->mark |= bit;
    return true;
}

uint16_t pagemap_marked(struct pagemap *m, uint32_t first)
{
    const struct pm_leaf *l = find_leaf(m, first);
    return l ? (uint16_t)(l->mark >> slot(first, 0)) : 0;
}

void pagemap_unmark(struct pagemap *m, uint32_t first)
{
    struct pm_leaf *l = find_leaf(m, first);
    if (l) l->mark &= ~(0xffffull << slot(first, 0));
}

static bool next_mark_below(void *p, unsigned level, uint64_t base, uint64_t from, uint32_t *index)
{
    uint64_t span = 1ull << (level * BITS);
    unsigned first = from > base ? (unsigned)((from - base) / span) : 0;
    if (!p || first >= FAN) return false;
    if (level == 0) {
        uint64_t marks = ((struct pm_leaf *)p)->mark >> first << first;
        if (marks) *index = (uint32_t)(base + (unsigned)__builtin_ctzll(marks));
        return marks != 0;
    }
    for (unsigned i = first; i < FAN; i++)
        if (next_mark_below(((struct pm_node *)p)->child[i], level - 1, base + i * span, from, index)) return true;
    return false;
}

bool pagemap_next_mark(const struct pagemap *m, uint64_t from, uint32_t *index)
{
    if (m->height == 0 || from >> (m->height * BITS)) return false;
    return next_mark_below(m->root, m->height - 1, 0, from, index);
}

// ---------------------------------------------------------------- cutting

struct cutting {
    struct vfs *v;
    uint64_t from, to;
    pagemap_drop *drop;
    void *ctx;
};

static void cut_leaf(const struct cutting *c, struct pm_leaf *l, uint64_t base)
{
    for (unsigned i = 0; i < FAN; i++) {
        if (base + i < c->from || base + i >= c->to || !l->frame[i]) continue;
        uint32_t frame = l->frame[i];
        bool own = l->own >> i & 1;
        l->frame[i] = 0;
        l->own &= ~(1ull << i);
        l->mark &= ~(1ull << i);
        c->drop(c->ctx, frame, own);
    }
}

static bool all_zero(const void *const *child)
{
    for (unsigned i = 0; i < FAN; i++)
        if (child[i]) return false;
    return true;
}

// true: the subtree is empty and was freed.
static bool cut_below(const struct cutting *c, void *p, unsigned level, uint64_t base)
{
    uint64_t span = 1ull << (level * BITS);
    if (level == 0) {
        struct pm_leaf *l = p;
        cut_leaf(c, l, base);
        for (unsigned i = 0; i < FAN; i++)
            if (l->frame[i]) return false;
        kmem_free(c->v, l, sizeof *l);
        return true;
    }
    struct pm_node *n = p;
    for (unsigned i = 0; i < FAN; i++) {
        uint64_t at = base + i * span;
        if (!n->child[i] || at >= c->to || at + span <= c->from) continue;
        if (cut_below(c, n->child[i], level - 1, at)) n->child[i] = NULL;
    }
    if (!all_zero((const void *const *)n->child)) return false;
    kmem_free(c->v, n, sizeof *n);
    return true;
}

void pagemap_cut(struct vfs *v, struct pagemap *m, uint64_t from, uint64_t to, pagemap_drop *drop, void *ctx)
{
    struct cutting c = {v, from, to, drop, ctx};
    m->recent = NULL;
    if (m->height == 0 || from >= to || !cut_below(&c, m->root, m->height - 1, 0)) return;
    m->root = NULL;
    m->height = 0;
}
