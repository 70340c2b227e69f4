// Makes a tree of N small files, a hundred to a directory: tree N DIRECTORY. Then says how many.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PER_DIRECTORY = 100, MOST_BYTES = 1000 };

static void make_file(int n)
{
    char name[32], text[MOST_BYTES];
    snprintf(name, sizeof name, "d%03d/file-%05d.txt", n / PER_DIRECTORY, n);
    size_t size = (size_t)n * 37 % MOST_BYTES;
    memset(text, 'a' + n % 26, size);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size || close(fd)) {
        perror(name);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    int files = argc > 2 ? atoi(argv[1]) : 0;
    if (argc < 3 || mkdir(argv[2], 0755) || chdir(argv[2])) {
        perror("tree");
        return 1;
    }
    for (int n = 0; n < files; n++) {
        char directory[16];
        snprintf(directory, sizeof directory, "d%03d", n / PER_DIRECTORY);
        if (n % PER_DIRECTORY == 0 && mkdir(directory, 0755)) perror(directory);
        make_file(n);
    }
    printf("%d files\n", files);
    return 0;
}
