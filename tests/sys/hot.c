// Code that runs long enough to be found hot and translated again: through more pages than a translation may be made
// from; a loop of x87 that uses r11.
#include "smc.h"
#include <time.h>

enum { CALL_LOOPS = 10000 };

// For longer than it takes to be found.
static int goes_on(clock_t since)
{
    return clock() - since < CLOCKS_PER_SEC / 5;
}

// On each page: inc eax; jmp to the next page. On the last one: inc eax; dec rdi; jnz to the first one; ret
static void put_loop(uint8_t *p, int pages)
{
    static const uint8_t on[] = {0xff, 0xc0, 0xe9}, back[] = {0xff, 0xc0, 0x48, 0xff, 0xcf, 0x0f, 0x85};
    int32_t next = PAGE - (int32_t)sizeof on - 4, first = -((pages - 1) * PAGE + (int32_t)sizeof back + 4);
    for (; pages > 1; pages--, p += PAGE) {
        memcpy(p, on, sizeof on);
        memcpy(p + sizeof on, &next, sizeof next);
    }
    memcpy(p, back, sizeof back);
    memcpy(p + sizeof back, &first, sizeof first);
    p[sizeof back + sizeof first] = 0xc3;
}

static void test_pages(int pages)
{
    uint8_t *p = map_rwx((size_t)pages * PAGE);
    put_loop(p, pages);
    clock_t since = clock();
    do {
        unsigned sum;
        __asm__ volatile("call *%2" : "=a"(sum), "+D"((long){CALL_LOOPS}) : "r"(p), "a"(0) : "memory", "cc");
        if (!CHECK(sum == (unsigned)pages * CALL_LOOPS)) break;
    } while (goes_on(since));
    munmap(p, (size_t)pages * PAGE);
}

static void test_x87(void)
{
    clock_t since = clock();
    long left, last = 0;
    do {
        left = CALL_LOOPS;
        __asm__ volatile("1: fld1\n\tfstp %%st(0)\n\tmov %0, %%r11\n\tdec %0\n\tjnz 1b\n\tmov %%r11, %1"
                         : "+r"(left), "=r"(last)
                         :
                         : "r11", "st", "cc");
    } while (CHECK(left == 0 && last == 1) && goes_on(since));
}

int main(void)
{
    for (int pages = 2; pages <= 32; pages = 2 * pages + 1) test_pages(pages);
    test_x87();
    return check_result();
}
