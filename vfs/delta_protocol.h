// What a worker and its delta server (disk/deltaserver.c) say to each other, in packets over their link. Each packet is
// a head and then records, one behind the other; what they mean is what disk/deltafile.h says of the delta.
//
//   worker                                  server
//   DELTALINK_OPEN, at: the image's inodes  a record FACTS, then NUMBER of each inode of the image that is there
//   DELTALINK_INODE ino                     INODE, its XATTRs, its CHUNKs (without bytes). Not there: nothing
//   DELTALINK_NAMES ino                     the NAMEs of a directory
//   DELTALINK_CHUNK ino, at: the chunk      CHUNK, with its bytes. Not there: nothing
//   DELTALINK_CHANGES                       -
//   DELTALINK_SAVE, at: next inode number   FACTS, when all changes so far are durable
//
// Changes are INODE, GONE, NAME, NO_XATTRS, XATTR, CHUNK, FRAMES and CUT, applied in their order; nothing of them
// counts before the next save has succeeded. One that cannot be applied makes that save fail, and all later ones: what
// is in the file is what was saved last. An answer comes in as many packets as it takes; the last one has `more` 0, and
// with err != 0 a TEXT that says why.
#pragma once
#include <stdint.h>

enum {
    DELTALINK_PACKET = 65536 + 512, // host/link.h
    DELTALINK_PAGES = 16,           // of a chunk
    DELTALINK_NAME_MAX = 255,
    DELTALINK_TARGET_MAX = 4095,
    DELTALINK_XATTR_MAX = 65536, // bytes of a value: with its name it fits in a packet
    DELTALINK_WHY = 512,
};

enum deltalink_op {
    DELTALINK_OPEN = 1,
    DELTALINK_INODE,
    DELTALINK_NAMES,
    DELTALINK_CHUNK,
    DELTALINK_CHANGES,
    DELTALINK_SAVE,
};
struct deltalink_head {
    uint32_t op; // an answer's: the question's
    int32_t err; // 0 or -errno, in the last packet of an answer
    uint32_t more, unused;
    uint64_t ino, at;
};

enum deltalink_kind {
    DELTALINK_R_FACTS = 1,
    DELTALINK_R_NUMBER,
    DELTALINK_R_TEXT,
    DELTALINK_R_INODE,
    DELTALINK_R_GONE,
    DELTALINK_R_NAME,
    DELTALINK_R_NO_XATTRS,
    DELTALINK_R_XATTR,
    DELTALINK_R_CHUNK,
    DELTALINK_R_CUT,
    DELTALINK_R_FRAMES,
};
struct deltalink_record {
    uint32_t kind;
    uint32_t bytes; // of all of it, a multiple of 8
    uint64_t ino;   // NAME: of the directory
};

struct deltalink_facts {
    struct deltalink_record r;
    uint64_t used, limit; // bytes of the file that hold something; that it may have
    uint64_t next_ino;
    uint32_t frames, unused; // frames 1: the server reads the box's memory, so that FRAMES may take the place of CHUNK
};
struct deltalink_text {
    struct deltalink_record r;
    char text[DELTALINK_WHY]; // ends with a 0
};
struct deltalink_time {
    int64_t sec;
    uint64_t nsec;
};
enum { DELTALINK_XATTRS = 1 }; // all extended attributes are in the delta
struct deltalink_inode {
    struct deltalink_record r;
    uint64_t size;
    uint32_t mode, nlink, uid, gid, rdev, flags, image_pages, target_len;
    struct deltalink_time atime, mtime, ctime, btime;
    char target[]; // of a symlink, target_len bytes
};
enum { DELTALINK_HIDES = 1 }; // with child 0: the image has the name, so that it has to be hidden
struct deltalink_name {
    struct deltalink_record r;
    uint64_t child; // 0: the name is gone
    uint32_t dt;
    uint16_t len, flags;
    char name[];
};
struct deltalink_xattr {
    struct deltalink_record r;
    uint32_t name_len, value_len;
    char text[]; // the name, the value
};
struct deltalink_chunk {
    struct deltalink_record r;
    uint32_t index; // of the chunk
    uint16_t data, hole;
    uint8_t bytes[]; // 4096 for each bit of data, if there are any
};
// A chunk whose pages the server finds in the box's memory. It reads them when it comes to that, at the latest before
// the next save is durable; so a page may have changed by then, or its frame have gone: the box says so afterwards, as
// of any change.
struct deltalink_frames {
    struct deltalink_record r;
    uint32_t index;
    uint16_t data, hole;
    uint32_t frame[DELTALINK_PAGES]; // numbers (host/ram.h), one for each bit of data
};
struct deltalink_cut {
    struct deltalink_record r;
    uint64_t first; // page: from here on the delta has nothing to say
};
