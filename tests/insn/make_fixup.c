// What single instructions need so that random cases of them are worth running: pointers in the registers they imply,
// operands that meet, images that can be loaded. See test_case.h.
#include "test_case.h"
#include <stddef.h>
#include <string.h>

enum { STRING_WINDOW = 384 }; // bytes on either side of a string's start that get new contents

static const char stack_rows[] = "push pop call ret enter leave pushf popf callf retf iret";
static const char far_rows[] = "jmpf callf retf iret";
// Of vectors, by counts in a register or in memory: one for all elements, or one for each of 32 or 64 bits.
static const char shift_rows[] = "psllw pslld psllq psrlw psrld psrlq psraw psrad vpsllw vpslld vpsllq vpsrlw vpsrld "
                                 "vpsrlq vpsraw vpsrad vpsllvq vpsrlvq";
static const char shift_each_32_rows[] = "vpsllvd vpsrlvd vpsravd";
static const char string_rows[] = "movsb movs cmpsb cmps scasb scas lodsb lods stosb stos insb ins outsb outs";

static bool is_string(const struct row *row)
{
    return row->map == 1 && row_is(row, string_rows);
}
static bool branches_indirectly(const struct row *row)
{
    return row_is(row, "call jmp") && row->operand[0][0] != 'J';
}

static uint64_t garbage_above(struct maker *m, uint64_t address)
{
    return m->c->addr32 ? (address & 0xffffffff) | rng_next(m->rng) << 32 : address;
}

static void make_count(struct maker *m)
{
    struct test_case *c = m->c;
    uint64_t n = rng_below(m->rng, 24);
    unsigned roll = rng_below(m->rng, 100);
    if (roll < 8)
        n = 0;
    else if (roll < 16)
        n = rng_below(m->rng, 1500);
    else if (roll < 18)
        n = random_int(m->rng);
    if (c->rep || c->repne) c->in.gpr[GPR_RCX] = garbage_above(m, n);
}

static void make_string(struct maker *m)
{
    struct test_case *c = m->c;
    unsigned size = m->row->operands[1] == 'b' ? 1 : c->opsize;
    c->in.gpr[GPR_RSI] = garbage_above(m, pick_data(m, size, false) - m->seg_base);
    c->in.gpr[GPR_RDI] = garbage_above(m, pick_data(m, size, false));
    if (rng_percent(m->rng, 5)) c->in.gpr[GPR_RDI] = c->in.gpr[GPR_RSI] + m->seg_base + rng_below(m->rng, 16);
    make_count(m);
    m->fixed |= 1u << GPR_RSI | 1u << GPR_RDI | 1u << GPR_RCX;
}

// DIV and IDIV of random values nearly always overflow: give them a small upper half, or the sign.
static void make_dividend(struct maker *m)
{
    uint64_t *gpr = m->c->in.gpr;
    unsigned bits =
        m->row->operand_count && m->row->operand[m->row->operand_count - 1][1] == 'b' ? 8 : m->c->opsize * 8;
    bool is_signed = row_is(m->row, "idiv");
    if (rng_percent(m->rng, 30)) return;
    if (bits == 8) {
        gpr[GPR_RAX] =
            (gpr[GPR_RAX] & ~0xffffull) | (is_signed ? (uint16_t)(int8_t)gpr[GPR_RAX] : (uint8_t)gpr[GPR_RAX]);
        return;
    }
    bool negative = is_signed && gpr[GPR_RAX] >> (bits - 1) & 1;
    gpr[GPR_RDX] = negative ? ~0ull : rng_percent(m->rng, 50) ? 0 : rng_next(m->rng) >> 40;
}

