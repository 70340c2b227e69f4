// Libraries that are loaded when something first needs them. Their headers are for the build only: a table names the
// functions, each with the type that its header gives it.
//
//     struct zstd { void *library; __typeof__(ZSTD_compress) *compress; ... };
//     static const struct library_function wanted[] = {LIBRARY_FUNCTION(struct zstd, compress, "ZSTD_compress"), ...};
//     library_load(&z, &z.library, "libzstd.so.1", "libzstd1", wanted, n, why, why_size)
#pragma once
#include <stddef.h>

struct library_function {
    const char *name;
    size_t at; // offset of the pointer in the caller's struct
};
#define LIBRARY_FUNCTION(TYPE, MEMBER, NAME)                                                                           \
    {                                                                                                                  \
        NAME, offsetof(TYPE, MEMBER)                                                                                   \
    }

// 0; else -1 with a line in `why` that says which Debian package brings the library.
int library_load(void *to, void **library, const char *soname, const char *package, const struct library_function *,
                 size_t n, char *why, size_t why_size);
