// Two boxes in two threads of one process: each has its own files, output and end, and neither sees the other.
// qemu-user 7.2 takes gigabytes for their address spaces:
// ctest: LABELS no-aarch64
#include <belljar.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct job {
    struct belljar_image *image;
    const char *name;
    struct belljar_result result;
    char out[256];
    size_t n;
    int failed;
};

static ptrdiff_t collect(void *ctx, const void *from, size_t n)
{
    struct job *j = ctx;
    if (n > sizeof j->out - 1 - j->n) return -1;
    memcpy(j->out + j->n, from, n);
    j->n += n;
    return (ptrdiff_t)n;
}

static void *run(void *arg)
{
    static const char *const script =
        "echo $0 > /tmp/who; for i in 1 2 3 4 5 6 7 8; do cat /tmp/who; done | sort -u; ls /tmp; echo $$; exit 3";
    struct job *j = arg;
    struct belljar_options o;
    struct belljar_error why;
    belljar_options_init(&o);
    o.argv = (const char *const[]){"bash", "-c", script, j->name, NULL};
    o.stdio[0].fd = -1;
    o.stdio[1].write = collect;
    o.stdio[1].ctx = j;
    j->failed = belljar_run(j->image, &o, &j->result, &why);
    if (j->failed) fprintf(stderr, "%s: %s\n", j->name, why.text);
    return NULL;
}

static int check(const struct job *j)
{
    char want[64];
    snprintf(want, sizeof want, "%s\nwho\n2\n", j->name);
    if (!j->failed && j->result.end == BELLJAR_EXITED && j->result.code == 3 && !strcmp(j->out, want)) return 0;
    fprintf(stderr, "%s: end %d code %d, printed:\n%s", j->name, j->result.end, j->result.code, j->out);
    return 1;
}

int main(int argc, char **argv)
{
    struct job job[2] = {{.name = "first"}, {.name = "second"}};
    struct belljar_error why;
    pthread_t thread[2];
    int bad = 0;
    if (argc != 2 || belljar_image_open(argv[1], &job[0].image, &why)) {
        fprintf(stderr, "two_boxes: %s\n", argc == 2 ? why.text : "usage: two_boxes IMAGE");
        return 1;
    }
    job[1].image = job[0].image;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) {
            job[i].n = 0;
            memset(job[i].out, 0, sizeof job[i].out);
            pthread_create(&thread[i], NULL, run, &job[i]);
        }
        for (int i = 0; i < 2; i++) {
            pthread_join(thread[i], NULL);
            bad += check(&job[i]);
        }
    }
    belljar_image_close(job[0].image);
    return bad != 0;
}
