// Code in a mapped file that changes by system calls: write, pwrite, writev, sendfile, splice, ftruncate, fallocate,
// and read(2) into code.
#include "smc.h"
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

enum { RX = PROT_READ | PROT_EXEC };

static void change(int fd, int way, const uint8_t *code)
{
    struct iovec v[2] = {{(void *)code, 2}, {(void *)(code + 2), 4}};
    int ends[2], other;
    lseek(fd, 64, SEEK_SET);
    switch (way) {
    case 0:
        CHECK(write(fd, code, 6) == 6);
        break;
    case 1:
        CHECK(pwrite(fd, code, 6, 64) == 6);
        break;
    case 2:
        CHECK(writev(fd, v, 2) == 6);
        break;
    case 3:
        CHECK(pwritev(fd, v, 2, 64) == 6);
        break;
    case 4:
        other = memfd_create("other", 0);
        CHECK(write(other, code, 6) == 6 && lseek(other, 0, SEEK_SET) == 0 && sendfile(fd, other, NULL, 6) == 6);
        close(other);
        break;
    default:
        CHECK(pipe(ends) == 0 && write(ends[1], code, 6) == 6);
        CHECK(splice(ends[0], NULL, fd, NULL, 6, 0) == 6);
        close(ends[0]);
        close(ends[1]);
    }
}

static void test_writes(int fd)
{
    CHECK(ftruncate(fd, 2 * PAGE) == 0);
    uint8_t *shared = map(2 * PAGE, RX, MAP_SHARED, fd), *private = map(2 * PAGE, RX, MAP_PRIVATE, fd), code[6];
    for (int i = 0; i < 300; i++) {
        put_return(code, (uint32_t)i);
        change(fd, i % 6, code);
        if (!CHECK(call_often(shared + 64) == i) || !CHECK(call_often(private + 64) == i)) break;
    }
    munmap(shared, 2 * PAGE);
    munmap(private, 2 * PAGE);
}

// The end of the file cuts off the last byte of mov's immediate; behind the end are zeros, and stay when it grows.
static void test_size(int fd)
{
    uint8_t code[6];
    put_return(code, 0x1020304);
    CHECK(ftruncate(fd, PAGE) == 0);
    uint8_t *x = map(PAGE, RX, MAP_SHARED, fd);
    for (int i = 0; i < 50; i++) {
        CHECK(pwrite(fd, code, 6, 0) == 6 && call_often(x) == 0x1020304);
        CHECK(ftruncate(fd, 4) == 0 && ftruncate(fd, PAGE) == 0);
        CHECK(pwrite(fd, code + 5, 1, 5) == 1 && call_often(x) == 0x20304);
        CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, PAGE) == 0);
        put_return(code, 0x1020304);
        CHECK(pwrite(fd, code, 6, 0) == 6 && call_often(x) == 0x1020304);
    }
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4, 1) == 0 && call_often(x) == 0x20304);
    munmap(x, PAGE);
}

static void test_read_into_code(void)
{
    uint8_t *p = map_rwx(PAGE), code[6];
    int ends[2];
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 300; i++) {
        put_return(code, (uint32_t)i);
        CHECK(write(ends[1], code, 6) == 6 && read(ends[0], p, 6) == 6);
        if (!CHECK(call_often(p) == i)) break;
    }
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    int file = open("code", O_RDWR | O_CREAT, 0700), mem = memfd_create("code", 0);
    test_writes(file);
    test_writes(mem);
    test_size(file);
    test_size(mem);
    test_read_into_code();
    CHECK(unlink("code") == 0 && chdir("/") == 0 && rmdir(dir) == 0);
    return check_result();
}
