// syscall.def against the host's own list: every number and name is Linux's.
#include "syscalls/kernel.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#if defined(__linux__) && defined(__x86_64__)
#include <asm/unistd.h>

#ifndef __NR_cachestat // headers older than these
#define __NR_cachestat         451
#define __NR_fchmodat2         452
#define __NR_map_shadow_stack  453
#define __NR_futex_wake        454
#define __NR_futex_wait        455
#define __NR_futex_requeue     456
#define __NR_statmount         457
#define __NR_listmount         458
#define __NR_lsm_get_self_attr 459
#define __NR_lsm_set_self_attr 460
#define __NR_lsm_list_modules  461
#define __NR_mseal             462
#endif
#define SYS(nr, name, args, support, note) _Static_assert(nr == __NR_##name, "syscall.def: " #name);
#include "syscalls/syscall.def"
#undef SYS
#endif

static void every_row_once(void **state)
{
    unsigned n = 0;
    (void)state;
    for (unsigned nr = 0; nr < SYS_MAX; nr++) n += sys_lookup(nr) != NULL;
    assert_int_equal(n, 335 + 39); // 0..334 and 424..462
    assert_null(sys_lookup(335));
    assert_null(sys_lookup(SYS_MAX));
    assert_string_equal(sys_lookup(257)->name, "openat");
}

// A partial call and a stub say what is missing, a refused one why and with what.
static void notes(void **state)
{
    (void)state;
    for (unsigned nr = 0; nr < SYS_MAX; nr++) {
        const struct sys_info *s = sys_lookup(nr);
        bool explains = s && (s->support == SYS_PARTIAL || s->support == SYS_STUB || s->support == SYS_REFUSED);
        if (explains && !s->note[0]) fail_msg("%s has no note", s->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_once), cmocka_unit_test(notes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
