// `#!` lines: see script.h.
#include "loader/script.h"
#include <string.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

int script_parse(struct script *out, const char *head, size_t n)
{
    if (n < 2 || head[0] != '#' || head[1] != '!') return 0;
    const char *end = memchr(head, '\n', n);
    bool whole = end != NULL;
    if (!end) end = head + strnlen(head, n < SCRIPT_LINE ? n : SCRIPT_LINE - 1); // the kernel's last byte is the NUL
    const char *at = head + 2;
    while (at < end && blank(*at)) at++;
    while (end > at && blank(end[-1])) end--;
    if (at == end) return -LX_ENOEXEC;
    const char *name_end = at;
    while (name_end < end && !blank(*name_end) && *name_end) name_end++;
    if (name_end == end && !whole && (size_t)(end - head) >= SCRIPT_LINE - 1)
        return -LX_ENOEXEC; // a name that may be cut off is refused
    memset(out, 0, sizeof *out);
    memcpy(out->interp, at, (size_t)(name_end - at));
    while (name_end < end && blank(*name_end)) name_end++;
    if (name_end < end) {
        out->has_arg = true;
        memcpy(out->arg, name_end, (size_t)(end - name_end));
    }
    return 1;
}