// A bit offset reaches into memory far from the operand: keep it near.
static void make_bit_offset(struct maker *m)
{
    struct test_case *c = m->c;
    int reg = c->modrm_reg;
    if (m->row->digit >= 0 || reg < 0) return;
    int64_t offset = (int64_t)rng_below(m->rng, 2048) - 1024;
    c->in.gpr[reg] = c->opsize == 2   ? (rng_next(m->rng) & ~0xffffull) | (uint16_t)offset
                     : c->opsize == 4 ? rng_next(m->rng) << 32 | (uint32_t)offset
                                      : (uint64_t)offset;
    m->fixed |= 1u << reg;
}

// Which state components XSAVE and XRSTOR act on: those of x86-64-v3, not what else this host has (AVX-512). Sometimes
// some are in their initial state: host_run.c then tells the host so.
static void make_components(struct maker *m)
{
    enum { X87 = 1, SSE = 2, AVX = 4, OTHER = 0xe0 };
    struct machine *in = &m->c->in;
    unsigned initial = rng_percent(m->rng, 40) ? rng_below(m->rng, 8) : 0;
    in->gpr[GPR_RAX] &= ~(uint64_t)OTHER;
    if (rng_percent(m->rng, 40)) in->gpr[GPR_RAX] |= X87 | SSE | AVX;
    m->fixed |= 1u << GPR_RAX;
    if (initial & X87) memset(&in->fx, 0, offsetof(struct fx_image, mxcsr)), memset(in->fx.st, 0, sizeof in->fx.st);
    if (initial & X87) in->fx.fcw = 0x37f;
    if (initial & SSE) memset(in->fx.xmm, 0, sizeof in->fx.xmm);
    if (initial & AVX) memset(in->ymm_high, 0, sizeof in->ymm_high);
}

// The host's own bases are the test program's.
static void make_bases(struct maker *m)
{
    struct machine *in = &m->c->in;
    if (!in->fs_base) in->fs_base = 1 + (rng_next(m->rng) >> (17 + rng_below(m->rng, 40)));
    if (!in->gs_base) in->gs_base = 1 + (rng_next(m->rng) >> (17 + rng_below(m->rng, 40)));
}

void fixup_registers(struct maker *m)
{
    struct test_case *c = m->c;
    uint64_t *gpr = c->in.gpr;
    const struct row *row = m->row;
    if (row_is(row, stack_rows)) m->fixed |= 1u << GPR_RSP;
    if (row_is(row, far_rows))
        gpr[GPR_RSP] &= ~7ull; // in how many bytes a selector is read is each processor's business
    if (row_is(row, "enter leave")) gpr[GPR_RBP] = pick_stack(m, 8), m->fixed |= 1u << GPR_RBP;
    if (is_string(row)) make_string(m);
    if (row_is(row, "div idiv")) make_dividend(m);
    if (row_is(row, "bt bts btr btc")) make_bit_offset(m);
    if (row_is(row, "xlat"))
        gpr[GPR_RBX] = garbage_above(m, pick_data(m, 1, false) - m->seg_base - (uint8_t)gpr[GPR_RAX]);
    if (row_is(row, "maskmovq maskmovdqu vmaskmovdqu"))
        gpr[GPR_RDI] = garbage_above(m, pick_data(m, row->pp == 0x66 ? 16 : 8, false) - m->seg_base);
    if (row_is(row, "xsave xsaveopt xsavec xrstor")) make_components(m);
    if (row_is(row, "rdfsbase rdgsbase")) make_bases(m);
    if (row_is(row, "loop loope loopne jrcxz") && rng_percent(m->rng, 60))
        gpr[GPR_RCX] = garbage_above(m, rng_below(m->rng, 3));
    if (branches_indirectly(row) && c->modrm_rm >= 0) gpr[c->modrm_rm] = pick_code_target(m);
    if (row_is(row, "pcmpestri pcmpestrm vpcmpestri vpcmpestrm") && rng_percent(m->rng, 80)) {
        gpr[GPR_RAX] = (gpr[GPR_RAX] & ~0x1full) | rng_below(m->rng, 20);
        gpr[GPR_RDX] = (gpr[GPR_RDX] & ~0x1full) | rng_below(m->rng, 20);
        if (rng_percent(m->rng, 70)) gpr[GPR_RAX] &= 0x1f, gpr[GPR_RDX] &= 0x1f;
    }
}

