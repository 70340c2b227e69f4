// See sqlite.h.
#include "disk/sqlite.h"
#include "disk/library.h"
#include <dlfcn.h>
#include <stdio.h>

enum { OLDEST = 3037000 }; // STRICT tables

int sqlite_load(struct sqlite *s, char *why, size_t why_size)
{
#define SQLITE_ROW_OF(NAME) LIBRARY_FUNCTION(struct sqlite, NAME, "sqlite3_" #NAME),
    static const struct library_function wanted[] = {SQLITE_FUNCTIONS(SQLITE_ROW_OF)};
#undef SQLITE_ROW_OF
    if (library_load(s, &s->library, "libsqlite3.so.0", "libsqlite3-0", wanted, sizeof wanted / sizeof *wanted, why,
                     why_size))
        return -1;
    if (s->libversion_number() >= OLDEST) return 0;
    snprintf(why, why_size, "libsqlite3.so.0 is too old: a delta file needs SQLite 3.37");
    sqlite_unload(s);
    return -1;
}

void sqlite_unload(struct sqlite *s)
{
    if (s->library) dlclose(s->library);
    s->library = NULL;
}
