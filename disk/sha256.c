// See sha256.h.
#include "disk/sha256.h"
#include "disk/library.h"
#include <dlfcn.h>
#include <nettle/sha2.h>

_Static_assert(sizeof(struct sha256_ctx) <= sizeof((struct sha256 *)0)->state, "room for its state");
_Static_assert(SHA256_DIGEST_SIZE == SHA256_BYTES, "the same length");

bool sha256_open(struct sha256 *s, char *why, size_t why_size)
{
    static const struct library_function wanted[] = {
        LIBRARY_FUNCTION(struct sha256, init, "nettle_sha256_init"),
        LIBRARY_FUNCTION(struct sha256, update, "nettle_sha256_update"),
        LIBRARY_FUNCTION(struct sha256, digest, "nettle_sha256_digest"),
    };
    const char *soname = "libnettle.so.8"; // of the header's version
    if (library_load(s, &s->library, soname, "libnettle8", wanted, sizeof wanted / sizeof *wanted, why, why_size))
        return false;
    s->init(s->state);
    return true;
}

void sha256_add(struct sha256 *s, const void *data, size_t n)
{
    s->update(s->state, n, data);
}

void sha256_end(struct sha256 *s, uint8_t digest[SHA256_BYTES])
{
    s->digest(s->state, SHA256_BYTES, digest); // which starts anew, too
}

void sha256_close(struct sha256 *s)
{
    dlclose(s->library);
    s->library = NULL;
}
