// belljar image info of a packed image: what its manifest says, from a directory or a server.
#include "cli/image.h"
#include "cli/image_hot.h"
#include "cli/image_reader.h"
#include <inttypes.h>

static bool show(struct image_reader *r)
{
    const struct source *s = r->source;
    uint32_t content = 0;
    uint8_t key[POOL_KEY];
    char shown[HTTP_SHOWN];
    for (uint32_t i = 0; i < s->chunks; i++) content += s->ops->key(r->source, i, key);
    printf("%s\n", http_shown(r->name, shown));
    printf("  packed image  %" PRIu64 " bytes in %u chunks, %u of them zeros\n", s->bytes, s->chunks,
           s->chunks - content);
    printf("  contents      %u that differ\n", r->wanted);
    fputs("  digest        ", stdout);
    for (unsigned i = 0; i < POOL_KEY; i++) printf("%02x", s->digest[i]);
    putchar('\n');
    *(bool *)r->ctx = true;
    return false; // no chunk has to be read for that
}

int image_packed_info(const char *manifest)
{
    bool shown = false;
    char why[MANIFEST_WHY];
    struct image_reader r = {.name = manifest, .once = true, .opened = show, .ctx = &shown};
    image_read(&r);
    if (!shown) return fail(STATUS_FAILED, "%s", r.why);
    int hot = image_hot_verify(manifest, why);
    printf("  hot file      %s\n", hot > 0 ? "yes" : hot == 0 ? "none" : why);
    return 0;
}
