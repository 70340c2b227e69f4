// See shape.h. What is left to insn_decode: instructions it refuses, opcodes without a form, moffs operands, more than
// three legacy prefixes, and what may reach beyond the bytes there are.
//
// A key is the bytes up to the opcode, without REX.R, X and B where they only extend registers, and in the highest
// byte: for memory mod, ModRM.reg if it tells the row, and three bits (no index, based, SIB), one of which is set; for
// a register 3 for mod, and reg and rm if they tell the row; without ModRM 0.
#include "cpu/shape.h"
#include "cpu/decode_bits.h"
#include "cpu/insn_encoding.h"
#include "host/pages.h"
#include <stddef.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are filled in several at a time");

enum { MAX_PREFIXES = 3, REX_B = 1, REX_X = 2, REX_R = 4 };

struct shapes *shapes_new(enum cpu_level level, bool checked)
{
    struct shapes *s = pages_new(sizeof *s);
    if (!s) return NULL;
    s->level = level;
    s->checked = checked;
    return s;
}

void shapes_free(struct shapes *s)
{
    if (s) pages_free(s, sizeof *s);
}

// ---- the parts of an instruction ----

// 8 bytes, little-endian: one load.
static inline uint64_t load(const uint8_t *p)
{
    uint64_t low = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    uint64_t high = p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24;
    return low | high << 32;
}

// Of C4 or C5, up to and including the opcode. All of it is in the key.
static unsigned vex_head(const uint8_t *b, struct shape_parts *p)
{
    bool three = b[0] == 0xc4;
    unsigned map = three ? b[1] & 0x1f : 1;
    p->head = three ? 4 : 3;
    p->rex = three ? (uint8_t)(~b[1] >> 5 & 7) : b[1] & 0x80 ? 0 : REX_R;
    p->key = load(b) & ~0ull >> (64 - 8 * p->head);
    return map <= 3 ? insn_opcode_forms[1][map][b[p->head - 1]] : OPCODE_UNKNOWN;
}

// Up to and including the opcode, whatever prefixes there are. A prefix behind REX is no opcode. The form.
static __attribute__((noinline)) unsigned any_head(const uint8_t *b, struct shape_parts *p)
{
    unsigned n = 0;
    while (n < MAX_PREFIXES && insn_opcode_forms[0][0][b[n]] == OPCODE_PREFIX) n++;
    unsigned rex_at = n, rex = (b[n] & 0xf0) == 0x40 ? b[n] : 0;
    n += rex != 0;
    unsigned map = b[n] == 0x0f;
    n += map;
    if (map && (b[n] == 0x38 || b[n] == 0x3a)) map = b[n++] == 0x38 ? 2 : 3;
    unsigned form = insn_opcode_forms[0][map][b[n++]];
    if (form == OPCODE_VEX) return n == 1 ? vex_head(b, p) : OPCODE_UNKNOWN;
    unsigned extends = form == OPCODE_BARE ? 0 : rex & (REX_R | REX_X | REX_B);
    p->head = (uint8_t)n;
    p->rex = (uint8_t)(rex & 7);
    p->key = (load(b) & ~0ull >> (64 - 8 * n)) ^ (uint64_t)extends << (8 * rex_at);
    return form;
}

// The same for what is most common, REX or nothing before an opcode of the first two maps, without a branch: none could
// be predicted.
static inline unsigned head(const uint8_t *b, struct shape_parts *p)
{
    uint64_t bytes = load(b);
    unsigned rex = (bytes & 0xf0) == 0x40, from_op = (unsigned)(bytes >> 8 * rex), map = (from_op & 0xff) == 0x0f;
    unsigned form = insn_opcode_forms[0][map][from_op >> 8 * map & 0xff];
    if (form & OPCODE_RARE) {
        struct shape_parts rare; // so that *p can stay in registers
        form = any_head(b, &rare);
        p->head = rare.head;
        p->rex = rare.rex;
        p->key = rare.key;
        return form;
    }
    unsigned extends = (unsigned)bytes & 7 & (0u - rex);
    p->head = (uint8_t)(1 + rex + map);
    p->rex = (uint8_t)extends;
    p->key = (bytes & 0xffffffu >> (16 - 8 * rex - 8 * map)) ^ (extends & (0u - (form >> 7)));
    return form;
}