static void write_target(struct maker *m, uint64_t addr)
{
    uint64_t target = pick_code_target(m);
    write_data(m, addr, &target, 8);
}

// Both strings of the same bytes, so that comparisons go on for a while; then now and then a difference.
static void fill_strings(struct maker *m)
{
    uint64_t from = (m->c->in.gpr[GPR_RSI] + m->seg_base) & 0xffffffff, to = m->c->in.gpr[GPR_RDI] & 0xffffffff;
    uint8_t bytes[2 * STRING_WINDOW];
    random_fill(m->rng, m->style, (enum flavour)rng_below(m->rng, BYTES_F32), bytes, sizeof bytes);
    uint64_t *rax = &m->c->in.gpr[GPR_RAX];
    if (row_is(m->row, "scas scasb") && rng_percent(m->rng, 60))
        for (unsigned i = 0; i < sizeof bytes; i += 8) memcpy(bytes + i, rax, 8);
    write_data(m, from - STRING_WINDOW, bytes, sizeof bytes);
    if (rng_percent(m->rng, 80)) bytes[rng_below(m->rng, sizeof bytes)] ^= 1;
    write_data(m, to - STRING_WINDOW, bytes, sizeof bytes);
}

static void write_fx_image(struct maker *m)
{
    struct fx_image image;
    make_fx(m, &image);
    if (rng_percent(m->rng, 15)) image.mxcsr |= 1u << rng_below(m->rng, 32);
    random_fill(m->rng, m->style, BYTES_RANDOM, &image.fop, sizeof image.fop);
    image.fip = rng_next(m->rng) >> 20, image.fdp = rng_next(m->rng) >> 20;
    write_data(m, m->c->mem, &image, sizeof image);
}

// XRSTOR's header: mostly one that it accepts, in one of its two formats.
static void write_xsave_header(struct maker *m)
{
    enum { COMPONENTS = 7, WORDS = 8 };
    uint64_t header[WORDS] = {rng_next(m->rng) & COMPONENTS};
    if (rng_percent(m->rng, 50)) {
        header[1] = 1ull << 63 | (rng_next(m->rng) & COMPONENTS);
        if (rng_percent(m->rng, 90)) header[0] &= header[1];
    }
    if (rng_percent(m->rng, 15)) header[rng_below(m->rng, WORDS)] ^= 1ull << rng_below(m->rng, 64);
    header[0] &= ~0xe0ull, header[1] &= ~0xe0ull; // AVX-512's, which hosts have and the guest has not
    write_data(m, m->c->mem + XSAVE_HEADER, header, sizeof header);
}

static void write_mxcsr(struct maker *m)
{
    uint32_t v = (uint32_t)rng_next(m->rng) & 0xffff;
    if (rng_percent(m->rng, 15)) v |= 1u << rng_below(m->rng, 32);
    write_data(m, m->c->mem, &v, 4);
}

// TF would trap the INT3 that ends the case.
static uint64_t random_eflags(struct maker *m)
{
    return rng_next(m->rng) & ~0x100ull;
}

static void write_eflags(struct maker *m)
{
    uint64_t v = random_eflags(m);
    write_data(m, m->c->in.gpr[GPR_RSP], &v, 8);
}

// Mostly Linux's 64-bit code segment; never its 32-bit one (20 to 23), whose mode no guest has.
static uint64_t random_selector(struct maker *m)
{
    uint64_t v = rng_next(m->rng) & 0xffff;
    if (rng_percent(m->rng, 70)) return 0x33;
    if (rng_percent(m->rng, 30)) return 0x2b;
    return (v & 0xfff8) == 0x20 ? 0x30 : v;
}

