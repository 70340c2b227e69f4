// The smallest program with belljar in it: runs python3 in a box and catches what it prints.
//     cc hello.c -lbelljar -lelf -lext2fs -lcom_err -lm && ./a.out python3.ext2
#include <belljar.h>
#include <stdio.h>

static ptrdiff_t print(void *ctx, const void *from, size_t n)
{
    printf("%s%.*s", (const char *)ctx, (int)n, (const char *)from);
    return (ptrdiff_t)n;
}

int main(int argc, char **argv)
{
    struct belljar_error why;
    struct belljar_image *image;
    if (argc != 2 || belljar_image_open(argv[1], &image, &why)) {
        fprintf(stderr, "hello: %s\n", argc == 2 ? why.text : "usage: hello IMAGE");
        return 1;
    }
    struct belljar_options options;
    belljar_options_init(&options);
    options.argv = (const char *const[]){"python3", "-c", "print(6*7)", NULL};
    options.stdio[0].fd = -1;
    options.stdio[1].write = print;
    options.stdio[1].ctx = "the box says: ";
    options.timeout_ns = 60000000000;
    struct belljar_result result;
    int failed = belljar_run(image, &options, &result, &why);
    if (failed)
        fprintf(stderr, "hello: %s\n", why.text);
    else
        printf("it ended with status %d after %.1f ms\n", result.code, (double)result.wall_ns / 1e6);
    belljar_image_close(image);
    return failed || result.end != BELLJAR_EXITED || result.code;
}
