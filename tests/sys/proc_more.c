// /proc and /sys as programs read them to learn about themselves and the machine: auxv, mem, pagemap, smaps, oom
// scores, fdinfo of inotify, processors, sysctls.
#include "check.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

static char text[1 << 16];

static const char *slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t all = 0, n;
    while (fd >= 0 && (n = read(fd, text + all, sizeof text - 1 - (size_t)all)) > 0) all += n;
    text[all] = 0;
    if (fd >= 0) close(fd);
    return fd < 0 ? "(none)" : text;
}

static void test_auxv(void)
{
    unsigned long v[128] = {0};
    int fd = open("/proc/self/auxv", O_RDONLY), found = 0;
    ssize_t n = read(fd, v, sizeof v);
    CHECK(n > 0 && n % 16 == 0 && v[n / 8 - 2] == AT_NULL);
    for (ssize_t i = 0; i < n / 8; i += 2) found += v[i] == AT_RANDOM && v[i + 1] == getauxval(AT_RANDOM);
    for (ssize_t i = 0; i < n / 8; i += 2) found += v[i] == AT_PAGESZ && v[i + 1] == 4096;
    CHECK(found == 2);
    close(fd);
}

static void test_mem(void)
{
    static char word[] = "abcdef";
    char buf[8] = "";
    int fd = open("/proc/self/mem", O_RDWR);
    CHECK(fd >= 0 && pread(fd, buf, 6, (off_t)(uintptr_t)word) == 6 && !strcmp(buf, "abcdef"));
    CHECK(pwrite(fd, "XY", 2, (off_t)(uintptr_t)(word + 2)) == 2 && !strcmp(word, "abXYef"));
    CHECK_FAILS(pread(fd, buf, 1, 0), EIO);
    CHECK(lseek(fd, (off_t)(uintptr_t)word, SEEK_SET) == (off_t)(uintptr_t)word && read(fd, buf, 2) == 2);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), two[8192];
    munmap(p + 4096, 4096);
    CHECK(pread(fd, two, sizeof two, (off_t)(uintptr_t)p) == 4096); // as far as there is something
    munmap(p, 4096);
    close(fd);
}

static void test_pagemap(void)
{
    uint64_t e[3] = {9, 9, 9};
    char *p = mmap(NULL, (64 * 4096), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("/proc/self/pagemap", O_RDONLY);
    p[0] = 1;
    CHECK(fd >= 0 && pread(fd, e, 8, (off_t)((uintptr_t)p / 4096 * 8)) == 8);
    CHECK(pread(fd, e + 1, 8, (off_t)((uintptr_t)p / 4096 * 8 + 40 * 8)) == 8);
    CHECK(e[0] >> 63 == 1 && e[1] >> 63 == 0);
    CHECK_FAILS(pread(fd, e, 7, 0), EINVAL);
    CHECK_FAILS(pread(fd, e, 8, 4), EINVAL);
    close(fd);
    munmap(p, (64 * 4096));
}

static void test_maps(void)
{
    CHECK(strstr(slurp("/proc/self/smaps"), "\nPrivate_Dirty:") && strstr(text, "\nVmFlags: rd"));
    CHECK(strstr(slurp("/proc/self/smaps_rollup"), "[rollup]\nRss:") && strstr(text, "\nPss_Anon:"));
    CHECK(strstr(slurp("/proc/self/limits"), "Max open files"));
}

static int put(const char *path, const char *what)
{
    int fd = open(path, O_WRONLY);
    ssize_t n = fd < 0 ? -1 : write(fd, what, strlen(what));
    int err = errno;
    if (fd >= 0) close(fd);
    errno = err;
    return n < 0 ? -1 : 0;
}

static void test_oom(void)
{
    int status;
    CHECK(put("/proc/self/oom_score_adj", "300\n") == 0 && !strcmp(slurp("/proc/self/oom_score_adj"), "300\n"));
    CHECK_FAILS(put("/proc/self/oom_score_adj", "1001"), EINVAL);
    CHECK_FAILS(put("/proc/self/oom_score_adj", "x"), EINVAL);
    if (fork() == 0) {
        int same = !strcmp(slurp("/proc/self/oom_score_adj"), "300\n");
        _exit(!same);
    }
    wait(&status);
    CHECK(status == 0 && atoi(slurp("/proc/self/oom_score")) > 0);
}

static void test_fdinfo(void)
{
    char path[64];
    int fd = inotify_init();
    CHECK(inotify_add_watch(fd, "/", IN_CREATE) == 1);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    CHECK(strstr(slurp(path), "\ninotify wd:1 ino:") && strstr(text, " mask:100 "));
    close(fd);
}

static void test_machine(void)
{
    int first = -1, last = -1;
    CHECK(sscanf(slurp("/sys/devices/system/cpu/online"), "%d-%d", &first, &last) >= 1 && first == 0);
    CHECK((last < 0 ? 1 : last + 1) == get_nprocs());
    CHECK(atoi(slurp("/sys/devices/system/cpu/cpu0/topology/core_id")) == 0 && text[0] == '0');
    CHECK(!strcmp(slurp("/sys/class/net/lo/mtu"), "65536\n"));
    CHECK_FAILS(open("/sys/nonesuch", O_RDONLY), ENOENT);
    CHECK(atoi(slurp("/proc/sys/fs/inotify/max_queued_events")) > 0);
    CHECK(atoi(slurp("/proc/sys/kernel/msgmax")) > 0 && atoi(slurp("/proc/sys/net/core/somaxconn")) > 0);
    CHECK(strstr(slurp("/proc/meminfo"), "\nSReclaimable:") && strstr(text, "\nMemAvailable:"));
    CHECK(strstr(slurp("/proc/net/dev"), "\n    lo:") && strstr(slurp("/proc/vmstat"), "pswpin "));
}

int main(void)
{
    test_auxv();
    test_mem();
    test_pagemap();
    test_maps();
    test_oom();
    test_fdinfo();
    test_machine();
    return check_result();
}
