// The command on a host without WRGSBASE, as far as it can tell: the kernel's word for it (AT_HWCAP2, bit 1) is taken
// away, so the base of the guest's memory is set by arch_prctl. Linked like belljar, with ld's --wrap.
#include <sys/auxv.h>

unsigned long __real_getauxval(unsigned long);
unsigned long __wrap_getauxval(unsigned long);

unsigned long __wrap_getauxval(unsigned long type)
{
    enum { FSGSBASE = 2 };
    unsigned long value = __real_getauxval(type);
    return type == AT_HWCAP2 ? value & ~(unsigned long)FSGSBASE : value;
}
