// Reading and writing: files, positions, vectors, append, holes, EFAULT, file size limit, sendfile, copy_file_range.
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void test_basic(void)
{
    char buf[64] = "";
    struct stat st;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(write(fd, "hello world", 11) == 11);
    CHECK(lseek(fd, 0, SEEK_CUR) == 11 && lseek(fd, -5, SEEK_END) == 6);
    CHECK(read(fd, buf, 64) == 5 && !memcmp(buf, "world", 5) && read(fd, buf, 64) == 0);
    CHECK(pread(fd, buf, 5, 0) == 5 && !memcmp(buf, "hello", 5) && lseek(fd, 0, SEEK_CUR) == 11);
    CHECK(pwrite(fd, "J", 1, 0) == 1 && pwrite(fd, "end", 3, 100) == 3);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 103);
    CHECK(pread(fd, buf, 4, 50) == 4 && !memcmp(buf, "\0\0\0\0", 4));
    CHECK_FAILS(pread(fd, buf, 1, -1), EINVAL);
    CHECK_FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_FAILS(lseek(fd, 0, 77), EINVAL);
    CHECK(lseek(fd, 5000000000, SEEK_SET) == 5000000000 && write(fd, "x", 1) == 1);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 5000000001 && st.st_blocks < 100);
    CHECK(lseek(fd, 0, SEEK_DATA) == 0);
    CHECK_FAILS(lseek(fd, 5000000001, SEEK_DATA), ENXIO);
    CHECK(ftruncate(fd, 3) == 0 && fstat(fd, &st) == 0 && st.st_size == 3);
    CHECK(truncate("f", 6) == 0 && pread(fd, buf, 64, 0) == 6 && !memcmp(buf, "Jel\0\0\0", 6));
    CHECK_FAILS(truncate("f", -1), EINVAL);
    CHECK_FAILS(truncate(".", 1), EISDIR);
    close(fd);
    fd = open("f", O_RDONLY);
    CHECK_FAILS(write(fd, "x", 1), EBADF);
    CHECK_FAILS(ftruncate(fd, 1), EINVAL);
    close(fd);
    CHECK_FAILS(read(fd, buf, 1), EBADF);
    fd = open(".", O_RDONLY);
    CHECK_FAILS(read(fd, buf, 1), EISDIR);
    close(fd);
}

static void test_vectors(void)
{
    char a[3], b[4], big[2000];
    struct iovec out[3] = {{"abc", 3}, {NULL, 0}, {"defg", 4}}, in[2] = {{a, 3}, {b, 4}}, many[1100];
    int fd = open("v", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(writev(fd, out, 3) == 7);
    CHECK(preadv(fd, in, 2, 0) == 7 && !memcmp(a, "abc", 3) && !memcmp(b, "defg", 4));
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && readv(fd, in, 2) == 7);
    CHECK(pwritev(fd, out, 3, 10) == 7 && lseek(fd, 0, SEEK_END) == 17);
    for (int i = 0; i < 1100; i++) many[i] = (struct iovec){big + i, 1};
    memset(big, 'z', sizeof big);
    CHECK(writev(fd, many, 1024) == 1024);
    CHECK_FAILS(writev(fd, many, 1025), EINVAL);
    CHECK(pwritev2(fd, out, 1, -1, 0) == 3 && lseek(fd, 0, SEEK_CUR) == 17 + 1024 + 3);
    CHECK_FAILS(preadv2(fd, in, 1, 0, 0x8000), EOPNOTSUPP);
    close(fd);
}

static void test_append(void)
{
    int a = open("app", O_WRONLY | O_CREAT | O_APPEND, 0644), b = open("app", O_WRONLY | O_APPEND);
    char buf[16];
    CHECK(write(a, "1", 1) == 1 && write(b, "2", 1) == 1 && write(a, "3", 1) == 1);
    CHECK(lseek(a, 0, SEEK_CUR) == 3);
    close(a);
    close(b);
    a = open("app", O_RDWR);
    CHECK(pread(a, buf, 16, 0) == 3 && !memcmp(buf, "123", 3));
    close(a);
}

