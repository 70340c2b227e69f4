// SQLite, loaded when a delta file is first opened (library.h). Only what disk/deltafile*.c calls.
#pragma once
#include <sqlite3.h>
#include <stddef.h>

// One row per function: the member of struct sqlite, and behind "sqlite3_" its name.
#define SQLITE_FUNCTIONS(F)                                                                                            \
    F(open_v2)                                                                                                         \
    F(close)                                                                                                           \
    F(exec)                                                                                                            \
    F(prepare_v2)                                                                                                      \
    F(step)                                                                                                            \
    F(reset)                                                                                                           \
    F(finalize)                                                                                                        \
    F(bind_int64)                                                                                                      \
    F(bind_blob)                                                                                                       \
    F(bind_null)                                                                                                       \
    F(column_type)                                                                                                     \
    F(column_int64)                                                                                                    \
    F(column_bytes)                                                                                                    \
    F(column_blob)                                                                                                     \
    F(extended_errcode)                                                                                                \
    F(system_errno)                                                                                                    \
    F(get_autocommit)                                                                                                  \
    F(db_config)                                                                                                       \
    F(limit)                                                                                                           \
    F(progress_handler)                                                                                                \
    F(libversion_number)

#define SQLITE_POINTER(NAME) __typeof__(sqlite3_##NAME) *NAME;
struct sqlite {
    void *library;
    SQLITE_FUNCTIONS(SQLITE_POINTER)
};
#undef SQLITE_POINTER

int sqlite_load(struct sqlite *, char *why, size_t why_size); // 0, or -1 with a line
void sqlite_unload(struct sqlite *);
