// What the files of disk/deltafile*.c share.
#pragma once
#include "disk/deltafile.h"
#include "disk/sqlite.h"

// One row per statement, prepared when it is first used.
#define DELTA_STATEMENTS(S)                                                                                            \
    S(BEGIN, "BEGIN IMMEDIATE")                                                                                        \
    S(COMMIT, "COMMIT")                                                                                                \
    S(ROLLBACK, "ROLLBACK")                                                                                            \
    S(PUT_INODE,                                                                                                       \
      "INSERT OR REPLACE INTO inode VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)")           \
    S(INODE, "SELECT * FROM inode WHERE ino=?1")                                                                       \
    S(INODES, "SELECT * FROM inode WHERE ino>=?1 ORDER BY ino")                                                        \
    S(NO_INODE, "DELETE FROM inode WHERE ino=?1")                                                                      \
    S(NEXT_INO, "SELECT next_ino FROM meta WHERE id=1")                                                                \
    S(SET_NEXT_INO, "UPDATE meta SET next_ino=?1 WHERE id=1")                                                          \
    S(PUT_NAME, "INSERT OR REPLACE INTO name VALUES(?1,?2,?3,?4)")                                                     \
    S(NAME, "SELECT * FROM name WHERE dir=?1 AND name=?2")                                                             \
    S(NAMES, "SELECT * FROM name WHERE dir=?1 AND name>?2 ORDER BY name")                                              \
    S(ALL_NAMES, "SELECT * FROM name ORDER BY dir, name")                                                              \
    S(NO_NAME, "DELETE FROM name WHERE dir=?1 AND name=?2")                                                            \
    S(NO_NAMES, "DELETE FROM name WHERE dir=?1")                                                                       \
    S(PUT_XATTR, "INSERT OR REPLACE INTO xattr VALUES(?1,?2,?3)")                                                      \
    S(XATTRS, "SELECT * FROM xattr WHERE ino=?1 ORDER BY name")                                                        \
    S(NO_XATTRS, "DELETE FROM xattr WHERE ino=?1")                                                                     \
    S(PUT_PAGES, "INSERT OR REPLACE INTO page VALUES(?1,?2,?3,?4,?5)")                                                 \
    S(PAGES, "SELECT * FROM page WHERE id=?1")                                                                         \
    S(MASKS, "SELECT id, data, hole FROM page WHERE id=?1")                                                            \
    S(ALL_PAGES, "SELECT * FROM page WHERE id>=?1 AND id<=?2 ORDER BY id")                                             \
    S(ALL_MASKS, "SELECT id, data, hole FROM page WHERE id>=?1 AND id<=?2 ORDER BY id")                                \
    S(NO_PAGES, "DELETE FROM page WHERE id>=?1 AND id<=?2")

#define DELTA_STATEMENT_ID(NAME, TEXT) DELTA_SQL_##NAME,
enum delta_statement { DELTA_STATEMENTS(DELTA_STATEMENT_ID) DELTA_STATEMENT_COUNT };
#undef DELTA_STATEMENT_ID

struct deltafile {
    struct sqlite lib;
    sqlite3 *db;
    sqlite3_stmt *statement[DELTA_STATEMENT_COUNT];
    struct delta_base base;
    uint32_t patience; // how often the current step may still be asked whether it goes on
    char path[4096];
    char problem[DELTA_WHY];
    char target[DELTA_TARGET_MAX + 1]; // of the inode given last
    char name[DELTA_NAME_MAX + 1];
    uint8_t bytes[DELTA_CHUNK_PAGES * DELTA_PAGE];
};

sqlite3_stmt *delta_statement(struct deltafile *, enum delta_statement); // NULL: a problem, which delta_failed gives
int delta_failed(struct deltafile *, int rc);                            // what SQLite says, as -errno with its line
int delta_step(struct deltafile *, sqlite3_stmt *);                      // 1: a row; 0: the end; -errno
// One that gives no rows, and is then free again: 0, -errno.
int delta_run(struct deltafile *, sqlite3_stmt *);
// Of a row of pages: what is in its column `sum`. Not against forgery: whoever can write to the file can also sum.
int64_t delta_sum(const struct delta_chunk *);
int delta_damaged(struct deltafile *, const char *what); // -EIO
int delta_refused(struct deltafile *, const char *what); // -EINVAL

// The column as a number of at most `max`; *ok becomes false if it is none.
uint64_t delta_number(struct deltafile *, sqlite3_stmt *, int column, uint64_t max, bool *ok);
// As bytes, at least `min` and at most `max`. An empty blob has no address.
const void *delta_blob(struct deltafile *, sqlite3_stmt *, int column, size_t min, size_t max, size_t *n, bool *ok);