// What ModRM says of the operand, and what SIB adds (SDM vol. 2, 2.1.5).
#define ROW8(f, x) f(x), f(x + 1), f(x + 2), f(x + 3), f(x + 4), f(x + 5), f(x + 6), f(x + 7)
#define ROW64(f, x)                                                                                                    \
    ROW8(f, x), ROW8(f, x + 8), ROW8(f, x + 16), ROW8(f, x + 24), ROW8(f, x + 32), ROW8(f, x + 40), ROW8(f, x + 48),   \
        ROW8(f, x + 56)
#define OF_MODRM(x)                                                                                                    \
    ((x) >= 0xc0                    ? 0                                                                                \
     : ((x)&7) == RSP               ? SHAPE_MEMORY | SHAPE_SIB | ((x) >= 0x40 ? SHAPE_BASED : 0)                       \
     : (x) < 0x40 && ((x)&7) == RBP ? SHAPE_MEMORY | SHAPE_NOINDEX                                                     \
                                    : SHAPE_MEMORY | SHAPE_NOINDEX | SHAPE_BASED)
#define OF_SIB(x) ((((x) >> 3 & 7) == RSP ? SHAPE_NOINDEX : 0) | (((x)&7) != RBP ? SHAPE_BASED : 0))
static const uint8_t of_modrm[256] = {ROW64(OF_MODRM, 0), ROW64(OF_MODRM, 64), ROW64(OF_MODRM, 128),
                                      ROW64(OF_MODRM, 192)};
static const uint8_t of_sib[256] = {ROW64(OF_SIB, 0), ROW64(OF_SIB, 64), ROW64(OF_SIB, 128), ROW64(OF_SIB, 192)};

// False: not covered.
static inline bool take_apart(const uint8_t *b, struct shape_parts *p)
{
    unsigned form = head(b, p), has = form >> 7;
    if (form & OPCODE_RARE && form != OPCODE_FULL) return false;
    unsigned modrm = b[p->head] & (0u - has), operand = of_modrm[modrm] & (0u - has), has_sib = operand & SHAPE_SIB;
    unsigned sib = b[p->head + 1];
    operand |= of_sib[sib] & (0u - has_sib);
    operand &= ~(p->rex << 1 & SHAPE_NOINDEX & (0u - has_sib)); // REX.X: R12
    unsigned kind = (modrm & form & (form == OPCODE_FULL && modrm < 0xc0 ? 0xf8 : 0xff)) | (operand & SHAPE_IN_KEY);
    p->modrm = (uint8_t)modrm;
    p->sib = (uint8_t)((sib & (0u - has_sib)) | (modrm & 7 & (has_sib - 1)));
    p->operand = (uint8_t)operand;
    p->tail = (uint8_t)(p->head + has + has_sib);
    p->key |= (uint64_t)kind << 56;
    p->rest = load(b + p->tail);
    return true;
}

// ---- keeping a shape ----

// How a displacement is read, by its bytes.
static const struct disp_rule {
    uint8_t shift; // what brings its sign to bit 63
    uint8_t bits;
    uint32_t mask;
} disp_rules[] = {{0, 0, 0}, {56, 8, UINT32_MAX}, {32, 32, UINT32_MAX}};

// How an immediate is read: sign-extended, then what of it goes to imm, and what to rel.
static const struct imm_rule {
    uint64_t imm;
    uint32_t rel;
    uint8_t shift, bytes;
} imm_rules[] = {
    {0, 0, 0, 0},           {0xff, 0, 56, 1},       {0xffff, 0, 48, 2},     {0xffffff, 0, 40, 3},
    {UINT32_MAX, 0, 56, 1}, {UINT32_MAX, 0, 48, 2}, {UINT32_MAX, 0, 32, 4}, {UINT64_MAX, 0, 0, 8},
    {0, UINT32_MAX, 56, 1}, {0, UINT32_MAX, 32, 4},
};

