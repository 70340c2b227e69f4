// Opening a delta file, its tables, transactions. See deltafile.h.
//
// The journal is SQLite's rollback journal, not the write-ahead log: what is new (mostly pages) is written once, and
// the delta is one file whenever no box runs. A commit of few rows takes four fdatasync instead of one.
//
// The file may have been made by somebody else to do harm: its tables must be the statements below, letter by letter
// (no triggers, views, indexes, generated columns), SQLite checks the cells of what it reads, no step may take long,
// and keys must ascend as they are read, so that a tree that leads into itself has an end.
#include "disk/deltafile_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    APPLICATION = 0x624a6465, // "bJde", in the file's header (sqlite.org/fileformat2.html, "Application ID")
    FORMAT = 2,
    STEP_OPCODES = 100000,
    STEP_PATIENCE = 1000, // times STEP_OPCODES: seconds. Removing a file of 64 GiB takes a tenth of that
    LENGTH_LIMIT = 1 << 18,
};

static const char *const tables[] = {
    "CREATE TABLE meta(id INTEGER PRIMARY KEY, image_bytes INTEGER NOT NULL, image_digest BLOB NOT NULL, "
    "image_inodes INTEGER NOT NULL, next_ino INTEGER NOT NULL) STRICT",
    "CREATE TABLE inode(ino INTEGER PRIMARY KEY, mode INTEGER NOT NULL, nlink INTEGER NOT NULL, uid INTEGER NOT NULL, "
    "gid INTEGER NOT NULL, rdev INTEGER NOT NULL, size INTEGER NOT NULL, flags INTEGER NOT NULL, "
    "image_pages INTEGER NOT NULL, atime INTEGER NOT NULL, atime_ns INTEGER NOT NULL, mtime INTEGER NOT NULL, "
    "mtime_ns INTEGER NOT NULL, ctime INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, btime INTEGER NOT NULL, "
    "btime_ns INTEGER NOT NULL, target BLOB) STRICT",
    "CREATE TABLE name(dir INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL, type INTEGER NOT NULL, "
    "PRIMARY KEY(dir, name)) STRICT, WITHOUT ROWID",
    "CREATE TABLE xattr(ino INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY(ino, name)) STRICT, WITHOUT ROWID",
    "CREATE TABLE page(id INTEGER PRIMARY KEY, data INTEGER NOT NULL, hole INTEGER NOT NULL, sum INTEGER NOT NULL, "
    "bytes BLOB NOT NULL) "
    "STRICT",
};
enum { TABLES = sizeof tables / sizeof *tables };

// ---------------------------------------------------------------- what fails

static int problem(struct deltafile *d, int err, const char *what, const char *detail)
{
    snprintf(d->problem, sizeof d->problem, "%.300s: %s%s", d->path, what, detail);
    return err;
}

int delta_damaged(struct deltafile *d, const char *what)
{
    return problem(d, -EIO, "the delta is damaged: ", what);
}

int delta_refused(struct deltafile *d, const char *what)
{
    return problem(d, -EINVAL, "not to be kept in a delta: ", what);
}

static int system_failure(struct deltafile *d, const char *what)
{
    int err = d->db ? d->lib.system_errno(d->db) : errno;
    return problem(d, err > 0 ? -err : -EIO, what, err > 0 ? strerror(err) : "input/output error");
}

int delta_failed(struct deltafile *d, int rc)
{
    if (rc == SQLITE_READONLY_ROLLBACK)
        return problem(d, -EROFS, "a box was killed while it wrote: opening the delta needs the right to write to it",
                       "");
    switch (rc & 0xff) { // the rest is detail
    case SQLITE_NOMEM:
        return problem(d, -ENOMEM, "out of memory", "");
    case SQLITE_FULL:
        return problem(d, -ENOSPC, "no room for the delta: the disk is full, or its limit is reached", "");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return problem(d, -EBUSY, "the delta is in use by another box", "");
    case SQLITE_READONLY:
        return problem(d, -EROFS, "the delta cannot be written to", "");
    case SQLITE_CANTOPEN:
        return system_failure(d, "cannot open it: ");
    case SQLITE_IOERR:
        return system_failure(d, "");
    case SQLITE_NOTADB:
        return problem(d, -EINVAL, "it is no delta file", "");
    case SQLITE_INTERRUPT:
        return delta_damaged(d, "reading it takes too long");
    case SQLITE_TOOBIG:
        return delta_damaged(d, "a value is too long");
    default:
        return delta_damaged(d, "SQLite finds its structure wrong");
    }
}

