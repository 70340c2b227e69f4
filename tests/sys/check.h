// For guest tests: CHECK counts what is wrong and says where; main returns check_result().
#pragma once
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_failures;

static inline int check(int good, const char *what, const char *file, int line)
{
    if (good) return 1;
    check_failures++;
    printf("%s:%d: %s (errno %d, %s)\n", file, line, what, errno, strerror(errno));
    return 0;
}
#define CHECK(condition) check(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_FAILS(call, wanted)                                                                                      \
    check((call) == -1 && errno == (wanted), #call " fails with " #wanted, __FILE__, __LINE__)

static inline int check_result(void)
{
    fflush(stdout);
    return check_failures ? 1 : 0;
}

// A fresh directory, entered; check_leave removes it with what `rm -r` would.
static inline void check_enter(char dir[64])
{
    strcpy(dir, "/tmp/sysXXXXXX");
    CHECK(mkdtemp(dir) && chdir(dir) == 0);
}
