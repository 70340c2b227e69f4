// The mount server's second fence, landlock(7), where the kernel has it: should the checks of the server be wrong, or a
// directory be moved out of the one that was given while somebody holds it, the kernel opens nothing outside.
#include "disk/landlock.h"
#include "disk/mountserver_ops.h"

enum {
    CHANGES = LANDLOCK_WRITE_FILE | LANDLOCK_REMOVE_DIR | LANDLOCK_REMOVE_FILE | LANDLOCK_MAKE_DIR | LANDLOCK_MAKE_REG |
              LANDLOCK_MAKE_SOCK | LANDLOCK_MAKE_FIFO | LANDLOCK_MAKE_SYM | LANDLOCK_REFER | LANDLOCK_TRUNCATE,
};

void mount_fence(const struct mount_server *m)
{
    struct landlock l;
    bool good = true;
    if (!landlock_open(&l, LANDLOCK_RENAMES_SINCE, LANDLOCK_ALL, LANDLOCK_BIND_TCP | LANDLOCK_CONNECT_TCP,
                       LANDLOCK_ABSTRACT_UNIX | LANDLOCK_SIGNALS))
        return;
    for (unsigned i = 0; i < m->ndirs && good; i++)
        good = landlock_allow(&l, m->dirs[i].fd, m->dirs[i].writable ? LANDLOCK_READS | CHANGES : LANDLOCK_READS);
    landlock_close(&l, good);
}
