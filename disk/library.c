// See library.h.
#include "disk/library.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int refuse(const char *soname, const char *package, char *why, size_t why_size)
{
    const char *error = dlerror();
    snprintf(why, why_size, "%s is needed (Debian package %s): %s", soname, package, error ? error : "?");
    return -1;
}

int library_load(void *to, void **library, const char *soname, const char *package, const struct library_function *f,
                 size_t n, char *why, size_t why_size)
{
    *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!*library) return refuse(soname, package, why, why_size);
    for (size_t i = 0; i < n; i++) {
        void *found = dlsym(*library, f[i].name);
        if (!found) {
            int err = refuse(soname, package, why, why_size);
            dlclose(*library);
            *library = NULL;
            return err;
        }
        memcpy((char *)to + f[i].at, &found, sizeof found);
    }
    return 0;
}
