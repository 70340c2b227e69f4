// See image_hot.h.
#include "cli/image_hot.h"
#include "cli/image_reader.h"
#include "disk/packed.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOT_BYTES = 256 << 20 }; // of a hot file at most: as much memory as it takes to look at it

struct file {
    uint8_t *bytes;
    size_t n, room;
    bool ended, no_memory;
    enum http_result result;
};

static bool add(struct file *f, const void *bytes, size_t n)
{
    if (f->n + n > f->room) {
        size_t room = 2 * f->room > f->n + n ? 2 * f->room : f->n + n;
        uint8_t *more = realloc(f->bytes, room);
        if (!more) return false;
        f->bytes = more;
        f->room = room;
    }
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
    return true;
}

static void take(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct file *f = ctx;
    (void)offset;
    if (n && !f->no_memory) f->no_memory = !add(f, bytes, n);
    f->ended = !n;
    f->result = result;
}

static int fetch(struct http *http, const char *url, uint64_t most, struct file *f, char *why)
{
    struct http_resource *r = http_resource(http, url);
    if (!r || http_whole(r, most, take, f)) return snprintf(why, MANIFEST_WHY, "no memory"), -1;
    while (!f->ended) http_run(http, NULL, 0, -1);
    if (f->result == HTTP_NOT_FOUND) return 0;
    if (f->result == HTTP_OK && !f->no_memory) return 1;
    snprintf(why, MANIFEST_WHY, "%s", f->no_memory ? "no memory" : http_problem(r));
    return -1;
}

static int read_all(FILE *in, struct file *f)
{
    char piece[65536];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, in)) > 0 && f->n <= HOT_BYTES)
        if (!add(f, piece, n)) return -1;
    return ferror(in) ? -1 : 0;
}

static int read_local(const char *path, struct file *f, char *why)
{
    FILE *in = fopen(path, "re");
    if (!in && errno == ENOENT) return 0;
    int err = in ? read_all(in, f) : -1;
    if (err) snprintf(why, MANIFEST_WHY, "%s", strerror(errno));
    if (in) fclose(in);
    return err ? -1 : 1;
}

// Both of a server, or of a directory.
static int load(struct http *http, const char *name, const char *hot, struct manifest *m, struct file *f, char *why)
{
    struct file bytes = {0};
    int there = http ? fetch(http, hot, HOT_BYTES, f, why) : read_local(hot, f, why);
    if (there <= 0) return there;
    if (!http) return manifest_read(m, name, why) ? -1 : 1;
    there = fetch(http, name, MANIFEST_SIZE_MAX, &bytes, why);
    if (there > 0 && manifest_parse(m, bytes.bytes, bytes.n, why)) there = -1;
    free(bytes.bytes);
    return there;
}

int image_hot_verify(const char *name, char why[MANIFEST_WHY])
{
    struct http *http = NULL;
    struct manifest m = {0};
    struct packed_codec *codec = NULL;
    struct file f = {0};
    char *hot = manifest_beside(name, NULL);
    int there = -1;
    snprintf(why, MANIFEST_WHY, "no memory");
    if (hot && !packed_codec_open(&codec, false, why) && !image_open_http(&http, name, why))
        there = load(http, name, hot, &m, &f, why);
    if (there > 0 && packed_hot_verify(codec, &m, f.bytes, f.n, why)) there = -1;
    http_close(http);
    packed_codec_close(codec);
    manifest_free(&m);
    free(f.bytes);
    free(hot);
    return there;
}