static unsigned disp_rule(const struct shape_parts *p)
{
    if (!(p->operand & SHAPE_MEMORY)) return 0;
    return p->modrm >> 6 == 1 ? 1 : p->modrm >> 6 == 2 || !(p->operand & SHAPE_BASED) ? 2 : 0;
}

static unsigned imm_rule(enum encoding_imm imm, unsigned bytes)
{
    bool rel = imm == ENCODE_JB || imm == ENCODE_JZ,
         zeros = imm == ENCODE_IB || imm == ENCODE_IW || imm == ENCODE_IW_IB;
    uint64_t mask = rel || !bytes ? 0 : bytes == 8 ? UINT64_MAX : zeros ? ~0ull >> (64 - 8 * bytes) : UINT32_MAX;
    unsigned i = 0;
    while (imm_rules[i].bytes != bytes || imm_rules[i].imm != mask) i++;
    return i;
}

// What a register's number becomes in struct insn, by its kind: as it is, without its REX bit, or the byte offset of a
// byte register, with REX or without (insn.h).
enum register_kind { KIND_FULL, KIND_LOW, KIND_BYTE_REX, KIND_BYTE, KIND_NONE };
static const uint8_t registers[][16] = {
    [KIND_FULL] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    [KIND_LOW] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7},
    [KIND_BYTE_REX] = {0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120},
    [KIND_BYTE] = {0, 8, 16, 24, 1, 9, 17, 25},
    [KIND_NONE] = {0},
};

static enum register_kind kind_of(bool low, bool byte, bool rex)
{
    return byte ? (rex ? KIND_BYTE_REX : KIND_BYTE) : low ? KIND_LOW : KIND_FULL;
}

static void set_kinds(struct shape *s, const struct insn *in, const struct shape_parts *p)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    bool rex = in->pfx & PFX_REX;
    unsigned reg = p->tail > p->head ? kind_of(c->low_reg, c->byte_reg, rex) : KIND_NONE;
    unsigned rm = p->modrm >= 0xc0 ? kind_of(c->low_rm, c->byte_rm, rex) : KIND_NONE;
    s->kinds = (uint8_t)(reg | rm << 4);
}

static void set_fields(struct shape *s, const struct insn *in, const struct shape_parts *p)
{
    struct insn bare = *in;
    if (p->tail > p->head) bare.reg = 0;
    if (p->modrm >= 0xc0) bare.rm = 0;
    if (p->operand & SHAPE_BASED) bare.base = 0;
    if (p->operand & SHAPE_MEMORY && !(p->operand & SHAPE_NOINDEX)) bare.index = 0;
    if (p->operand & SHAPE_MEMORY) bare.scale = 0;
    memcpy(&s->fields, (const uint8_t *)&bare + offsetof(struct insn, base), sizeof s->fields);
}

// False: it cannot be described so.
static bool describe(const struct shapes *all, struct shape *s, const uint8_t *bytes, const struct shape_parts *p)
{
    uint8_t bare[SHAPE_ROOM] = {0};
    struct insn in;
    memcpy(bare, bytes, p->tail);
    int n = insn_decode(&in, bare, sizeof bare, 0, all->level, all->checked);
    if (n <= 0) return false;
    enum encoding_imm imm = (enum encoding_imm)insn_encodings[in.id].imm;
    if (imm == ENCODE_MOFFS) return false;
    *s = (struct shape){.key = p->key, .fn = in.fn, .id = in.id, .len = in.len, .pfx = in.pfx};
    s->disp = (uint8_t)disp_rule(p);
    s->imm = (uint8_t)imm_rule(imm, (unsigned)n - p->tail - disp_rules[s->disp].bits / 8);
    set_kinds(s, &in, p);
    set_fields(s, &in, p);
    return true;
}

