// The code cache's file: translations of code that comes from files of an image, kept for later runs and other boxes.
//
// There is one file for each key (codecache_key: this build of belljar, the CPU, options that change what is emitted).
// It never changes once it has its name: whoever adds something writes another file and renames it over the old one,
// which boxes that run keep mapped. A box maps all of it before its jail closes: the code readable and executable at a
// fixed address, the rest readable; nothing of it writable. So opening costs a few system calls, whatever the size.
//
// Layout, everything aligned to STORE_PAGE, numbers little-endian as in memory:
//
//     0                    struct store_head, head.nshards x struct store_shard in the order of store_compare,
//                          head.nmemos x struct store_memo in the order of memcmp of their first 24 bytes
//     head.code_at         code, head.code_bytes
//     behind it            what the shards' sections name by file offset; holes where nothing is
//
// Where the writer puts them (cli/codecache_plan.c): code, then what boxes read, then the tables, each in blocks of 64
// KiB that begin where the table of targets has them; so the host maps much of the file at once
// (cli/codecache_pieces.h).
//
// Code ranges of two shards share no page, since each page is code of one shard only. Other sections may share bytes,
// even of two shards: nobody writes to them, so that can only be a waste. They never lie in the code or in the tables
// of the head.
//
// STORE_TABLE is shown in the table of targets as it is: an entry is an offset in the window, or head.top, which leads
// nowhere. What is jumped to is an entry and the next one. So no target has another one right behind it; behind one at
// the end of a page comes a page of the same shard that is no hole; none is at the end of the shard; and the shard's
// first page is no hole, for whoever has a target right before it. Where nothing of that is wanted a page of the table
// is a hole: zeros. A page that is none has no entry of 0, so its first entry tells.
//
// A shard is what is known of one mapping: pages [first, first + npages) of guest memory that show the file with this
// digest from its page `offset` on. Its code lies at `code` in the file's code, and runs at
// (head.top << 32) + STORE_WINDOW + code: what is kept of it depends on that, so it never moves while the file's `top`
// stays the same.
//
// The reader trusts nothing: the head, the shards and memos have a sum, checked when the file is opened with the bounds
// of every section; the sections of a shard have sums, which are checked when the shard is first used, unless the file
// has a stamp (cli/codecache.h). A wrong sum means that the shard, or the file, is not there.
#pragma once
#include "host/exec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORE_PAGE = 4096,
    STORE_VERSION = 1,
    STORE_WINDOW = 128 << 20, // from the start of the 4 GiB that belong to code: what is before is the box's own
    STORE_MAX_CODE = 1 << 30, // of the file
    STORE_MAX_SHARDS = 4095,  // slots are 1 .. STORE_MAX_SHARDS
    STORE_MAX_MEMOS = 1 << 16,
    STORE_MAX_SECTION = 1 << 30, // bytes of one section, but for the table, whose size follows from its pages
    STORE_TARGET = 4,            // bytes of table for each byte of guest memory
    STORE_TABLE_GUEST = STORE_PAGE / STORE_TARGET,      // bytes of guest memory that a page of table is for
    STORE_TABLE_PAGES = STORE_PAGE / STORE_TABLE_GUEST, // pages of table for a page of guest memory
    STORE_TOP_MIN =
        HOST_EXEC_TOP_MIN, // the upper half of the window's address: below what a kernel uses for itself, above
    STORE_TOP_MAX = HOST_EXEC_TOP_MAX, // where programs that are not position-independent lie
    STORE_DIGEST = 32,                 // SHA-256
};

enum store_section {
    STORE_CODE,
    STORE_TABLE,
    STORE_BLOCKS,
    STORE_EXITS,
    STORE_MAP,
    STORE_INDEX,
    STORE_HEADS,
    STORE_SECTIONS
};

#define STORE_MAGIC "belljarC"

struct store_head {
    char magic[8]; // STORE_MAGIC
    uint32_t version, top;
    uint8_t key[STORE_DIGEST];
    uint64_t generation; // random: which file this is
    uint64_t bytes;      // the whole file
    uint64_t code_at, code_bytes;
    uint32_t nshards, nmemos;
    uint64_t sum; // store_head_sum
};

struct store_range { // of the file; STORE_CODE: at is from head.code_at
    uint64_t at, bytes, sum;
};

struct store_shard {
    uint8_t digest[STORE_DIGEST]; // of the content of the whole file
    uint64_t offset;              // in pages
    uint32_t first, npages;
    uint32_t slot; // no two of a file have the same
    uint32_t used; // pages of STORE_TABLE that are no holes; their sum is the section's
    struct store_range section[STORE_SECTIONS];
};

// Which content a file of an image has: known since somebody has read it. `image` is a digest of what stat says of the
// image (device, inode, size, times), which whoever changes it cannot keep.
struct store_memo {
    uint8_t image[16];
    uint64_t inode;
    uint8_t digest[STORE_DIGEST];
};

struct store_target { // what the table is made from
    uint32_t pc;      // of the guest
    uint32_t code;    // from the start of the shard's code
};

// A shard on its way into the file: what translates ahead writes this, then the sections in their order, each filled up
// with zeros to 8 bytes. STORE_TABLE: struct store_target.
struct store_record {
    uint64_t inode;
    struct store_shard shard; // without `used` and what section[] says of places and sums
};

// An opened file: what is mapped of it, and where. The descriptor stays the caller's.
struct store {
    const struct store_head *head; // and the tables behind it
    const uint8_t *data;           // the whole file, readable
    uint64_t bytes;
    int fd;
    bool stamped; // sums have been checked since the host started
};

uint64_t store_sum(uint64_t seed, const void *, size_t n); // fast; against accidents, not against people
uint64_t store_head_sum(const struct store_head *);        // what head.sum should be; the tables are behind it
// The sum of a section is store_sum(section, ...), but a table's: that begins with store_sum(STORE_TABLE, NULL, 0), and
// goes from page to page that is no hole, in order; a hole has to be all zeros. `page` counts from the shard's first.
uint64_t store_table_step(uint64_t sum, uint32_t page, const void *);
static inline bool store_is_hole(const void *page)
{
    return *(const uint32_t *)page == 0;
}

// Is this the head of a whole file for this key, with tables and sections that lie where they may? Nothing of it is
// used otherwise. `bytes` of data are readable.
bool store_check(const uint8_t *data, uint64_t bytes, const uint8_t key[STORE_DIGEST], const char **why);

const struct store_shard *store_shards(const struct store *);
const struct store_memo *store_memos(const struct store *);
int store_compare(const struct store_shard *, const struct store_shard *); // by digest, offset, first, npages
const struct store_shard *store_find(const struct store *, const struct store_shard *like); // NULL: none
const uint8_t *store_digest(const struct store *, const uint8_t image[16], uint64_t inode); // NULL: not known
// Where a section is. NULL: its sum is wrong (not asked when the file is stamped). Sections are as large as their
// elements say, and no more is known of them: whoever reads checks each number.
const void *store_section(const struct store *, const struct store_shard *, enum store_section);
// The same, with the sum always asked.
const void *store_section_checked(const struct store *, const struct store_shard *, enum store_section);
