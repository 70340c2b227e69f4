// One byte there and back between two processes, through two pipes: pingpong ROUNDS
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (ok) return;
    perror(what);
    exit(1);
}

static void answer(int from, int to)
{
    char byte;
    while (read(from, &byte, 1) == 1) {
        byte++;
        must(write(to, &byte, 1) == 1, "write");
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1, there[2], back[2];
    unsigned sum = 0;
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        close(there[1]);
        answer(there[0], back[1]);
    }
    for (int i = 0; i < rounds; i++) {
        unsigned char byte = (unsigned char)i;
        must(write(there[1], &byte, 1) == 1, "write");
        must(read(back[0], &byte, 1) == 1, "read");
        sum += byte;
    }
    close(there[1]);
    must(waitpid(child, NULL, 0) == child, "waitpid");
    printf("%d rounds, sum %u\n", rounds, sum);
    return 0;
}
