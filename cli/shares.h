// --mount: opens the directories, starts their server (disk/mountserver.h), and says to the box where they go.
#pragma once
#include "cli/options.h"
#include "disk/server.h"

struct shares {
    struct server server;                    // none without --mount
    struct belljar_mount mounts[SHARED_MAX]; // l->box.mounts
};

int shares_start(struct shares *, struct command_line *); // 0, or an exit status when the message is out
void shares_linked(struct shares *, int link);            // the descriptor of the link is another one now
