// insn_gen: the decoder's switch trees. roots[vex][map][opcode] is 0 (undefined), a row's number plus one, or
// TREE_SWITCH plus the place of a switch in nodes[]: first what is looked at (enum dim), then one such value for each
// of its outcomes.
#include "insn_gen.h"
#include <stdlib.h>
#include <string.h>

enum { TREE_SWITCH = 0x8000, MAX_NODES = 0x8000 };

static uint16_t nodes[MAX_NODES];
static int node_count;
static const int outcomes[DIM_COUNT] = {
    [DIM_LEVEL] = 8, [DIM_B] = 2, [DIM_W] = 2, [DIM_L] = 2, [DIM_PP] = 4, [DIM_MOD] = 2, [DIM_REG] = 8, [DIM_RM] = 8,
};

struct set {
    const struct row *row[64];
    int count;
};

// Level k of the tree stands for CPU levels k + 2; a row with a level matches that and all above.
static bool matches(const struct row *row, enum dim dim, int outcome)
{
    if (dim == DIM_LEVEL) return row->level <= outcome + 2;
    return row->want[dim] == ANY || row->want[dim] == outcome;
}

static bool distinguishes(const struct set *set, enum dim dim)
{
    for (int i = 0; i < set->count; i++) {
        if (dim == DIM_LEVEL && set->row[i]->level > 2) return true;
        if (dim != DIM_LEVEL && set->row[i]->want[dim] != ANY) return true;
    }
    return false;
}

// All rows left match the same bytes. One wins when it asks for all that the other asks, and more.
static bool more_special(const struct row *a, const struct row *b)
{
    bool more = b->plus_r && !a->plus_r;
    for (int dim = DIM_B; dim < DIM_COUNT; dim++) {
        if (a->want[dim] == ANY && b->want[dim] != ANY) return false;
        if (a->want[dim] != ANY && b->want[dim] == ANY) more = true;
    }
    return more && !(a->plus_r && !b->plus_r);
}

static uint16_t leaf(const struct set *set)
{
    const struct row *best = set->row[0];
    for (int i = 1; i < set->count; i++)
        if (more_special(set->row[i], best)) best = set->row[i];
    for (int i = 0; i < set->count; i++)
        if (set->row[i] != best && !more_special(best, set->row[i]))
            row_error(set->row[i], "%s and %s (%s:%d) match the same bytes", set->row[i]->id, best->id, best->file,
                      best->line);
    return (uint16_t)(best->number + 1);
}

static uint16_t build(const struct set *set, int dim)
{
    while (dim < DIM_COUNT && !distinguishes(set, (enum dim)dim)) dim++;
    if (set->count == 0) return 0;
    if (dim == DIM_COUNT) return leaf(set);
    int at = node_count, count = outcomes[dim];
    node_count += 1 + count;
    if (node_count > MAX_NODES) row_error(set->row[0], "the decoder's tree is full");
    nodes[at] = (uint16_t)dim;
    bool same = true;
    for (int k = 0; k < count; k++) {
        struct set part = {.count = 0};
        for (int i = 0; i < set->count; i++)
            if (matches(set->row[i], (enum dim)dim, k)) part.row[part.count++] = set->row[i];
        uint16_t child = build(&part, dim + 1);
        nodes[at + 1 + k] = child;
        same = same && child == nodes[at + 1];
    }
    return same ? nodes[at + 1] : (uint16_t)(TREE_SWITCH | at);
}

static uint16_t build_opcode(bool vex, int map, int opcode)
{
    struct set set = {.count = 0};
    for (int i = 0; i < row_count; i++) {
        const struct row *row = &rows[i];
        int low = row->plus_r ? 7 : 0;
        if (row->vex != vex || row->map != map || (row->opcode | low) != (opcode | low)) continue;
        if (set.count == 64) row_error(row, "more than 64 rows for one opcode");
        set.row[set.count++] = row;
    }
    // The decoder looks at ModRM before it knows the row, so either all rows of an opcode have one or none that is told
    // by it.
    for (int i = 0; i < set.count; i++)
        if (set.row[i]->modrm != set.row[0]->modrm)
            row_error(set.row[i], "%s and %s differ in having ModRM", set.row[i]->id, set.row[0]->id);
    return build(&set, 0);
}

static enum opcode_form row_form(const struct row *row)
{
    if (!row->modrm) return OPCODE_BARE;
    if (row->decode & (DECODE_VSIB | DECODE_NO_MOD) || row->want[DIM_B] != ANY) return OPCODE_UNKNOWN;
    return row->want[DIM_RM] != ANY ? OPCODE_FULL : row->want[DIM_REG] != ANY ? OPCODE_DIGIT : OPCODE_MODRM;
}

static bool is_legacy_prefix(int byte)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
    return memchr(prefixes, byte, sizeof prefixes) != NULL;
}

static enum opcode_form form_of(bool vex, int map, int opcode)
{
    enum opcode_form form = OPCODE_UNKNOWN;
    bool first = !vex && map == 0;
    if (first && (opcode == 0xc4 || opcode == 0xc5)) return OPCODE_VEX;
    if (first && is_legacy_prefix(opcode)) return OPCODE_PREFIX;
    for (int i = 0; i < row_count; i++) {
        int low = rows[i].plus_r ? 7 : 0;
        if (rows[i].vex != vex || rows[i].map != map || (rows[i].opcode | low) != (opcode | low)) continue;
        enum opcode_form of = row_form(&rows[i]);
        if (of == OPCODE_UNKNOWN) return of;
        if (form == OPCODE_UNKNOWN || of > form) form = of; // the one that asks for more; none, or all have ModRM
    }
    return form;
}

static void write_forms(FILE *out)
{
    fprintf(out, "const uint8_t insn_opcode_forms[2][4][256] = {\n");
    for (int vex = 0; vex < 2; vex++) {
        fprintf(out, "{\n");
        for (int map = 0; map < 4; map++) {
            fprintf(out, "{");
            for (int opcode = 0; opcode < 256; opcode++)
                fprintf(out, "%s%d,", opcode % 16 ? "" : "\n", (int)form_of(vex, map, opcode));
            fprintf(out, "},\n");
        }
        fprintf(out, "},\n");
    }
    fprintf(out, "};\n");
}

void write_trees(FILE *out)
{
    fprintf(out, "static const uint16_t tree_roots[2][4][256] = {\n");
    for (int vex = 0; vex < 2; vex++) {
        fprintf(out, "{\n");
        for (int map = 0; map < 4; map++) {
            fprintf(out, "{");
            for (int opcode = 0; opcode < 256; opcode++)
                fprintf(out, "%s%d,", opcode % 16 ? "" : "\n", build_opcode(vex, map, opcode));
            fprintf(out, "},\n");
        }
        fprintf(out, "},\n");
    }
    fprintf(out, "};\nstatic const uint16_t tree_nodes[] = {");
    for (int i = 0; i < node_count; i++) fprintf(out, "%s%d,", i % 16 ? "" : "\n", nodes[i]);
    fprintf(out, "%s};\n", node_count ? "\n" : "0");
    write_forms(out);
}
