// Control flow: recursion (Fibonacci, Ackermann, binary trees), calls through pointers, dispatch by switch and by
// computed goto, setjmp. calls ROUNDS
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct node *left, *right;
};
enum { DEPTH = 12, STEPS = 1 << 16 };
static struct node nodes[1 << (DEPTH + 1)];

__attribute__((noinline)) static unsigned fibonacci(unsigned n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__attribute__((noinline)) static unsigned ackermann(unsigned m, unsigned n)
{
    if (!m) return n + 1;
    return ackermann(m - 1, n ? ackermann(m, n - 1) : 1);
}

static struct node *grow(struct node **free, int depth)
{
    struct node *n = (*free)++;
    n->left = depth ? grow(free, depth - 1) : NULL;
    n->right = depth ? grow(free, depth - 1) : NULL;
    return n;
}

static unsigned count(const struct node *n)
{
    return n ? 1 + count(n->left) + count(n->right) : 0;
}

static uint32_t add(uint32_t x)
{
    return x + 0x9e37;
}
static uint32_t rotate(uint32_t x)
{
    return x << 7 | x >> 25;
}
static uint32_t scale(uint32_t x)
{
    return x * 69069;
}
static uint32_t flip(uint32_t x)
{
    return ~x;
}

static uint32_t pointers(uint32_t x)
{
    static uint32_t (*const volatile operation[])(uint32_t) = {add, rotate, scale, flip};
    for (int i = 0; i < STEPS; i++) x = operation[(x >> 9 ^ (unsigned)i) & 3](x);
    return x;
}

static const uint8_t program[] = {0, 1, 2, 5, 3, 1, 4, 6, 0, 2, 2, 5, 1, 3, 7};

static uint32_t by_switch(uint32_t x)
{
    for (unsigned i = 0, pc = 0; i < STEPS; i++, pc = pc + 1 < sizeof program ? pc + 1 : 0) {
        switch (program[pc] ^ (x >> 31)) {
        case 0:
            x += 17;
            break;
        case 1:
            x ^= x << 3;
            break;
        case 2:
            x *= 33;
            break;
        case 3:
            x -= pc;
            break;
        case 4:
            x ^= x >> 11;
            break;
        case 5:
            x = x << 5 | x >> 27;
            break;
        case 6:
            x |= 1;
            break;
        default:
            x = ~x;
            break;
        }
    }
    return x;
}

static uint32_t by_goto(uint32_t x)
{
    static const void *const label[] = {&&plus, &&left, &&times, &&minus, &&right, &&turn, &&odd, &&invert};
    unsigned pc = 0, left_steps = STEPS;
next:
    if (!left_steps--) return x;
    pc = pc + 1 < sizeof program ? pc + 1 : 0;
    goto *label[program[pc] ^ (x >> 31)];
plus:
    x += 17;
    goto next;
left:
    x ^= x << 3;
    goto next;
times:
    x *= 33;
    goto next;
minus:
    x -= pc;
    goto next;
right:
    x ^= x >> 11;
    goto next;
turn:
    x = x << 5 | x >> 27;
    goto next;
odd:
    x |= 1;
    goto next;
invert:
    x = ~x;
    goto next;
}

__attribute__((noinline)) static int leave(jmp_buf back, int depth)
{
    if (depth < 0) return 0;
    if (depth == 0) longjmp(back, 1);
    return leave(back, depth - 1) + depth;
}

static unsigned jumps(void)
{
    volatile int n = 0;
    jmp_buf back;
    for (int i = 0; i < 500; i++) {
        if (setjmp(back))
            n++;
        else
            n += leave(back, 20);
    }
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    uint32_t sum = 1;
    for (int r = argc > 1 ? atoi(argv[1]) : 1; r > 0; r--) {
        struct node *free = nodes;
        sum += fibonacci(20) + ackermann(2, 60) + count(grow(&free, DEPTH));
        sum = by_goto(by_switch(pointers(sum))) + jumps();
    }
    printf("%u\n", sum);
    return 0;
}
