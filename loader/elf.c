// ELF headers to a load plan: see elf.h.
#include "loader/elf.h"
#include <elf.h>
#include <libelf.h>
#include <string.h>

enum { PAGE = LX_PAGE_SIZE, MAX_PHDR_BYTES = 65536 / 8 };
#define GUEST_TOP 0x100000000ull

static int refuse(const char **why, const char *text, int err)
{
    if (why) *why = text;
    return -err;
}

// Read exactly n bytes; a short file is no ELF file.
static int read_exact(elf_read_fn *read, void *file, uint64_t offset, void *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        int64_t got = read(file, offset + done, (char *)to + done, n - done);
        if (got < 0) return (int)got;
        if (got == 0) return -LX_ENOEXEC;
        done += (size_t)got;
    }
    return 0;
}

// File bytes to host structs, in place of the file's byte order (libelf).
static void to_host(void *to, const void *from, size_t n, Elf_Type type)
{
    elf_version(EV_CURRENT);
    Elf_Data src = {.d_buf = (void *)from, .d_type = type, .d_version = EV_CURRENT, .d_size = n};
    Elf_Data dst = {.d_buf = to, .d_type = type, .d_version = EV_CURRENT, .d_size = n};
    elf64_xlatetom(&dst, &src, ELFDATA2LSB);
}

static int check_ident(const unsigned char *ident, const char **why)
{
    if (memcmp(ident, ELFMAG, SELFMAG)) return refuse(why, "is not an ELF file or a script", LX_ENOEXEC);
    if (ident[EI_CLASS] == ELFCLASS32)
        return refuse(why, "is a 32-bit program; belljar runs 64-bit x86-64 programs", LX_ENOEXEC);
    if (ident[EI_CLASS] != ELFCLASS64) return refuse(why, "has a broken ELF header (class)", LX_ENOEXEC);
    if (ident[EI_DATA] != ELFDATA2LSB)
        return refuse(why, "is a big-endian program; belljar runs x86-64 programs", LX_ENOEXEC);
    return 0;
}

static int check_header(const Elf64_Ehdr *e, const char **why)
{
    if (e->e_machine != EM_X86_64)
        return refuse(why, "is for another machine; belljar runs x86-64 programs", LX_ENOEXEC);
    if (e->e_type != ET_EXEC && e->e_type != ET_DYN)
        return refuse(why, "is an ELF file, but not a program", LX_ENOEXEC);
    if (e->e_phentsize != sizeof(Elf64_Phdr))
        return refuse(why, "has a broken ELF header (program header size)", LX_ENOEXEC);
    if (e->e_phnum < 1 || e->e_phnum > MAX_PHDR_BYTES / sizeof(Elf64_Phdr))
        return refuse(why, "has a broken ELF header (program header count)", LX_ENOEXEC);
    return 0;
}