// Apart, since it is rare: the new shape comes first, what was there second.
static __attribute__((noinline)) struct shape *keep(struct shapes *all, uint16_t *first, uint16_t *second,
                                                    const uint8_t *bytes, const struct shape_parts *p)
{
    struct shape made;
    if (!describe(all, &made, bytes, p)) return NULL;
    uint16_t place = *second ? *second : ++all->n;
    *second = *first;
    *first = place;
    all->at[place] = made;
    return &all->at[place];
}

// Two places for each key.
static inline struct shape *find(struct shapes *all, const uint8_t *bytes, const struct shape_parts *p)
{
    uint64_t hash = p->key * 0x9e3779b97f4a7c15ull >> (64 - SHAPE_BITS);
    uint16_t *first = &all->of_hash[hash], *second = &all->of_hash[hash ^ 1];
    if (all->at[*first].key == p->key) return &all->at[*first];
    if (all->at[*second].key == p->key) return &all->at[*second];
    struct shape_parts copy = *p;
    return keep(all, first, second, bytes, &copy);
}

#define AT(field, place)                                                                                               \
    _Static_assert(offsetof(struct insn, field) == offsetof(struct insn, base) + place, "see shape_fill")
AT(index, 1);
AT(scale, 2);
AT(reg, 4);
AT(rm, 5);
AT(size, 7);
#undef AT

static inline uint32_t displacement(const struct shape *s, const struct shape_parts *p, uint32_t pc)
{
    const struct disp_rule *d = &disp_rules[s->disp];
    uint32_t disp = (uint32_t)((int64_t)(p->rest << d->shift) >> d->shift) & d->mask;
    return disp + ((pc + s->len) & (0u - (s->pfx / PFX_RIP)));
}

int32_t shape_disp(const struct shape *s, const struct shape_parts *p, uint32_t pc)
{
    return (int32_t)displacement(s, p, pc);
}

void shape_fill(const struct shape *s, struct insn *out, const struct shape_parts *p, uint32_t pc)
{
    const struct imm_rule *i = &imm_rules[s->imm];
    unsigned disp_bits = disp_rules[s->disp].bits;
    uint64_t imm = (uint64_t)((int64_t)(p->rest >> disp_bits << i->shift) >> i->shift), fields = s->fields;
    unsigned reg = (p->modrm >> 3 & 7) | (p->rex & REX_R) << 1, rm = (p->modrm & 7) | (p->rex & REX_B) << 3;
    unsigned base = (p->sib & 7) | (p->rex & REX_B) << 3, index = (p->sib >> 3 & 7) | (p->rex & REX_X) << 2;
    unsigned based = p->operand >> 1 & 1, indexed = p->operand & SHAPE_SIB & ~(p->operand >> 2);
    fields |= (base & (0u - based)) | (index & (0u - indexed)) << 8 | (p->sib >> 6) << 16;
    fields |= (uint64_t)registers[s->kinds & 15][reg] << 32 | (uint64_t)registers[s->kinds >> 4][rm] << 40;
    fields |= (uint32_t)imm & i->rel;
    out->fn = s->fn;
    out->imm64 = (imm & i->imm) | (uint64_t)displacement(s, p, pc) << 32;
    memcpy((uint8_t *)out + offsetof(struct insn, base), &fields, sizeof fields);
    out->id = s->id;
    out->len = s->len;
    out->pfx = s->pfx;
    out->pc = pc;
}

struct shape *shape_find(struct shapes *all, const uint8_t *bytes, struct shape_parts *p)
{
    return take_apart(bytes, p) ? find(all, bytes, p) : NULL;
}

int shapes_decode(struct shapes *all, struct insn *out, const uint8_t *bytes, unsigned avail, uint32_t pc)
{
    struct shape_parts parts;
    const struct shape *s = avail >= SHAPE_ROOM ? shape_find(all, bytes, &parts) : NULL;
    if (!s) return insn_decode(out, bytes, avail, pc, all->level, all->checked);
    shape_fill(s, out, &parts, pc);
    return out->len;
}
