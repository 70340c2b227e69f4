// belljar image profile: runs a program from an image through the disk server, which writes down what the box needs of
// it, and makes the hot list of it (disk/hotlist.h; of packed images: disk/packed.h).
#include "cli/broker.h"
#include "cli/image.h"
#include "disk/hotlist.h"
#include "disk/packed.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct needed { // pieces of the source, each as often as it was asked for
    uint32_t *index, n;
};

// ---------------------------------------------------------------- running it

// belljar's options, with the image and without code from earlier runs, which would read less. To be freed.
static char **command_of(const char *image, char **words, int *argc)
{
    static char *const fixed[] = {"belljar", "--code-cache", "none", "--image"};
    int n = 0, m = sizeof fixed / sizeof *fixed;
    while (words[n]) n++;
    char **all = calloc((size_t)(m + n + 2), sizeof *all);
    if (!all) return NULL;
    memcpy(all, fixed, sizeof fixed);
    all[m++] = (char *)image;
    memcpy(all + m, words, (size_t)n * sizeof *all);
    *argc = m + n;
    return all;
}

// The program's own failures are its own: what it needed until then is worth as much.
static int run(const char *image, char **words, int record)
{
    struct command_line line;
    int argc, status = STATUS_FAILED;
    char **argv = command_of(image, words, &argc);
    if (!argv) return fail(STATUS_FAILED, "image profile: no memory");
    status = options_parse(&line, argc, argv);
    if (!status && (line.done || strcmp(line.image, image)))
        status = fail(STATUS_FAILED, "image profile: --image, --help and --version have no place here");
    if (!status) {
        line.record = record;
        status = broker_run(&line);
        if (status < STATUS_FAILED || status > STATUS_NOT_FOUND) status = 0;
    }
    options_free(&line);
    free(argv);
    while (wait(NULL) > 0 || errno == EINTR) continue; // the disk server, which writes to `record`
    return status;
}

// ---------------------------------------------------------------- what it needed

static int take_numbers(FILE *f, size_t bytes, struct needed *to)
{
    to->index = calloc(bytes / 2 + 1, sizeof *to->index); // a digit and a newline at least
    if (!to->index) return -1;
    while (to->n <= bytes / 2 && fscanf(f, "%u", &to->index[to->n]) == 1) to->n++;
    return 0;
}

static int read_needed(int record, struct needed *to)
{
    struct stat st;
    FILE *f = fdopen(dup(record), "r");
    int err = !f || fstat(record, &st) || fseek(f, 0, SEEK_SET) || take_numbers(f, (size_t)st.st_size, to) ? -1 : 0;
    if (f) fclose(f);
    return err ? fail(STATUS_FAILED, "image profile: cannot read what was needed: %s", strerror(errno)) : 0;
}

// ---------------------------------------------------------------- the list of a plain image

static int read_old(struct hotlist *list, const char *hot, uint32_t parts, char *why)
{
    FILE *f = fopen(hot, "re");
    char *text = malloc(HOTLIST_BYTES + 1);
    int err = 0;
    if (f && text) err = hotlist_parse(list, text, fread(text, 1, HOTLIST_BYTES + 1, f), parts, why);
    if (f) fclose(f);
    free(text);
    return err; // none is as good as an empty one
}

static int write_list(const struct hotlist *list, const char *hot)
{
    char *other;
    if (asprintf(&other, "%s.new-%ld", hot, (long)getpid()) < 0) return -1;
    FILE *f = fopen(other, "we");
    int err = f ? hotlist_write(list, f) : -1;
    if (f && fclose(f)) err = -1;
    if (!err) err = rename(other, hot);
    if (err && f) unlink(other);
    free(other);
    return err;
}

static uint32_t parts_of(const char *image)
{
    struct stat st;
    return stat(image, &st)
               ? 0
               : (uint32_t)((uint64_t)st.st_size / HOTLIST_PART + ((uint64_t)st.st_size % HOTLIST_PART > 0));
}

static uint32_t count(const struct hotlist *list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->n; i++) n += list->range[i].count;
    return n;
}

// Of parts that were needed, with as few in between as take less time than another request.
struct run {
    uint32_t first, end;
};
static struct run run_around(const bool *is_needed, uint32_t parts, uint32_t part)
{
    enum { GAP = 2 };
    struct run r = {part, part + 1};
    for (uint32_t i = part; i-- > 0 && r.first - i <= GAP + 1;)
        if (is_needed[i]) r.first = i;
    for (uint32_t i = r.end; i < parts && i - r.end <= GAP; i++)
        if (is_needed[i]) r.end = i + 1;
    return r;
}

