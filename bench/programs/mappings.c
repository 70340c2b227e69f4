// Memory mapped, touched page by page, and unmapped, in pieces of 4 KiB to 4 MiB: mappings ROUNDS
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096, MOST_PAGES = 1024 };

static unsigned piece(size_t pages)
{
    unsigned sum = 0;
    unsigned char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (size_t i = 0; i < pages; i++) at[i * PAGE + i % PAGE] += (unsigned char)(i + 1);
    for (size_t i = 0; i < pages; i++) sum += at[i * PAGE + i % PAGE];
    munmap(at, pages * PAGE);
    return sum;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    unsigned sum = 0;
    for (int i = 0; i < rounds; i++)
        for (size_t pages = 1; pages <= MOST_PAGES; pages *= 4)
            for (size_t n = 0; n < MOST_PAGES; n += pages) sum += piece(pages); // each size as many pages
    printf("sum %u\n", sum);
    return 0;
}
