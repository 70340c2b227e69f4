// See capstone.h.
#include "host/capstone.h"
#include <dlfcn.h>
#include <stddef.h>

#define TEXT_OF(number) #number
#define FILE_OF(number) "libcapstone.so." TEXT_OF(number)
// The version whose headers this was compiled with; its soname, by which the dynamic linker finds it again without a
// look at the file system.
static const char file[] = FILE_OF(CS_API_MAJOR);

int host_capstone_load(void)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) return -1;
    dlclose(library); // NODELETE: it stays
    return 0;
}

int host_capstone_open(struct host_capstone *c)
{
    c->library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!c->library) return -1;
    c->open = (__typeof__(c->open))dlsym(c->library, "cs_open");
    c->close = (__typeof__(c->close))dlsym(c->library, "cs_close");
    c->disasm = (__typeof__(c->disasm))dlsym(c->library, "cs_disasm");
    c->free = (__typeof__(c->free))dlsym(c->library, "cs_free");
    if (c->open && c->close && c->disasm && c->free) return 0;
    host_capstone_close(c);
    return -1;
}

void host_capstone_close(struct host_capstone *c)
{
    dlclose(c->library);
    c->library = NULL;
}
