// Rows of pages that somebody has made who knows how to sum: without that, nothing in them would ever be looked at.
#pragma once
#include "disk/deltafile_internal.h"

static inline void right_sum(struct sqlite *lib, sqlite3_stmt *from, sqlite3_stmt *to)
{
    uint64_t id = (uint64_t)lib->column_int64(from, 0);
    struct delta_chunk c = {.ino = id >> 28,
                            .index = id & 0xfffffff,
                            .data = (uint16_t)lib->column_int64(from, 1),
                            .hole = (uint16_t)lib->column_int64(from, 2),
                            .bytes = lib->column_blob(from, 4)};
    if (lib->column_bytes(from, 4) < __builtin_popcount(c.data) * DELTA_PAGE) return;
    lib->bind_int64(to, 1, delta_sum(&c));
    lib->bind_int64(to, 2, (int64_t)id);
    (void)lib->step(to);
    lib->reset(to);
}

static inline void right_sums(struct sqlite *lib, sqlite3 *db)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    if (!lib->prepare_v2(db, "SELECT * FROM page", -1, &from, NULL) &&
        !lib->prepare_v2(db, "UPDATE page SET sum=?1 WHERE id=?2", -1, &to, NULL))
        while (lib->step(from) == SQLITE_ROW) right_sum(lib, from, to);
    lib->finalize(from);
    lib->finalize(to);
}
