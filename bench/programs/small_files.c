// 5,000 small files in a directory of their own made, renamed and removed: small_files ROUNDS
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 5000 };

static void must(int ok, const char *what)
{
    if (ok) return;
    perror(what);
    exit(1);
}

static void make(void)
{
    char name[32], text[128];
    for (int n = 0; n < FILES; n++) {
        snprintf(name, sizeof name, "file-%d", n);
        int size = snprintf(text, sizeof text, "This is file %d of %d, and small.\n", n, FILES);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        must(fd >= 0, name);
        must(write(fd, text, (size_t)size) == size, "write");
        must(close(fd) == 0, "close");
    }
}

static void rename_all(void)
{
    char old[32], new[32];
    for (int n = 0; n < FILES; n++) {
        snprintf(old, sizeof old, "file-%d", n);
        snprintf(new, sizeof new, "renamed-%d", n);
        must(rename(old, new) == 0, old);
    }
}

static void remove_all(void)
{
    char name[32];
    for (int n = 0; n < FILES; n++) {
        snprintf(name, sizeof name, "renamed-%d", n);
        must(unlink(name) == 0, name);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    must(mkdir("/tmp/small", 0755) == 0 && chdir("/tmp/small") == 0, "/tmp/small");
    for (int i = 0; i < rounds; i++) {
        make();
        rename_all();
        remove_all();
    }
    must(rmdir("/tmp/small") == 0, "rmdir"); // empty again
    printf("%d files, %d times\n", FILES, rounds);
    return 0;
}
