// belljar image: its subcommands, and the one that tells what a disk image holds and whether belljar can use it.
#include "cli/image.h"
#include "disk/manifest.h"
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
    printf("  journal       %s\n", i->journal);
    if (i->direct)
        printf("  pages         shown to programs as they lie in the image\n");
    else
        printf("  pages         mostly copied for programs, which takes time and memory: with blocks of 4096 bytes\n"
               "                (mke2fs -b 4096) they would not be\n");
    printf("  belljar       %s%s\n",
           i->mountable ? "can mount it" : "cannot mount it: ", i->mountable ? "" : i->why_not);
}

static int info_one(const char *path)
{
    struct belljar_image_info i;
    struct belljar_error why;
    char shown[HTTP_SHOWN];
    if (manifest_is_named(path)) return image_packed_info(path);
    int status = http_is_url(path) ? image_served_info(path, &i, shown) : 0;
    if (status) return status;
    if (!http_is_url(path) && belljar_image_info(path, &i, &why)) return fail(STATUS_FAILED, "%s", why.text);
    show(http_is_url(path) ? shown : path, &i);
    return i.mountable ? 0 : 1;
}

static int info(int argc, char **argv, const char *const *value)
{
    int worst = 0;
    (void)value;
    for (int k = 0; k < argc; k++) {
        int status = info_one(argv[k]);
        if (status > worst) worst = status;
    }
    return worst;
}

const struct image_use image_info_use = {
    .name = "info",
    .arguments = "FILE|MANIFEST|URL...",
    .what = "Tells what a disk image holds, and whether belljar can use it.",
    .about = "The exit status is 1 if it cannot.\n",
    .min = 1,
    .run = info,
};

static const struct image_use *const uses[] = {
    &image_info_use,    &image_pack_use,   &image_verify_use, &image_unpack_use,
    &image_profile_use, &image_commit_use, &image_diff_use,   &image_export_use,
};
enum { USES = sizeof uses / sizeof *uses };

static int help(FILE *out)
{
    fputs("Usage: belljar image COMMAND ...      (belljar image COMMAND --help tells more)\n", out);
    for (unsigned i = 0; i < USES; i++)
        fprintf(out, "  %s %s\n      %s\n", uses[i]->name, uses[i]->arguments, uses[i]->what);
    return 0;
}

int image_command(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) return help(stdout);
    for (unsigned i = 0; argc > 1 && i < USES; i++)
        if (!strcmp(argv[1], uses[i]->name)) return image_run(uses[i], argc - 2, argv + 2);
    if (argc > 1) return fail(STATUS_FAILED, "image: there is no command '%s'; see belljar image --help", argv[1]);
    return fail(STATUS_FAILED, "usage: belljar image COMMAND ...; see belljar image --help");
}
