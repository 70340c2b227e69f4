// The lazy flags as EFLAGS bits and back (cpu/flags.h).
#include "cpu/flags.h"

// What POPF and signal return let user code change besides the arithmetic flags (SDM vol. 2, POPF, at CPL 3 > IOPL).
#define FLAGS_OTHER (FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)

uint32_t flags_get(const struct cpu *cpu)
{
    return (flag_cf(cpu) ? FLAG_CF : 0u) | (flag_pf(cpu) ? FLAG_PF : 0u) | (flag_af(cpu) ? FLAG_AF : 0u) |
           (flag_zf(cpu) ? FLAG_ZF : 0u) | (flag_sf(cpu) ? FLAG_SF : 0u) | (flag_of(cpu) ? FLAG_OF : 0u);
}

void flags_set(struct cpu *cpu, uint32_t eflags)
{
    bool cf = eflags & FLAG_CF, of = eflags & FLAG_OF;
    cpu->flags_res = eflags & FLAG_ZF ? 0 : 0x100; // positive, and its low byte has even parity
    cpu->flags_aux = (cf ? FLAGS_AUX_CF : 0) | (cf != of ? FLAGS_AUX_PO : 0) | (eflags & FLAG_AF ? FLAGS_AUX_AF : 0) |
                     (eflags & FLAG_PF ? 0 : FLAGS_AUX_PDB) | (eflags & FLAG_SF ? FLAGS_AUX_SFD : 0);
}

uint64_t cpu_eflags(const struct cpu *cpu)
{
    return flags_get(cpu) | cpu->flags_other | FLAG_IF | 2;
}

void cpu_set_eflags(struct cpu *cpu, uint64_t eflags)
{
    flags_set(cpu, (uint32_t)eflags);
    cpu->flags_other = eflags & FLAGS_OTHER;
}
