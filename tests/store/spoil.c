// store-spoil: makes the code in a file of the code cache say other numbers when it leaves, and puts the sums right, as
// somebody could who has broken the translator: that code says the truth is not proven (jit/record.h).
//
//     store-spoil FILE slot|other|own|faulted|behind
//
// The numbers become: the slot's exit 0, one of the next slot, one of the box's own, that of a fault, one behind the
// last.
#include "jit/store.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHARD_SHIFT = 20, FAULTED = 0x7fffffff }; // jit/cache.h, jit/run.h

static uint32_t number(const char *what, uint32_t slot)
{
    return !strcmp(what, "slot")      ? slot << SHARD_SHIFT
           : !strcmp(what, "other")   ? (slot + 1) << SHARD_SHIFT | 3
           : !strcmp(what, "own")     ? 2
           : !strcmp(what, "faulted") ? FAULTED
                                      : slot << SHARD_SHIFT | ((1 << SHARD_SHIFT) - 1);
}

// mov dword fs:[disp32], imm32 with a number of this slot.
static unsigned spoil(uint8_t *code, uint64_t n, uint32_t slot, uint32_t with)
{
    unsigned found = 0;
    uint32_t was;
    for (uint64_t i = 0; i + 12 <= n; i++) {
        memcpy(&was, code + i + 8, sizeof was);
        if (memcmp(code + i, "\x64\xc7\x04\x25", 4) || was >> SHARD_SHIFT != slot) continue;
        memcpy(code + i + 8, &with, sizeof with);
        found++;
    }
    return found;
}

int main(int argc, char **argv)
{
    struct stat st;
    unsigned found = 0;
    int fd = argc == 3 ? open(argv[1], O_RDWR) : -1;
    if (fd < 0 || fstat(fd, &st)) return 2;
    uint8_t *at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return 2;
    struct store_head *h = (struct store_head *)at;
    struct store_shard *s = (struct store_shard *)(h + 1);
    for (uint32_t i = 0; i < h->nshards; i++) {
        struct store_range *code = &s[i].section[STORE_CODE];
        uint8_t *from = at + h->code_at + code->at;
        found += spoil(from, code->bytes, s[i].slot, number(argv[2], s[i].slot));
        code->sum = store_sum(STORE_CODE, from, code->bytes);
    }
    h->sum = store_head_sum(h);
    printf("%u exits\n", found);
    return found ? 0 : 1;
}
