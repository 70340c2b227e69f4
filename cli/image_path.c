// See image_path.h.
#include "cli/image_path.h"
#include <stdlib.h>
#include <string.h>

bool image_path_add(struct image_path *p, const char *name, size_t len)
{
    if (p->len + len + 2 > p->room) {
        size_t room = (p->len + len + 2) * 2;
        char *more = realloc(p->text, room);
        if (!more) return false;
        p->text = more;
        p->room = room;
    }
    p->text[p->len++] = '/';
    memcpy(p->text + p->len, name, len);
    p->len += len;
    p->text[p->len] = 0;
    return true;
}

void image_path_cut(struct image_path *p, size_t len)
{
    p->len = len;
    if (p->text) p->text[len] = 0;
}

void image_path_free(struct image_path *p)
{
    free(p->text);
    *p = (struct image_path){0};
}

// How many bytes from here on are one printable character (RFC 3629); 0: none.
static size_t character(const unsigned char *s)
{
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f && s[0] != '\\';
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || (s[0] == 0xc2 && s[1] < 0xa0)) return 0; // U+0080..9F are control characters
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : n;
}

void image_path_print(FILE *out, const char *path)
{
    for (const unsigned char *s = (const unsigned char *)path; *s;) {
        size_t n = character(s);
        if (n)
            fwrite(s, 1, n, out);
        else
            fprintf(out, "\\%03o", *s);
        s += n ? n : 1;
    }
}
