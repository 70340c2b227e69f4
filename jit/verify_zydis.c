// Loading libZydis by name. Its headers are for the build only.
#include "jit/verify_zydis.h"
#include <dlfcn.h>
#include <stdio.h>

static const char library[] = "libZydis.so.4.0"; // the soname of the headers' version

// Mnemonics and registers are numbered anew in each minor version.
static bool same_version(const struct zydis *z)
{
    __typeof__(ZydisGetVersion) *version = (__typeof__(version))dlsym(z->library, "ZydisGetVersion");
    return version && ZYDIS_VERSION_MAJOR(version()) == ZYDIS_VERSION_MAJOR(ZYDIS_VERSION) &&
           ZYDIS_VERSION_MINOR(version()) == ZYDIS_VERSION_MINOR(ZYDIS_VERSION);
}

static bool prepare(struct zydis *z)
{
    __typeof__(ZydisDecoderInit) *decoder = (__typeof__(decoder))dlsym(z->library, "ZydisDecoderInit");
    __typeof__(ZydisFormatterInit) *formatter = (__typeof__(formatter))dlsym(z->library, "ZydisFormatterInit");
    z->decode = (__typeof__(z->decode))dlsym(z->library, "ZydisDecoderDecodeFull");
    z->format = (__typeof__(z->format))dlsym(z->library, "ZydisFormatterFormatInstruction");
    return decoder && formatter && z->decode && z->format &&
           ZYAN_SUCCESS(decoder(&z->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
           ZYAN_SUCCESS(formatter(&z->formatter, ZYDIS_FORMATTER_STYLE_INTEL));
}

// NULL: the reason is in `why`. NODELETE: it stays, for a process that opens files no more (a closed jail) to find.
static void *load(char *why, size_t n)
{
    void *found = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const char *error = found ? NULL : dlerror();
    if (!found)
        snprintf(why, n, "the verifier needs %s (Debian package libzydis4.0): %s", library, error ? error : "?");
    return found;
}

bool zydis_load(char *why, size_t n)
{
    void *found = load(why, n);
    if (found) dlclose(found);
    return found != NULL;
}

bool zydis_open(struct zydis *z, char *why, size_t n)
{
    z->library = load(why, n);
    if (!z->library) return false;
    if (same_version(z) && prepare(z)) return true;
    snprintf(why, n, "%s is not of the version that the verifier was built with", library);
    dlclose(z->library);
    return false;
}

void zydis_close(struct zydis *z)
{
    dlclose(z->library);
}

bool zydis_decode(const struct zydis *z, struct zydis_insn *i, const uint8_t *code, size_t n)
{
    return ZYAN_SUCCESS(z->decode(&z->decoder, code, n, &i->in, i->op));
}

static void bytes_text(const uint8_t *code, size_t n, char *text, size_t room)
{
    size_t done = 0;
    for (size_t i = 0; i < n && i < ZYDIS_MAX_INSTRUCTION_LENGTH && done + 4 < room; i++)
        done += (size_t)snprintf(text + done, room - done, "%s%02x", i ? " " : "", code[i]);
}

void zydis_text(const struct zydis *z, const uint8_t *code, size_t n, uint64_t at, char *text, size_t room)
{
    struct zydis_insn i;
    text[0] = 0;
    if (zydis_decode(z, &i, code, n)) {
        z->format(&z->formatter, &i.in, i.op, i.in.operand_count_visible, text, room, at, NULL);
    } else {
        bytes_text(code, n, text, room);
    }
}
