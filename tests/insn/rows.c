// See rows.h.
#define _GNU_SOURCE
#include "rows.h"
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 9

static bool has_word(const char *words, const char *word, const char *separators)
{
    size_t n = strlen(word);
    while (*words) {
        size_t m = strcspn(words, separators);
        if (m == n && !memcmp(words, word, n)) return true;
        words += m + (words[m] != 0);
    }
    return false;
}

bool row_attr(const struct row *r, const char *word)
{
    return has_word(r->attr, word, ",");
}
bool row_is(const struct row *r, const char *mnemonics)
{
    return has_word(mnemonics, r->mnemonic, " ");
}

static unsigned flag_bits(const char *letters)
{
    static const struct {
        char letter;
        unsigned bit;
    } known[] = {{'O', 0x800}, {'S', 0x80}, {'Z', 0x40}, {'A', 0x10}, {'P', 4}, {'C', 1}, {'D', 0x400}};
    unsigned bits = 0;
    for (; *letters && *letters != '/'; letters++)
        for (unsigned i = 0; i < 7; i++)
            if (known[i].letter == *letters) bits |= known[i].bit;
    return bits;
}

// read/written/undefined
static void read_flags(struct row *r)
{
    const char *written = strchr(r->flags, '/'), *undefined = strrchr(r->flags, '/');
    if (!written) return;
    r->flags_undefined = flag_bits(undefined + 1);
    r->flags_written = flag_bits(written + 1) & ~r->flags_undefined;
    for (const char *s = r->flags; s < written; s++) r->flags_read |= flag_bits((char[]){*s, 0});
}

static unsigned hex2(const char *s)
{
    return (unsigned)strtoul((char[]){s[0], s[1], 0}, NULL, 16);
}

// What follows the opcode: +r, /r, /0.../7, :m, :r, =XX.
static bool read_suffix(struct row *r, const char *s)
{
    while (*s) {
        if (!strncmp(s, "+r", 2))
            r->plus_r = true, s += 2;
        else if (*s == '/')
            r->has_modrm = true, r->digit = isdigit((unsigned char)s[1]) ? s[1] - '0' : -1, s += 2;
        else if (*s == ':')
            r->has_modrm = true, r->mod = s[1] == 'm' ? MOD_MEMORY : MOD_REGISTER, s += 2;
        else if (*s == '=')
            r->has_modrm = true, r->modrm = (int)hex2(s + 1), s += 3;
        else
            return false;
    }
    return true;
}

static bool read_vex(struct row *r, char **words, int n)
{
    const char *l = words[1], *w = words[2];
    r->vex = n == 6 && !strcmp(words[0], "VEX");
    r->by_length = !strcmp(l, "L");
    bool any_l = r->by_length || !strcmp(l, "LIG"), any_w = !strcmp(w, "WIG");
    r->vex_l[0] = any_l || !strcmp(l, "128") || !strcmp(l, "LZ");
    r->vex_l[1] = any_l || !strcmp(l, "256");
    r->vex_w[0] = any_w || !strcmp(w, "W0");
    r->vex_w[1] = any_w || !strcmp(w, "W1");
    return r->vex && (r->vex_l[0] || r->vex_l[1]) && (r->vex_w[0] || r->vex_w[1]);
}

static bool read_encoding(struct row *r)
{
    char text[sizeof r->encoding], *words[8], *save = NULL;
    int n = 0;
    strcpy(text, r->encoding);
    for (char *w = strtok_r(text, ".", &save); w && n < 8; w = strtok_r(NULL, ".", &save)) words[n++] = w;
    if (n < 3 || (n > 3 && !read_vex(r, words, n))) return false;
    char **w = words + n - 3;
    r->pp = !strcmp(w[0], "NP") ? PP_NONE : !strcmp(w[0], "--") ? PP_ANY : (int)hex2(w[0]);
    r->map = w[1][1] - '0';
    if (w[1][0] != 'M' || strlen(w[2]) < 2) return false;
    r->opcode = (uint8_t)hex2(w[2]);
    return read_suffix(r, w[2] + 2);
}

static void read_operands(struct row *r)
{
    char text[sizeof r->operands], *save = NULL;
    if (!strcmp(r->operands, "-")) return;
    strcpy(text, r->operands);
    for (char *w = strtok_r(text, ",", &save); w && r->operand_count < ROW_OPERANDS; w = strtok_r(NULL, ",", &save))
        snprintf(r->operand[r->operand_count++], sizeof r->operand[0], "%s", w);
}

static void read_mnemonic(struct row *r)
{
    for (unsigned i = 0; i + 1 < sizeof r->mnemonic && r->id[i] && r->id[i] != '_'; i++)
        r->mnemonic[i] = (char)tolower((unsigned char)r->id[i]);
}

static bool read_row(struct row *r, char *line)
{
    char *to[COLUMNS] = {r->id, r->encoding, r->operands, r->attr, r->feature, r->flags, r->forms, r->jit, r->test},
         *save = NULL;
    size_t size[COLUMNS] = {sizeof r->id,    sizeof r->encoding, sizeof r->operands, sizeof r->attr, sizeof r->feature,
                            sizeof r->flags, sizeof r->forms,    sizeof r->jit,      sizeof r->test};
    int n = 0;
    for (char *w = strtok_r(line, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save), n++)
        if (n >= COLUMNS || (size_t)snprintf(to[n], size[n], "%s", w) >= size[n]) return false;
    if (n != COLUMNS) return false;
    r->digit = r->modrm = -1;
    read_mnemonic(r);
    read_operands(r);
    read_flags(r);
    return read_encoding(r);
}

// `# Shifts and rotates (cpu/op_shift.c)`
static void read_heading(const char *line, char *section, size_t size)
{
    const char *end = strstr(line, "cpu/");
    while (end && end > line + 2 && *end != '(') end--;
    if (!end || end <= line + 3) return;
    size_t n = (size_t)(end - line) - 3; // without `# ` and the blank before the parenthesis
    if (n < size) memcpy(section, line + 2, n), section[n] = 0;
}

static void read_file(struct row_table *t, const char *path)
{
    char line[1024], section[96] = "";
    FILE *f = fopen(path, "r");
    if (!f) return;
    for (int number = 1; fgets(line, sizeof line, f); number++) {
        if (line[0] == '#') read_heading(line, section, sizeof section);
        if (strchr("#!\n", line[strspn(line, " \t")])) continue;
        t->row = realloc(t->row, (size_t)(t->count + 1) * sizeof *t->row);
        if (!t->row) abort();
        struct row *r = &t->row[t->count++];
        *r = (struct row){0};
        snprintf(r->file, sizeof r->file, "%s", strrchr(path, '/') + 1);
        strcpy(r->section, section);
        if (read_row(r, line)) continue;
        fprintf(stderr, "%s:%d: cannot read this row\n", path, number);
        exit(2);
    }
    fclose(f);
}

struct row_table rows_read(const char *dir)
{
    struct row_table t = {0};
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/insn*.def", dir);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) read_file(&t, found.gl_pathv[i]);
    globfree(&found);
    return t;
}

void rows_free(struct row_table *t)
{
    free(t->row);
}
