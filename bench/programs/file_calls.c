// What single calls on a file take, in ns: a line each, the least of many rounds. file_calls FILE, of 100 KB or more.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 200, SIZE = 100000 };
static const char *path;
static int fd;
static char buf[SIZE];

static void check(int good)
{
    if (good) return;
    perror(path);
    exit(1);
}

static void call_stat(void)
{
    struct stat st;
    check(stat(path, &st) == 0);
}

static void call_fstat(void)
{
    struct stat st;
    check(fstat(fd, &st) == 0);
}

static void call_open(void)
{
    int f = open(path, O_RDONLY);
    check(f >= 0 && close(f) == 0);
}

static void call_read_at_end(void)
{
    check(lseek(fd, 0, SEEK_END) >= SIZE && read(fd, buf, sizeof buf) == 0);
}

static void read_at(size_t n, off_t at)
{
    check(pread(fd, buf, n, at) == (ssize_t)n);
}

static void call_read_512(void)
{
    read_at(512, 8192);
}

static void call_read_4k(void)
{
    static unsigned next;
    read_at(4096, next++ % (SIZE / 4096) * 4096);
}

static void call_read_16k(void)
{
    read_at(16384, 8192);
}

static void call_read_64k(void)
{
    read_at(65536, 8192);
}

static void call_cat(void)
{
    int f = open(path, O_RDONLY);
    check(f >= 0);
    while (read(f, buf, 65536) > 0) continue;
    close(f);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *name, void (*call)(void), int times)
{
    double least = 1e18;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now();
        for (int k = 0; k < times; k++) call();
        double each = (now() - start) / times;
        if (each < least) least = each;
    }
    printf("%s\t%.0f\n", name, least);
}

int main(int argc, char **argv)
{
    path = argv[argc > 1];
    check(argc == 2 && (fd = open(path, O_RDONLY)) >= 0);
    measure("stat", call_stat, 1000);
    measure("fstat", call_fstat, 2000);
    measure("open, close", call_open, 1000);
    measure("lseek, read at the end", call_read_at_end, 1000);
    measure("read of 512 bytes", call_read_512, 2000);
    measure("read of 4 KiB, page after page", call_read_4k, 2000);
    measure("read of 16 KiB", call_read_16k, 300);
    measure("read of 64 KiB", call_read_64k, 100);
    measure("open, read it all by 64 KiB, close", call_cat, 100);
    return 0;
}