// A range whose second page is not there.
static void test_fault(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("fault", O_RDWR | O_CREAT, 0644), pp[2];
    memset(p, 'q', 8192);
    munmap(p + 4096, 4096);
    CHECK_FAILS(write(fd, p + 4096, 10), EFAULT);
    CHECK(write(fd, p, 4096) == 4096);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK_FAILS(read(fd, p + 4096, 10), EFAULT);
    ssize_t n = pread(fd, p + 4000, 200, 0);
    CHECK(n == 96 || (n == -1 && errno == EFAULT));
    CHECK(pipe(pp) == 0);
    CHECK_FAILS(write(pp[1], p + 4096, 10), EFAULT);
    CHECK(mprotect(p, 4096, PROT_READ) == 0);
    CHECK(write(pp[1], p, 10) == 10);
    CHECK_FAILS(read(pp[0], p, 10), EFAULT);
    close(pp[0]);
    close(pp[1]);
    close(fd);
}

static int has_pages(int fd, const char *from, size_t n, off_t at)
{
    static char back[64 << 12];
    return pread(fd, back, n, at) == (ssize_t)n && !memcmp(back, from, n);
}

// Many pages at once: new ones, some that are there, from pieces of memory, and from memory that ends.
static void test_many_pages(void)
{
    enum { PAGES = 40, BYTES = PAGES << 12 };
    struct stat st;
    char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("many", O_RDWR | O_CREAT, 0644), other = open("other", O_RDWR | O_CREAT, 0644);
    for (unsigned i = 0; i < BYTES; i++) p[i] = (char)(i * 31 + (i >> 12));
    CHECK(pwrite(fd, p, BYTES, 0) == BYTES && has_pages(fd, p, BYTES, 0));
    CHECK(ftruncate(fd, 5 << 12) == 0);
    CHECK(pwrite(fd, p + 1, 30 << 12, 2 << 12) == 30 << 12); // three pages are there
    CHECK(has_pages(fd, p, 2 << 12, 0) && has_pages(fd, p + 1, 30 << 12, 2 << 12));
    CHECK(fstat(fd, &st) == 0 && st.st_size == 32 << 12);
    CHECK(pwrite(fd, p + 5, 20 << 12, (50 << 12) + 100) == 20 << 12 &&
          has_pages(fd, p + 5, 20 << 12, (50 << 12) + 100));
    struct iovec v[] = {{p + 7, 9000}, {p + 20000, 1}, {p + 4096, 80000}, {p, 0}, {p + 90000, 40000}};
    CHECK(pwritev(fd, v, 5, 80 << 12) == 129001 && has_pages(fd, p + 4096, 80000, (80 << 12) + 9001));
    CHECK(has_pages(fd, p + 7, 9000, 80 << 12) && has_pages(fd, p + 90000, 40000, (80 << 12) + 89001));
    char *shown = mmap(NULL, 16 << 12, PROT_READ, MAP_SHARED, other, 0);
    CHECK(write(other, p, 9 << 12) == 9 << 12);
    CHECK(pwrite(fd, shown, 16 << 12, 200 << 12) == 9 << 12 && has_pages(fd, p, 9 << 12, 200 << 12)); // its file ends
    CHECK(pwrite(other, shown, 9 << 12, 9 << 12) == 9 << 12 && has_pages(other, p, 9 << 12, 9 << 12));
    CHECK(ftruncate(other, 60 << 12) == 0); // holes are written from a mapping of themselves, which shows them on
    char *holes = mmap(NULL, 16 << 12, PROT_READ | PROT_WRITE, MAP_SHARED, other, 40 << 12);
    CHECK(pwrite(other, holes, 16 << 12, 40 << 12) == 16 << 12);
    holes[5 << 12] = 'x';
    CHECK(pread(other, p, 1, 45 << 12) == 1 && p[0] == 'x');
    CHECK(pwrite(other, "y", 1, 46 << 12) == 1 && holes[6 << 12] == 'y');
    munmap(holes, 16 << 12);
    munmap(p + (30 << 12), 10 << 12);
    CHECK(pwrite(fd, p, BYTES, 300 << 12) == 30 << 12 && has_pages(fd, p, 30 << 12, 300 << 12));
    CHECK(fstat(fd, &st) == 0 && st.st_size == 330 << 12);
    CHECK_FAILS(pwrite(fd, p + (30 << 12), 5 << 12, 400 << 12), EFAULT);
    munmap(p, 30 << 12);
    munmap(shown, 16 << 12);
    close(fd);
    close(other);
}

static volatile int xfsz;
static void on_xfsz(int sig)
{
    xfsz = sig;
}

