// --delta: the process that keeps what the box writes (disk/deltaserver.h), and what it takes to start it: which image
// the delta belongs to.
//
//     deltakeep_start(&k, line, image, &disk) ... deltakeep_lent(&k) ... deltakeep_end(&k)
#pragma once
#include "cli/imageserver.h"
#include "cli/options.h"
#include "disk/deltaserver.h"

struct deltakeep {
    struct server server; // none without --delta
    struct deltaserver options;
    const struct command_line *line;
    int image;                    // a local one, open
    const struct disk_head *head; // or what is known of another
    int pipe;                     // from it
    bool ended;                   // as it should have, and said
    struct deltaserver_end end;
};

// 0, or an exit status when the message is out. The image is a descriptor, or -1 and the disk server's; the memory is
// the box's (belljar_memory_file) and stays the caller's.
int deltakeep_start(struct deltakeep *, const struct command_line *, int image, const struct imageserver *, int memory);
void deltakeep_lent(struct deltakeep *); // the worker has been forked: what only it needs is closed
void deltakeep_end(
    struct deltakeep *); // the worker is gone: waits until the file is closed, says what could not be read
void deltakeep_report(const struct deltakeep *,
                      FILE *); // after that: as a member of a JSON object, if there is a delta