// ---------------------------------------------------------------- statements

sqlite3_stmt *delta_statement(struct deltafile *d, enum delta_statement which)
{
#define DELTA_STATEMENT_TEXT(NAME, TEXT) TEXT,
    static const char *const text[] = {DELTA_STATEMENTS(DELTA_STATEMENT_TEXT)};
#undef DELTA_STATEMENT_TEXT
    sqlite3_stmt **s = &d->statement[which];
    if (!*s && d->lib.prepare_v2(d->db, text[which], -1, s, NULL) != SQLITE_OK) return NULL;
    d->lib.reset(*s);
    return *s;
}

static int still_patient(void *ctx)
{
    struct deltafile *d = ctx;
    return d->patience == 0 || --d->patience == 0; // other than 0: SQLITE_INTERRUPT
}

int delta_step(struct deltafile *d, sqlite3_stmt *s)
{
    if (!s) return delta_failed(d, d->lib.extended_errcode(d->db));
    d->patience = STEP_PATIENCE;
    int rc = d->lib.step(s);
    if (rc == SQLITE_ROW) return 1;
    if (rc == SQLITE_DONE) {
        d->lib.reset(s);
        return 0;
    }
    int err = delta_failed(d, d->lib.extended_errcode(d->db));
    d->lib.reset(s);
    return err;
}

int delta_run(struct deltafile *d, sqlite3_stmt *s)
{
    int got = delta_step(d, s);
    if (got > 0) d->lib.reset(s);
    return got < 0 ? got : 0;
}

uint64_t delta_number(struct deltafile *d, sqlite3_stmt *s, int column, uint64_t max, bool *ok)
{
    int64_t value = d->lib.column_int64(s, column);
    if (d->lib.column_type(s, column) == SQLITE_INTEGER && value >= 0 && (uint64_t)value <= max) return (uint64_t)value;
    *ok = false;
    return 0;
}

const void *delta_blob(struct deltafile *d, sqlite3_stmt *s, int column, size_t min, size_t max, size_t *n, bool *ok)
{
    const void *at = d->lib.column_blob(s, column); // before column_bytes: sqlite.org/c3ref/column_blob.html
    int bytes = d->lib.column_bytes(s, column);
    *n = 0;
    if (d->lib.column_type(s, column) != SQLITE_BLOB || bytes < 0 || (size_t)bytes < min || (size_t)bytes > max ||
        (bytes > 0 && !at)) {
        *ok = false;
        return NULL;
    }
    *n = (size_t)bytes;
    return at;
}

