// See shares.h.
#include "cli/shares.h"
#include "disk/mountserver.h"
#include <errno.h>
#include <string.h>

_Static_assert((int)SHARED_MAX <= (int)MOUNT_MAX, "");

static int start_server(struct shares *s, struct mount_server *m)
{
    int keep[MOUNT_MAX];
    for (unsigned i = 0; i < m->ndirs; i++) keep[i] = m->dirs[i].fd;
    if (!server_start(&s->server, mount_server_run, m, keep, m->ndirs)) return 0;
    return fail(STATUS_FAILED, "--mount: cannot start the server: %s", strerror(errno));
}

int shares_start(struct shares *s, struct command_line *l)
{
    struct mount_server m = {.ndirs = 0};
    char why[512];
    int err = 0;
    if (!l->nshared) return 0;
    for (unsigned i = 0; i < l->nshared && !err; i++) {
        const struct shared *d = &l->shared[i];
        s->mounts[i] = (struct belljar_mount){.place = d->guest, .index = i, .writable = d->writable};
        if (mount_server_add(&m, d->host, d->writable, why, sizeof why)) err = fail(STATUS_FAILED, "--mount: %s", why);
    }
    if (!err) err = start_server(s, &m);
    mount_server_close(&m);
    if (err) return err;
    l->box.mounts = s->mounts;
    l->box.nmounts = l->nshared;
    shares_linked(s, s->server.link);
    return 0;
}

void shares_linked(struct shares *s, int link)
{
    for (unsigned i = 0; i < SHARED_MAX; i++) s->mounts[i].link = link;
}
