// What the differential test has run of each row so far, over all campaigns: tests/insn/tally.txt, kept in the tree and
// shown in docs/instructions.md. Lines `ROW CASES LAST`: random cases compared with a host CPU, and the day of the last
// run that found a difference, or `-`. Lines that begin with # tell of the runs: options, processor, time.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tally_row {
    char id[48], last[16];
    uint64_t cases;
};

struct tally {
    struct tally_row *row;
    int count;
    char **note;
    int notes;
};

struct tally
tally_read(const char *path); // a file that is not there is empty; exits with a message when it is malformed
int tally_write(const struct tally *, const char *path);                  // 0, or -1 with a message
const struct tally_row *tally_find(const struct tally *, const char *id); // NULL: none
void tally_add(struct tally *, const char *id, uint64_t cases, bool differed);
void tally_note(struct tally *, const char *line); // without # and line end
void tally_free(struct tally *);
