// See zstd.h.
#include "disk/zstd.h"
#include "disk/library.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct zstd {
    void *library;
    __typeof__(ZSTD_createCCtx) *create_pack;
    __typeof__(ZSTD_freeCCtx) *free_pack;
    __typeof__(ZSTD_compressCCtx) *pack;
    __typeof__(ZSTD_createDCtx) *create_unpack;
    __typeof__(ZSTD_freeDCtx) *free_unpack;
    __typeof__(ZSTD_decompressDCtx) *unpack;
    __typeof__(ZSTD_getFrameContentSize) *content_size;
    __typeof__(ZSTD_findFrameCompressedSize) *packed_size;
    __typeof__(ZSTD_isError) *is_error;
    ZSTD_CCtx *packing;
    ZSTD_DCtx *unpacking;
};

static const struct library_function wanted[] = {
    LIBRARY_FUNCTION(struct zstd, create_pack, "ZSTD_createCCtx"),
    LIBRARY_FUNCTION(struct zstd, free_pack, "ZSTD_freeCCtx"),
    LIBRARY_FUNCTION(struct zstd, pack, "ZSTD_compressCCtx"),
    LIBRARY_FUNCTION(struct zstd, create_unpack, "ZSTD_createDCtx"),
    LIBRARY_FUNCTION(struct zstd, free_unpack, "ZSTD_freeDCtx"),
    LIBRARY_FUNCTION(struct zstd, unpack, "ZSTD_decompressDCtx"),
    LIBRARY_FUNCTION(struct zstd, content_size, "ZSTD_getFrameContentSize"),
    LIBRARY_FUNCTION(struct zstd, packed_size, "ZSTD_findFrameCompressedSize"),
    LIBRARY_FUNCTION(struct zstd, is_error, "ZSTD_isError"),
};

static int open_one(struct zstd **to, bool pack, char *why, size_t why_size)
{
    struct zstd *z = calloc(1, sizeof *z);
    *to = NULL;
    if (!z) {
        snprintf(why, why_size, "no memory");
        return -1;
    }
    if (library_load(z, &z->library, "libzstd.so.1", "libzstd1", wanted, sizeof wanted / sizeof *wanted, why,
                     why_size)) {
        free(z);
        return -1;
    }
    if (pack)
        z->packing = z->create_pack();
    else
        z->unpacking = z->create_unpack();
    *to = z;
    if (z->packing || z->unpacking) return 0;
    snprintf(why, why_size, "no memory");
    zstd_close(z);
    *to = NULL;
    return -1;
}

int zstd_open_pack(struct zstd **to, char *why, size_t why_size)
{
    return open_one(to, true, why, why_size);
}

int zstd_open_unpack(struct zstd **to, char *why, size_t why_size)
{
    return open_one(to, false, why, why_size);
}

void zstd_close(struct zstd *z)
{
    if (!z) return;
    z->free_pack(z->packing); // NULL is nothing to both
    z->free_unpack(z->unpacking);
    dlclose(z->library);
    free(z);
}

size_t zstd_pack(struct zstd *z, void *to, size_t room, const void *bytes, size_t n, int level)
{
    size_t took = z->pack(z->packing, to, room, bytes, n, level);
    return z->is_error(took) ? 0 : took;
}

// One frame of today's format and nothing else: the library also reads older formats, whose decoders few look at.
static bool is_frame(const struct zstd *z, size_t n, const void *packed, size_t packed_n)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd}; // RFC 8878, section 3.1.1
    if (packed_n < sizeof magic || memcmp(packed, magic, sizeof magic)) return false;
    return z->content_size(packed, packed_n) == n && z->packed_size(packed, packed_n) == packed_n;
}

// Into the whole of `to` at once: the window is `to` itself, so that the frame cannot ask for memory either.
bool zstd_unpack(struct zstd *z, void *to, size_t n, const void *packed, size_t packed_n)
{
    if (!is_frame(z, n, packed, packed_n)) return false;
    size_t made = z->unpack(z->unpacking, to, n, packed, packed_n);
    return !z->is_error(made) && made == n;
}