static int add_load(struct elf_plan *p, const Elf64_Phdr *h, uint64_t file_size, const char **why)
{
    if (h->p_memsz == 0) return 0;
    if (p->nsegments == ELF_MAX_SEGMENTS) return refuse(why, "has too many program headers", LX_ENOEXEC);
    if (h->p_filesz > h->p_memsz)
        return refuse(why, "has a segment whose file part is larger than its memory", LX_ENOEXEC);
    if (h->p_vaddr >= GUEST_TOP || h->p_memsz >= GUEST_TOP || h->p_vaddr + h->p_memsz > GUEST_TOP - PAGE)
        return refuse(why, "has a segment outside the 4 GiB of guest addresses", LX_ENOMEM);
    if (h->p_offset > file_size || h->p_filesz > file_size - h->p_offset)
        return refuse(why, "has a segment that points outside the file", LX_ENOEXEC);
    if ((h->p_vaddr ^ h->p_offset) & (PAGE - 1))
        return refuse(why, "has a segment whose address and file offset do not fit together", LX_ENOEXEC);
    struct elf_segment *s = &p->segment[p->nsegments];
    *s = (struct elf_segment){.vaddr = h->p_vaddr, .offset = h->p_offset, .filesz = h->p_filesz, .memsz = h->p_memsz};
    s->prot = (h->p_flags & PF_R ? LX_PROT_READ : 0) | (h->p_flags & PF_W ? LX_PROT_WRITE : 0) |
              (h->p_flags & PF_X ? LX_PROT_EXEC : 0);
    if (p->nsegments && h->p_vaddr < s[-1].vaddr + s[-1].memsz)
        return refuse(why, "has segments that overlap or are out of order", LX_ENOEXEC);
    uint64_t lo = h->p_vaddr & ~(uint64_t)(PAGE - 1), hi = (h->p_vaddr + h->p_memsz + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    if (!p->nsegments) p->lo = lo;
    p->hi = hi;
    if (h->p_align > p->align && !(h->p_align & (h->p_align - 1)) && h->p_align < GUEST_TOP) p->align = h->p_align;
    p->nsegments++;
    return 0;
}

static int read_interp(struct elf_plan *p, const Elf64_Phdr *h, elf_read_fn *read, void *file, const char **why)
{
    if (h->p_filesz < 2 || h->p_filesz > LX_PATH_MAX) return refuse(why, "has a broken interpreter name", LX_ENOEXEC);
    int err = read_exact(read, file, h->p_offset, p->interp, h->p_filesz);
    if (err) return err;
    if (p->interp[h->p_filesz - 1]) return refuse(why, "has a broken interpreter name", LX_ENOEXEC);
    return 0;
}

static void find_phdr(struct elf_plan *p, const Elf64_Ehdr *e)
{
    for (unsigned i = 0; i < p->nsegments; i++) {
        const struct elf_segment *s = &p->segment[i];
        if (e->e_phoff >= s->offset && e->e_phoff - s->offset < s->filesz) {
            p->phdr_vaddr = s->vaddr + (e->e_phoff - s->offset);
            return;
        }
    }
}

static int take_header(struct elf_plan *p, const Elf64_Phdr *h, elf_read_fn *read, void *file, uint64_t size,
                       const char **why)
{
    switch (h->p_type) {
    case PT_LOAD:
        return add_load(p, h, size, why);
    case PT_INTERP:
        return p->interp[0] ? 0 : read_interp(p, h, read, file, why); // Linux uses the first
    case PT_GNU_STACK:
        p->exec_stack = h->p_flags & PF_X;
        return 0;
    default:
        return 0;
    }
}

int elf_read_plan(struct elf_plan *p, elf_read_fn *read, void *file, uint64_t file_size, const char **why)
{
    unsigned char raw[MAX_PHDR_BYTES];
    Elf64_Ehdr e;
    memset(p, 0, sizeof *p);
    p->align = PAGE;
    int err = read_exact(read, file, 0, raw, EI_NIDENT);
    if (err == -LX_ENOEXEC) return refuse(why, "is not an ELF file or a script", LX_ENOEXEC);
    if (err || (err = check_ident(raw, why))) return err;
    if ((err = read_exact(read, file, 0, raw, sizeof e)) == -LX_ENOEXEC)
        return refuse(why, "is a truncated ELF file", LX_ENOEXEC);
    if (err) return err;
    to_host(&e, raw, sizeof e, ELF_T_EHDR);
    if ((err = check_header(&e, why))) return err;
    p->dyn = e.e_type == ET_DYN;
    p->entry = e.e_entry;
    p->phnum = e.e_phnum;
    p->phentsize = e.e_phentsize;
    size_t bytes = (size_t)e.e_phnum * sizeof(Elf64_Phdr);
    if (e.e_phoff > file_size || bytes > file_size - e.e_phoff)
        return refuse(why, "has program headers that point outside the file", LX_ENOEXEC);
    if ((err = read_exact(read, file, e.e_phoff, raw, bytes))) return err;
    for (unsigned i = 0; i < e.e_phnum && !err; i++) {
        Elf64_Phdr h;
        to_host(&h, raw + i * sizeof h, sizeof h, ELF_T_PHDR);
        err = take_header(p, &h, read, file, file_size, why);
    }
    if (err) return err;
    if (!p->nsegments) return refuse(why, "has nothing to load", LX_ENOEXEC);
    find_phdr(p, &e);
    return 0;
}
