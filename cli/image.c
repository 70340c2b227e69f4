// belljar image info FILE...: what a disk image holds, and whether belljar can use it.
#include "cli/options.h"
#include <inttypes.h>
#include <string.h>

static void show(const char *path, const struct belljar_image_info *i)
{
    printf("%s\n", path);
    printf("  file system   %s, %" PRIu64 " bytes in blocks of %u\n", i->type, i->file_system_bytes, i->block_size);
    printf("  image file    %" PRIu64 " bytes\n", i->bytes);
    printf("  free          %" PRIu64 " bytes, %u of %u inodes\n", i->free_bytes, i->free_inodes, i->inodes);
    if (i->label[0]) printf("  label         %s\n", i->label);
    printf("  uuid          %s\n", i->uuid);
    printf("  features      %s\n", i->features);
    printf("  belljar       %s%s\n",
           i->mountable ? "can mount it" : "cannot mount it: ", i->mountable ? "" : i->why_not);
}

static int info(const char *path)
{
    struct belljar_image_info i;
    struct belljar_error why;
    if (belljar_image_info(path, &i, &why)) return fail(STATUS_FAILED, "%s", why.text);
    show(path, &i);
    return i.mountable ? 0 : 1;
}

int image_command(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "info")) return fail(STATUS_FAILED, "usage: belljar image info FILE...");
    int worst = 0;
    for (int k = 2; k < argc; k++) {
        int status = info(argv[k]);
        if (status > worst) worst = status;
    }
    return worst;
}