// An offset and a selector, in slots of `slot` bytes.
static void write_far_pointer(struct maker *m, uint64_t addr, unsigned slot)
{
    uint64_t offset = pick_code_target(m), selector = random_selector(m);
    write_data(m, addr, &offset, slot);
    write_data(m, addr + slot, &selector, row_is(m->row, "jmpf callf") ? 2 : slot);
}

static void write_far(struct maker *m)
{
    struct test_case *c = m->c;
    uint64_t rsp = c->in.gpr[GPR_RSP],
             frame[3] = {random_eflags(m), pick_data(m, 8, false), rng_percent(m->rng, 80) ? 0x2b : random_selector(m)};
    if (row_is(m->row, "retf iret"))
        write_far_pointer(m, rsp, c->opsize);
    else if (c->has_mem)
        write_far_pointer(m, c->mem, c->opsize);
    for (unsigned i = 0; i < 3 && row_is(m->row, "iret"); i++)
        write_data(m, rsp + (2 + i) * c->opsize, &frame[i], c->opsize);
}

// Compare-and-exchange and the like: what is in memory is sometimes what is in the accumulator.
static void meet_accumulator(struct maker *m)
{
    const uint64_t *gpr = m->c->in.gpr;
    uint64_t pair[2] = {gpr[GPR_RAX], gpr[GPR_RDX]};
    if (m->c->opsize != 8) pair[0] = (uint32_t)pair[0] | pair[1] << 32;
    write_data(m, m->c->mem, pair, m->c->mem_bytes < 16 ? m->c->mem_bytes : 16);
}

// Random counts nearly always reach beyond the element's width.
static void make_shift_counts(struct maker *m)
{
    struct test_case *c = m->c;
    bool each_32 = row_is(m->row, shift_each_32_rows);
    uint64_t counts[4];
    for (unsigned i = 0; i < 4; i++)
        counts[i] = each_32 ? rng_below(m->rng, 40) | (uint64_t)rng_below(m->rng, 40) << 32 : rng_below(m->rng, 80);
    if (c->has_mem) {
        write_data(m, c->mem, counts, c->mem_bytes);
    } else if (!row_uses_mmx(m->row)) {
        memcpy(c->in.fx.xmm[c->modrm_rm], counts, 16);
        memcpy(c->in.ymm_high[c->modrm_rm], counts + 2, 16);
    } else {
        unsigned top = c->in.fx.fsw >> 11 & 7; // the image begins with ST(0), which is that MMX register
        c->in.fx.st[((unsigned)c->modrm_rm - top) & 7].frac = counts[0];
    }
}

void fixup_memory(struct maker *m)
{
    struct test_case *c = m->c;
    const struct row *row = m->row;
    uint64_t rsp = c->in.gpr[GPR_RSP];
    if (c->has_mem && c->mem_bytes <= 16 && rng_percent(m->rng, row_is(row, "cmpxchg cmpxchg8b cmpxchg16b") ? 50 : 8))
        meet_accumulator(m);
    if (row_is(row, stack_rows)) fill_data(m, rsp - 32, 64, (enum flavour)rng_below(m->rng, BYTES_F32));
    if (row_is(row, "leave enter")) fill_data(m, c->in.gpr[GPR_RBP] - 64, 80, BYTES_INT64);
    if (is_string(row)) fill_strings(m);
    if (branches_indirectly(row) && c->has_mem) write_target(m, c->mem);
    if (row_is(row, "ret")) write_target(m, rsp);
    if (row_is(row, "popf")) write_eflags(m);
    if (row_is(row, far_rows)) write_far(m);
    if (row_is(row, "fxrstor xrstor")) write_fx_image(m);
    if (row_is(row, "xrstor")) write_xsave_header(m);
    if (row_is(row, "ldmxcsr vldmxcsr")) write_mxcsr(m);
    bool shift = row_is(row, shift_rows) || row_is(row, shift_each_32_rows);
    if (shift && row->operand[row->operand_count - 1][0] != 'I' && rng_percent(m->rng, 70)) make_shift_counts(m);
}