static void test_limit(void)
{
    struct rlimit old, low;
    char buf[200] = {0};
    int fd = open("lim", O_RDWR | O_CREAT, 0644);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 100;
    signal(SIGXFSZ, on_xfsz);
    CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0);
    CHECK(write(fd, buf, 200) == 100 && !xfsz);
    CHECK_FAILS(write(fd, buf, 1), EFBIG);
    CHECK(xfsz == SIGXFSZ);
    CHECK_FAILS(ftruncate(fd, 101), EFBIG);
    CHECK(ftruncate(fd, 50) == 0);
    setrlimit(RLIMIT_FSIZE, &old);
    close(fd);
}

static void test_copy(void)
{
    char big[100000], buf[16];
    off_t off = 10, in_off = 0, out_off = 3;
    int a = open("big", O_RDWR | O_CREAT, 0644), b = open("out", O_RDWR | O_CREAT, 0644), p[2];
    for (unsigned i = 0; i < sizeof big; i++) big[i] = (char)(i * 7);
    CHECK(write(a, big, sizeof big) == sizeof big);
    CHECK(sendfile(b, a, &off, 5) == 5 && off == 15 && lseek(b, 0, SEEK_CUR) == 5 &&
          lseek(a, 0, SEEK_CUR) == sizeof big);
    CHECK(pread(b, buf, 16, 0) == 5 && !memcmp(buf, big + 10, 5));
    CHECK(lseek(a, 0, SEEK_SET) == 0 && sendfile(b, a, NULL, 1000000) == sizeof big &&
          lseek(a, 0, SEEK_CUR) == sizeof big);
    CHECK(sendfile(b, a, NULL, 10) == 0);
    CHECK(pipe(p) == 0 && lseek(a, 0, SEEK_SET) == 0 && sendfile(p[1], a, NULL, 10) == 10 &&
          read(p[0], buf, 16) == 10 && !memcmp(buf, big, 10));
    CHECK_FAILS(sendfile(a, -1, NULL, 10), EBADF);
    CHECK(copy_file_range(a, &in_off, b, &out_off, 1000, 0) == 1000 && in_off == 1000 && out_off == 1003);
    CHECK(pread(b, buf, 16, 3) == 16 && !memcmp(buf, big, 16));
    in_off = 0;
    out_off = 10;
    CHECK_FAILS(copy_file_range(a, &in_off, a, &out_off, 100, 0), EINVAL); // overlapping
    CHECK_FAILS(copy_file_range(a, NULL, b, NULL, 10, 1), EINVAL);
    CHECK_FAILS(copy_file_range(a, NULL, p[1], NULL, 10, 0), EINVAL);
    close(a);
    close(b);
    close(p[0]);
    close(p[1]);
}

static void test_alloc(void)
{
    struct stat st;
    char buf[8192];
    int fd = open("alloc", O_RDWR | O_CREAT, 0644);
    CHECK(fallocate(fd, 0, 0, 10000) == 0 && fstat(fd, &st) == 0 && st.st_size == 10000);
    CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 50000) == 0 && fstat(fd, &st) == 0 && st.st_size == 10000);
    memset(buf, 'x', sizeof buf);
    CHECK(pwrite(fd, buf, sizeof buf, 0) == sizeof buf);
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 4096) == 0);
    CHECK(pread(fd, buf, sizeof buf, 0) == sizeof buf && buf[99] == 'x' && buf[100] == 0 && buf[4195] == 0 &&
          buf[4196] == 'x');
    CHECK_FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
    CHECK_FAILS(fallocate(fd, 0, 0, 0), EINVAL);
    CHECK_FAILS(fallocate(fd, 0, -1, 1), EINVAL);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED) == 0);
    close(fd);
    int m = memfd_create("mem", MFD_CLOEXEC);
    CHECK(m >= 0 && write(m, "memory", 6) == 6 && pread(m, buf, 10, 0) == 6 && fcntl(m, F_GETFD) == FD_CLOEXEC);
    close(m);
}

int main(void)
{
    static const char *const names[] = {"f", "v", "app", "fault", "lim", "big", "out", "alloc", "many", "other"};
    char dir[64];
    check_enter(dir);
    test_basic();
    test_vectors();
    test_append();
    test_fault();
    test_many_pages();
    test_limit();
    test_copy();
    test_alloc();
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) unlink(names[i]);
    CHECK(rmdir(dir) == 0);
    return check_result();
}
