// Symbols: see symbols.h.
#include "loader/symbols.h"
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>

static bool offset_to_vaddr(Elf *elf, uint64_t offset, uint64_t *vaddr)
{
    size_t n;
    if (elf_getphdrnum(elf, &n)) return false;
    for (size_t i = 0; i < n && i < 1024; i++) {
        GElf_Phdr h;
        if (!gelf_getphdr(elf, (int)i, &h) || h.p_type != PT_LOAD || offset < h.p_offset ||
            offset - h.p_offset >= h.p_filesz)
            continue;
        *vaddr = h.p_vaddr + (offset - h.p_offset);
        return true;
    }
    return false;
}

// The nearest function at or below vaddr in one table; names are copied when it is better than what is there.
static void search_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *h, uint64_t vaddr, struct symbol *best,
                         bool *found)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data && h->sh_entsize ? data->d_size / sizeof(Elf64_Sym) : 0;
    for (size_t i = 0; i < count && i < 1u << 22; i++) {
        GElf_Sym sym;
        if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC || !sym.st_value ||
            sym.st_value > vaddr)
            continue;
        uint64_t distance = vaddr - sym.st_value;
        if (distance >= (sym.st_size ? sym.st_size : 4096) || (*found && distance >= best->offset)) continue;
        const char *name = elf_strptr(elf, h->sh_link, sym.st_name);
        if (!name || !*name) continue;
        snprintf(best->name, sizeof best->name, "%s", name);
        best->offset = distance;
        *found = true;
    }
}

bool symbol_find(const void *image, size_t n, uint64_t file_offset, struct symbol *out)
{
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)image, n); // libelf does not write to it
    uint64_t vaddr;
    bool found = false;
    if (elf && gelf_getclass(elf) == ELFCLASS64 && offset_to_vaddr(elf, file_offset, &vaddr))
        for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
            GElf_Shdr h;
            if (gelf_getshdr(s, &h) && (h.sh_type == SHT_SYMTAB || h.sh_type == SHT_DYNSYM))
                search_table(elf, s, &h, vaddr, out, &found);
        }
    if (elf) elf_end(elf);
    return found;
}
