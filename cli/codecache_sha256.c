// SHA-256 by libnettle, which Debian's apt brings to every machine and whose code uses the CPU's instructions for it.
// Its header is for the build only: a start that needs no digest does not pay for the library.
#include "cli/codecache.h"
#include <dlfcn.h>
#include <nettle/sha2.h>
#include <stdio.h>

static const char library[] = "libnettle.so.8"; // the soname of the header's version

_Static_assert(sizeof(struct sha256_ctx) <= sizeof((struct codecache_sha256 *)0)->state, "room for its state");
_Static_assert(SHA256_DIGEST_SIZE == STORE_DIGEST, "the same length");

bool codecache_sha256_open(struct codecache_sha256 *s, char why[CODECACHE_WHY])
{
    s->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (s->library) {
        s->init = (__typeof__(s->init))dlsym(s->library, "nettle_sha256_init");
        s->update = (__typeof__(s->update))dlsym(s->library, "nettle_sha256_update");
        s->digest = (__typeof__(s->digest))dlsym(s->library, "nettle_sha256_digest");
        if (s->init && s->update && s->digest) {
            s->init(s->state);
            return true;
        }
        dlclose(s->library);
    }
    snprintf(why, CODECACHE_WHY, "the code cache needs %s (Debian package libnettle8)", library);
    return false;
}

void codecache_sha256_add(struct codecache_sha256 *s, const void *data, size_t n)
{
    s->update(s->state, n, data);
}

void codecache_sha256_end(struct codecache_sha256 *s, uint8_t digest[STORE_DIGEST])
{
    s->digest(s->state, STORE_DIGEST, digest); // which starts anew, too
}

void codecache_sha256_close(struct codecache_sha256 *s)
{
    dlclose(s->library);
}
