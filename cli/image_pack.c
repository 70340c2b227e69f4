// belljar image pack: an image cut into compressed chunks that any web server can serve (disk/packed.h).
#include "cli/image.h"
#include "cli/image_progress.h"
#include "disk/packed.h"
#include "disk/zstd.h"
#include <inttypes.h>
#include <stdlib.h>

enum { LEVEL, NAME, REPLACE, JOBS };
static const struct image_option options[] = {
    [LEVEL] = {"level", 'l', "N", "of compression, 1 to 22: smaller and slower (default: 19)"},
    [NAME] = {"name", 'n', "NAME", "the manifest is DIR/NAME.manifest, for several images in one DIR"},
    [REPLACE] = {"replace", 0, NULL, "replace a manifest that is there"},
    [JOBS] = {"jobs", 'j', "N", "compress so many chunks at once (default: one per CPU)"},
};

static bool take_number(const char *text, long min, long max, long *n)
{
    char *end;
    if (!text) return true;
    *n = strtol(text, &end, 10);
    return *text && !*end && *n >= min && *n <= max;
}

static void show_progress(void *ctx, const struct packed_counts *c, uint32_t of)
{
    image_progress(ctx, "packing: %" PRIu64 " %%, %.1f MB written", (uint64_t)c->chunks * 100 / of,
                   (double)c->made_bytes / 1e6);
}

static void summary(const struct packed_options *o, const struct packed_counts *c)
{
    printf("%s/%s%smanifest: %u chunks, %u of them zeros, %u were there already; %.1f MB compressed, %.1f MB of it "
           "written\n",
           o->directory, o->name ? o->name : "", o->name ? "." : "", c->chunks, c->zeros, c->shared,
           (double)c->bytes / 1e6, (double)c->made_bytes / 1e6);
    if (c->hot_removed) puts("its hot file was of the image before, and has been removed: see belljar image profile");
}

static int pack(int argc, char **argv, const char *const *value)
{
    long level = ZSTD_LEVEL, jobs = 0;
    char why[MANIFEST_WHY];
    struct packed_counts counts;
    (void)argc;
    if (!take_number(value[LEVEL], 1, ZSTD_LEVEL_MAX, &level))
        return fail(STATUS_FAILED, "--level is a number from 1 to %d, not '%s'", ZSTD_LEVEL_MAX, value[LEVEL]);
    if (!take_number(value[JOBS], 1, 1000, &jobs))
        return fail(STATUS_FAILED, "--jobs is a number from 1 on, not '%s'", value[JOBS]);
    struct image_progress progress = {0};
    struct packed_options o = {.image = argv[0],
                               .directory = argv[1],
                               .name = value[NAME],
                               .replace = value[REPLACE],
                               .level = (int)level,
                               .threads = (unsigned)jobs,
                               .progress = show_progress,
                               .ctx = &progress};
    char shown[HTTP_SHOWN];
    if (http_is_url(argv[0]))
        return fail(STATUS_FAILED, "image pack: %s: it must be downloaded first", http_shown(argv[0], shown));
    int err = packed_make(&o, &counts, why);
    image_progress_end(&progress);
    if (err) return fail(STATUS_FAILED, "image pack: %s", why);
    summary(&o, &counts);
    return 0;
}

const struct image_use image_pack_use = {
    .name = "pack",
    .arguments = "IMAGE DIR",
    .what = "Cuts a disk image into compressed chunks that any web server can serve.",
    .about =
        "DIR is made if it is missing. It gets the manifest, and chunks/ with a file for each chunk of 64 KiB that\n"
        "is not zeros, named after the SHA-256 of its content: chunks that are there are not made again, and images\n"
        "packed into one DIR share them. Copy DIR to a web server, and: belljar --image URL/manifest PROGRAM.\n",
    IMAGE_OPTIONS_OF(options),
    .min = 2,
    .max = 2,
    .run = pack,
};