// Statements that are used once. A pragma may give rows, which say nothing.
static int execute(struct deltafile *d, const char *text)
{
    d->patience = STEP_PATIENCE;
    return d->lib.exec(d->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                   : delta_failed(d, d->lib.extended_errcode(d->db));
}

static int prepare(struct deltafile *d, const char *text, sqlite3_stmt **s)
{
    *s = NULL;
    if (d->lib.prepare_v2(d->db, text, -1, s, NULL) == SQLITE_OK) return 0;
    return delta_failed(d, d->lib.extended_errcode(d->db));
}

// What a pragma gives in its only column: 0 and *value, -errno.
static int pragma_number(struct deltafile *d, const char *text, int64_t *value)
{
    sqlite3_stmt *s;
    int err = prepare(d, text, &s);
    if (err) return err;
    int got = delta_step(d, s);
    *value = got > 0 ? d->lib.column_int64(s, 0) : 0;
    d->lib.finalize(s);
    return got < 0 ? got : 0;
}

// Is the only column of the only row this word?
static int pragma_is(struct deltafile *d, const char *text, const char *word, bool *is)
{
    sqlite3_stmt *s;
    int err = prepare(d, text, &s);
    if (err) return err;
    int got = delta_step(d, s);
    const void *at = got > 0 ? d->lib.column_blob(s, 0) : NULL;
    *is = at && (size_t)d->lib.column_bytes(s, 0) == strlen(word) && !memcmp(at, word, strlen(word));
    d->lib.finalize(s);
    return got < 0 ? got : 0;
}

// ---------------------------------------------------------------- transactions

int deltafile_begin(struct deltafile *d)
{
    return delta_run(d, delta_statement(d, DELTA_SQL_BEGIN));
}

int deltafile_commit(struct deltafile *d)
{
    int err = delta_run(d, delta_statement(d, DELTA_SQL_COMMIT));
    if (err) deltafile_rollback(d);
    return err;
}

// Whatever failed stays the problem.
void deltafile_rollback(struct deltafile *d)
{
    char was[DELTA_WHY];
    memcpy(was, d->problem, sizeof was);
    if (!d->lib.get_autocommit(d->db)) delta_run(d, delta_statement(d, DELTA_SQL_ROLLBACK));
    memcpy(d->problem, was, sizeof was);
}

// ---------------------------------------------------------------- opening

// A journal may name another file, which SQLite removes once the journal was played back (sqlite.org/atomiccommit.html,
// "The Super-Journal File"). Ours never do.
static int check_journal(struct deltafile *d)
{
    static const uint8_t magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    char name[sizeof d->path + 16];
    uint8_t end[8];
    struct stat st;
    snprintf(name, sizeof name, "%s-journal", d->path);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno == ENOENT ? 0 : problem(d, -errno, "cannot read its journal: ", strerror(errno));
    bool bad = fstat(fd, &st) || !S_ISREG(st.st_mode) ||
               (st.st_size >= 8 && pread(fd, end, sizeof end, st.st_size - 8) == 8 && !memcmp(end, magic, sizeof end));
    close(fd);
    return bad ? problem(d, -EINVAL, "the file beside it whose name ends in -journal is not belljar's", "") : 0;
}

static int check_file(struct deltafile *d, enum delta_mode mode)
{
    struct stat st;
    if (stat(d->path, &st)) {
        if (errno == ENOENT && mode == DELTA_WRITE) return 0;
        return problem(d, -errno, "", strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) return problem(d, -EINVAL, "it is no file", "");
    if (st.st_size == 0 && mode == DELTA_READ) return problem(d, -EINVAL, "it is no delta file", "");
    return 0;
}

static int open_database(struct deltafile *d, enum delta_mode mode)
{
    // To be written to also for reading, where that can be: a box that was killed may have left something to roll back.
    int flags = SQLITE_OPEN_READWRITE | (mode == DELTA_WRITE ? SQLITE_OPEN_CREATE : 0);
    int rc = d->lib.open_v2(d->path, &d->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (rc != SQLITE_OK) return delta_failed(d, rc);
    static const int off[] = {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
                              SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) d->lib.db_config(d->db, off[i], 0, NULL);
    d->lib.db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    d->lib.limit(d->db, SQLITE_LIMIT_LENGTH, LENGTH_LIMIT);
    d->lib.limit(d->db, SQLITE_LIMIT_ATTACHED, 0);
    d->lib.progress_handler(d->db, STEP_OPCODES, still_patient, d);
    // page_size is for a new file. The locks stay from the first transaction on.
    int err = execute(d, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; "
                         "PRAGMA page_size=32768; PRAGMA cache_size=-4096");
    if (!err && mode == DELTA_READ) err = execute(d, "PRAGMA query_only=ON");
    if (!err && mode == DELTA_WRITE)
        err = execute(d, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=1048576");
    return err;
}

static int make_tables(struct deltafile *d, const struct delta_base *base)
{
    char text[160];
    int err = 0;
    for (int i = 0; i < TABLES && !err; i++) err = execute(d, tables[i]);
    snprintf(text, sizeof text, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION, FORMAT);
    if (!err) err = execute(d, text);
    sqlite3_stmt *s;
    if (!err) err = prepare(d, "INSERT INTO meta VALUES(1,?1,?2,?3,?4)", &s);
    if (err) return err;
    d->lib.bind_int64(s, 1, (int64_t)base->bytes);
    d->lib.bind_blob(s, 2, base->digest, DELTA_DIGEST, SQLITE_STATIC);
    d->lib.bind_int64(s, 3, base->inodes);
    d->lib.bind_int64(s, 4, (int64_t)base->inodes + 1);
    err = delta_run(d, s);
    d->lib.finalize(s);
    return err;
}

static int check_identity(struct deltafile *d)
{
    int64_t application, format;
    bool is_delete;
    int err = pragma_number(d, "PRAGMA application_id", &application);
    if (!err) err = pragma_number(d, "PRAGMA user_version", &format);
    if (err) return err;
    if (application != APPLICATION) return problem(d, -EINVAL, "it is no delta file", "");
    if (format != FORMAT) return problem(d, -EINVAL, "the delta is of another version of belljar", "");
    // A file that wants a write-ahead log says so in its header.
    err = pragma_is(d, "PRAGMA journal_mode", "delete", &is_delete);
    return err ? err : is_delete ? 0 : delta_damaged(d, "it was made to keep a write-ahead log");
}

static bool is_table(struct deltafile *d, sqlite3_stmt *s, unsigned *seen)
{
    const char *text = d->lib.column_blob(s, 0);
    int n = d->lib.column_bytes(s, 0);
    for (unsigned i = 0; text && i < TABLES; i++)
        if ((size_t)n == strlen(tables[i]) && !memcmp(text, tables[i], (size_t)n)) {
            bool first = !(*seen & 1u << i);
            *seen |= 1u << i;
            return first;
        }
    return false;
}

static int check_tables(struct deltafile *d)
{
    sqlite3_stmt *s;
    unsigned seen = 0;
    int got, err = prepare(d, "SELECT sql FROM sqlite_schema", &s);
    if (err) return err;
    while ((got = delta_step(d, s)) > 0 && is_table(d, s, &seen)) {
    }
    d->lib.finalize(s);
    if (got < 0) return got;
    return got == 0 && seen == (1u << TABLES) - 1 ? 0 : delta_damaged(d, "its tables are not those of a delta");
}

static int load_base(struct deltafile *d)
{
    sqlite3_stmt *s;
    size_t n;
    bool ok = true;
    int err = prepare(d, "SELECT image_bytes, image_digest, image_inodes FROM meta WHERE id=1", &s);
    if (err) return err;
    int got = delta_step(d, s);
    if (got > 0) {
        d->base.bytes = delta_number(d, s, 0, INT64_MAX, &ok);
        const void *digest = delta_blob(d, s, 1, DELTA_DIGEST, DELTA_DIGEST, &n, &ok);
        d->base.inodes = (uint32_t)delta_number(d, s, 2, UINT32_MAX, &ok);
        if (ok) memcpy(d->base.digest, digest, DELTA_DIGEST);
    }
    d->lib.finalize(s);
    if (got < 0) return got;
    return got && ok ? 0 : delta_damaged(d, "it does not name its image");
}

static void hex(const uint8_t digest[DELTA_DIGEST], char text[17])
{
    for (int i = 0; i < 8; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static int check_base(struct deltafile *d, const struct delta_base *base)
{
    char ours[17], theirs[17];
    if (!base) return 0;
    if (base->bytes == d->base.bytes && !memcmp(base->digest, d->base.digest, DELTA_DIGEST))
        return base->inodes == d->base.inodes ? 0 : delta_damaged(d, "its image has another number of inodes");
    hex(base->digest, ours);
    hex(d->base.digest, theirs);
    snprintf(
        d->problem, sizeof d->problem,
        "%.300s: the delta belongs to another image: it was made on one of %llu bytes (digest %s...), this one has "
        "%llu (digest %s...)",
        d->path, (unsigned long long)d->base.bytes, theirs, (unsigned long long)base->bytes, ours);
    return -EINVAL;
}

// In one transaction, so that of two that make it at once one is refused. A file cut off while it was made is empty.
static int take(struct deltafile *d, enum delta_mode mode, const struct delta_base *base)
{
    int64_t version = 0; // of the schema. 0: there has been none, and no data
    int err = execute(d, mode == DELTA_WRITE ? "BEGIN EXCLUSIVE" : "BEGIN");
    if (!err) err = pragma_number(d, "PRAGMA schema_version", &version);
    if (!err && version == 0 && mode == DELTA_WRITE) err = make_tables(d, base);
    if (!err) err = check_identity(d);
    if (!err) err = check_tables(d);
    if (!err) err = load_base(d);
    if (!err) err = check_base(d, base);
    if (!err) return execute(d, "COMMIT");
    deltafile_rollback(d);
    return err;
}

// A path that SQLite takes as it is: not a name of its own (":memory:", "file:...").
static int set_path(struct deltafile *d, const char *path)
{
    int n = snprintf(d->path, sizeof d->path, "%s%s", path[0] == '/' ? "" : "./", path);
    return n > 0 && (size_t)n < sizeof d->path - 16 ? 0 : problem(d, -ENAMETOOLONG, "", strerror(ENAMETOOLONG));
}

int deltafile_open(struct deltafile **out, const char *path, enum delta_mode mode, const struct delta_base *base,
                   char why[DELTA_WHY])
{
    struct deltafile *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d || (mode == DELTA_WRITE && !base)) {
        snprintf(why, DELTA_WHY, "%s", d ? "a delta needs an image" : "out of memory");
        free(d);
        return d ? -EINVAL : -ENOMEM;
    }
    int err = set_path(d, path);
    if (!err) err = check_file(d, mode);
    if (!err) err = check_journal(d);
    if (!err && sqlite_load(&d->lib, d->problem, sizeof d->problem)) err = -ENOSYS;
    if (!err) err = open_database(d, mode);
    if (!err) err = take(d, mode, base);
    if (!err) {
        *out = d;
        return 0;
    }
    snprintf(why, DELTA_WHY, "%s", d->problem);
    deltafile_close(d);
    return err;
}

void deltafile_close(struct deltafile *d)
{
    if (!d) return;
    for (int i = 0; i < DELTA_STATEMENT_COUNT; i++)
        if (d->statement[i]) d->lib.finalize(d->statement[i]);
    if (d->db) d->lib.close(d->db);
    sqlite_unload(&d->lib);
    free(d);
}

const char *deltafile_problem(const struct deltafile *d)
{
    return d->problem;
}

const struct delta_base *deltafile_base(const struct deltafile *d)
{
    return &d->base;
}

// ---------------------------------------------------------------- the file as a whole

int deltafile_set_limit(struct deltafile *d, uint64_t bytes)
{
    char text[80];
    int64_t page_size;
    int err = pragma_number(d, "PRAGMA page_size", &page_size);
    if (err) return err;
    uint64_t pages = bytes / (uint64_t)page_size;
    snprintf(text, sizeof text, "PRAGMA max_page_count=%u",
             pages > INT32_MAX ? INT32_MAX
             : pages           ? (unsigned)pages
                               : 1);
    return execute(d, text);
}

int64_t deltafile_bytes(struct deltafile *d)
{
    int64_t page_size, pages;
    int err = pragma_number(d, "PRAGMA page_size", &page_size);
    if (!err) err = pragma_number(d, "PRAGMA page_count", &pages);
    return err ? err : page_size * pages;
}

int64_t deltafile_used(struct deltafile *d)
{
    int64_t page_size, pages, unused;
    int err = pragma_number(d, "PRAGMA page_size", &page_size);
    if (!err) err = pragma_number(d, "PRAGMA page_count", &pages);
    if (!err) err = pragma_number(d, "PRAGMA freelist_count", &unused);
    return err ? err : page_size * (unused <= pages ? pages - unused : 0);
}

static int check_inode(void *ctx, const struct delta_inode *i)
{
    (void)ctx, (void)i;
    return 0;
}
static int check_name(void *ctx, const struct delta_name *n)
{
    (void)ctx, (void)n;
    return 0;
}

int deltafile_check(struct deltafile *d)
{
    bool whole = false;
    int err = pragma_is(d, "PRAGMA quick_check(1)", "ok", &whole);
    if (!err && !whole) err = delta_damaged(d, "SQLite finds its structure wrong");
    if (!err) err = deltafile_inodes(d, 0, check_inode, NULL);
    if (!err) err = deltafile_names(d, 0, NULL, 0, check_name, NULL);
    return err;
}
