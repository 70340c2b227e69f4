// Reading a file of the image in large pieces: what arrives is the file's content wherever it goes to, memory that ends
// in the middle gets what fits, and memory that somebody else shows keeps what they see.
#include "check.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 40, ALL = PAGES * PAGE };
static const char *const names[] = {"/lib64/ld-linux-x86-64.so.2", "/bin/sh", "/bin/ls"};

// A file with enough bytes, and these bytes.
static int open_file(const uint8_t **bytes)
{
    struct stat st;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        int fd = open(names[i], O_RDONLY);
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= ALL + 3 * PAGE) {
            *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
            if (CHECK(*bytes != MAP_FAILED)) return fd;
        }
        if (fd >= 0) close(fd);
    }
    return -1;
}

static uint8_t *memory(int prot)
{
    return mmap(NULL, ALL + 2 * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void test_offsets(int fd, const uint8_t *bytes)
{
    static const unsigned odd[] = {0, 1, 17, 4095, 4097, 9000};
    uint8_t *to = memory(PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned k = 0; k < 6; k++) {
            size_t n = ALL - 12288 + odd[5 - i];
            memset(to, 0x5a, ALL + PAGE);
            if (odd[k] + n > ALL) n = ALL - odd[k];
            CHECK(pread(fd, to + odd[k], n, odd[i]) == (ssize_t)n);
            CHECK(!memcmp(to + odd[k], bytes + odd[i], n) && to[odd[k] + n] == 0x5a);
        }
    }
    munmap(to, ALL + 2 * PAGE);
}

static void test_vectors(int fd, const uint8_t *bytes)
{
    uint8_t *to = memory(PROT_READ | PROT_WRITE);
    struct iovec v[64];
    size_t at = 0;
    for (unsigned i = 0; i < 64; i++) {
        v[i] = (struct iovec){to + at, i % 5 == 3 ? 0 : (i * 997) % 4200};
        at += v[i].iov_len;
    }
    CHECK(preadv(fd, v, 64, 5) == (ssize_t)at && !memcmp(to, bytes + 5, at));
    v[0] = (struct iovec){to + 8192, 8192}; // in another order, and the same memory twice
    v[1] = (struct iovec){to, 8192};
    v[2] = (struct iovec){to + 8192, 100};
    CHECK(preadv(fd, v, 3, 0) == 16484 && !memcmp(to, bytes + 8192, 8192) && !memcmp(to + 8192, bytes + 16384, 100));
    CHECK(!memcmp(to + 8292, bytes + 100, 8092));
    munmap(to, ALL + 2 * PAGE);
}

// The kernel may give less than what fits, by whole pieces of what it copies at once; never more, and none is EFAULT.
static void test_end_of_memory(int fd, const uint8_t *bytes)
{
    uint8_t *to = memory(PROT_READ | PROT_WRITE);
    CHECK(mprotect(to + 20 * PAGE, PAGE, PROT_NONE) == 0);
    CHECK(pread(fd, to, ALL, 0) == 20 * PAGE && !memcmp(to, bytes, 20 * PAGE));
    CHECK_FAILS(pread(fd, to + 20 * PAGE, ALL, 0), EFAULT);
    CHECK(mprotect(to + 20 * PAGE, PAGE, PROT_READ) == 0);
    CHECK(pread(fd, to + 100, ALL, 0) == 20 * PAGE - 100 && to[20 * PAGE] == 0);

    munmap(to, ALL + 2 * PAGE);
}

static void test_end_of_file(int fd, const uint8_t *bytes)
{
    struct stat st;
    uint8_t *to = memory(PROT_READ | PROT_WRITE);
    CHECK(fstat(fd, &st) == 0);
    off_t from = st.st_size - 3 * PAGE + 7;
    memset(to, 0x5a, ALL);
    for (unsigned i = 0; i < 10; i++)
        CHECK(pread(fd, to, ALL, from) == 3 * PAGE - 7 && !memcmp(to, bytes + from, 3 * PAGE - 7));
    CHECK(to[3 * PAGE - 7] == 0x5a && to[4 * PAGE] == 0x5a);
    CHECK(pread(fd, to, ALL, st.st_size) == 0 && pread(fd, to, ALL, st.st_size + PAGE) == 0);
    munmap(to, ALL + 2 * PAGE);
}

// What a child reads into its copy of memory is not seen by the parent, and the other way round; shared memory is.
static void test_shared(int fd, const uint8_t *bytes)
{
    uint8_t *own = memory(PROT_READ | PROT_WRITE);
    uint8_t *both = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    memset(own, 1, ALL);
    pid_t child = fork();
    if (child == 0) {
        int good = pread(fd, own, ALL, 0) == ALL && pread(fd, both, ALL, PAGE) == ALL && !memcmp(own, bytes, ALL);
        _exit(good ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    for (unsigned i = 0; i < ALL; i++) {
        if (own[i] == 1) continue;
        CHECK(!"the parent sees what the child has read");
        break;
    }
    CHECK(!memcmp(both, bytes + PAGE, ALL));
    munmap(own, ALL + 2 * PAGE);
    munmap(both, ALL);
}

// Private memory of the same file: reading over it changes the copy, not the file.
static void test_over_itself(int fd, const uint8_t *bytes)
{
    uint8_t *over = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(over[5 * PAGE] == bytes[5 * PAGE]);
    CHECK(pread(fd, over, ALL - PAGE, PAGE) == ALL - PAGE && !memcmp(over, bytes + PAGE, ALL - PAGE));
    CHECK(pread(fd, over, ALL, 0) == ALL && !memcmp(over, bytes, ALL));
    munmap(over, ALL);
}

int main(void)
{
    const uint8_t *bytes = NULL;
    int fd = open_file(&bytes);
    if (!CHECK(fd >= 0)) return check_result();
    for (unsigned i = 0; i < 2; i++) { // a box reads in another way what it has read often
        test_vectors(fd, bytes);
        test_end_of_memory(fd, bytes);
        test_end_of_file(fd, bytes);
        test_shared(fd, bytes);
        test_over_itself(fd, bytes);
        test_offsets(fd, bytes);
    }
    return check_result();
}