// In order of need. A list that is full has what starts need first.
static int add_runs(struct hotlist *list, const struct needed *needed, uint32_t parts)
{
    bool *is_needed = calloc(parts + 1ul, sizeof *is_needed);
    if (!is_needed) return -1;
    for (uint32_t i = 0; i < needed->n; i++)
        if (needed->index[i] < parts) is_needed[needed->index[i]] = true;
    for (uint32_t i = 0; i < needed->n; i++) {
        if (needed->index[i] >= parts) continue;
        struct run r = run_around(is_needed, parts, needed->index[i]);
        while (r.first < r.end && !hotlist_add(list, r.first)) r.first++;
        if (r.first < r.end) break;
    }
    free(is_needed);
    return 0;
}

static int make_plain(const char *image, const struct needed *needed, bool add)
{
    struct hotlist list = {0};
    char *hot, why[HOTLIST_WHY] = "";
    int status = 0;
    if (asprintf(&hot, "%s.hot", image) < 0) return fail(STATUS_FAILED, "image profile: no memory");
    if (add && read_old(&list, hot, parts_of(image), why))
        status = fail(STATUS_FAILED, "image profile: %s: %s; without --add it is made anew", hot, why);
    uint32_t before = count(&list);
    if (!status && add_runs(&list, needed, parts_of(image))) status = fail(STATUS_FAILED, "image profile: no memory");
    if (!status && write_list(&list, hot))
        status = fail(STATUS_FAILED, "image profile: cannot write %s: %s", hot, strerror(errno));
    if (!status)
        fprintf(stderr, "%s: %u parts, %u of them new: %.1f MB of the image\n", hot, count(&list),
                count(&list) - before, (double)count(&list) * HOTLIST_PART / 1e6);
    hotlist_free(&list);
    free(hot);
    return status;
}

// ---------------------------------------------------------------- the hot file of a packed image

static int make_packed(const char *manifest, const struct needed *needed, bool add)
{
    struct packed_hot_counts counts;
    char why[MANIFEST_WHY];
    if (packed_hot_make(manifest, needed->index, needed->n, add, &counts, why))
        return fail(STATUS_FAILED, "image profile: %s", why);
    char *hot = manifest_beside(manifest, NULL);
    fprintf(stderr, "%s: %u chunks, %u of them new: %.1f MB\n", hot ? hot : "hot", counts.chunks, counts.added,
            (double)counts.bytes / 1e6);
    free(hot);
    return 0;
}

enum { ADD };
static const struct image_option options[] = {
    [ADD] = {"add", 'a', NULL, "to the hot list that is there, instead of making it anew"},
};

static int profile(int argc, char **argv, const char *const *value)
{
    struct needed needed = {0};
    const char *image = argv[0];
    if (strstr(image, "://"))
        return fail(STATUS_FAILED, "image profile: the image or manifest must be on this machine, not at a URL");
    int record = memfd_create("needed", MFD_CLOEXEC);
    if (record < 0) return fail(STATUS_FAILED, "image profile: no memory: %s", strerror(errno));
    int status = run(image, argv + argc, record);
    if (!status) status = read_needed(record, &needed);
    if (!status)
        status =
            manifest_is_named(image) ? make_packed(image, &needed, value[ADD]) : make_plain(image, &needed, value[ADD]);
    free(needed.index);
    close(record);
    return status;
}

const struct image_use image_profile_use = {
    .name = "profile",
    .arguments = "IMAGE|MANIFEST -- [OPTION...] PROGRAM [ARGUMENT...]",
    .what = "Runs a program and notes what of the image its start needs, to be fetched first.",
    .about =
        "What is behind -- is as behind belljar. Of a disk image the list is IMAGE.hot, of a packed one DIR/hot (or\n"
        "DIR/NAME.hot), with the chunks in it: keep it on the server beside the image. Boxes from there fetch it "
        "first,\n"
        "in few large requests. Profile what starts often, each with --add; --code-cache none is the default here.\n",
    IMAGE_OPTIONS_OF(options),
    .min = 1,
    .max = 1,
    .rest = true,
    .run = profile,
};
