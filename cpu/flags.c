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
    cpu->flags_res = flags_res_of(eflags);
    cpu->flags_aux = flags_aux_of(eflags);
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
