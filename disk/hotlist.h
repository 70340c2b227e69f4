// A hot list: which parts of a plain image programs need when they start, in the order in which they need them. It
// lies beside the image, as IMAGE.hot, and is fetched first. (Packed images have theirs with the chunks in it:
// manifest.h.)
//
// The file is text: the line "belljar hot list 2", then lines "FIRST COUNT": parts of 16 KiB, from 0 on. (Those of "hot
// list 1" are chunks of 64 KiB.)
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { HOTLIST_RANGES = 1 << 14, HOTLIST_BYTES = 1 << 19, HOTLIST_WHY = 128, HOTLIST_PART = 16384 };

struct hotlist_range {
    uint32_t first, count;
};
struct hotlist {
    struct hotlist_range *range;
    uint32_t n;
};

// `parts`: of the image; what reaches beyond it makes the list wrong. 0, or -1 with a line. Free it also after that.
int hotlist_parse(struct hotlist *, const char *text, size_t n, uint32_t parts, char why[HOTLIST_WHY]);
void hotlist_free(struct hotlist *);
// Parts one by one, in order of need: neighbours become one range, a part that is there already is not added. 0, -1:
// no memory or no room.
int hotlist_add(struct hotlist *, uint32_t part);
int hotlist_write(const struct hotlist *, FILE *); // 0, -1 with errno
