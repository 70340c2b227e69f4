// insn_gen: pairs of instructions with one function (`!fuse`, cpu/insn_fuse.def). Names are resolved when all tables
// are read; what comes out is a hash table from the two functions' places in op_functions to the pair's.
#include "insn_gen.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_PAIRS = 8000, MAX_NAME = 100, HASH_BITS = 12 };

struct name {
    char text[MAX_NAME];
};
struct list {
    struct name *names;
    int count;
};
struct pair {
    int first, second; // places in op_functions
    int fused;         // in fused_functions
};

static struct pair pairs[MAX_PAIRS];
static int pair_count;
static struct list fused;

static void add(struct list *list, const char *text)
{
    list->names = realloc(list->names, (size_t)(list->count + 1) * sizeof *list->names);
    if (!list->names) exit(1);
    snprintf(list->names[list->count++].text, MAX_NAME, "%s", text);
}

// As the shell does it: a{b,c{d,e}} is ab, acd, ace.
static void expand(const struct row *at, struct list *list, const char *text)
{
    const char *open = strchr(text, '{'), *part = open + 1;
    if (!open) {
        add(list, text);
        return;
    }
    const char *close = open;
    for (int depth = 0; *close && (depth += (*close == '{') - (*close == '}')) > 0;) close++;
    if (!*close) row_error(at, "'{' without '}'");
    for (const char *s = part; s <= close; s++) {
        if (*s == '{')
            while (*s != '}') s++; // one level inside is enough
        if (*s != ',' && s != close) continue;
        size_t size = (size_t)(open - text) + (size_t)(s - part) + strlen(close);
        char *next = malloc(size);
        if (!next) exit(1);
        snprintf(next, size, "%.*s%.*s%s", (int)(open - text), text, (int)(s - part), part, close + 1);
        expand(at, list, next);
        free(next);
        part = s + 1;
    }
}

static int function_place(const struct row *at, const char *name)
{
    for (int i = 0; i < row_count; i++) {
        size_t n = strlen(rows[i].id);
        if (strncmp(rows[i].id, name, n) != 0) continue;
        for (int form = 0; form < form_count(&rows[i]); form++) {
            const char *suffix = form_suffix(&rows[i], form);
            if (suffix && strcmp(suffix, name + n) == 0) return rows[i].fn + form;
        }
    }
    row_error(at, "no row has a function %s", name);
}

static int fused_place(const char *first, const char *second)
{
    char name[2 * MAX_NAME];
    size_t n = strlen(second);
    if (n > 3 && (strcmp(second + n - 3, "_Jb") == 0 || strcmp(second + n - 3, "_Jz") == 0)) n -= 3;
    snprintf(name, sizeof name, "%s__%.*s", first, (int)n, second);
    for (int i = fused.count - 1; i >= 0; i--)
        if (strcmp(fused.names[i].text, name) == 0) return i;
    add(&fused, name);
    return fused.count - 1;
}

void read_fusion(const struct row *at, const char *first, const char *second)
{
    struct list a = {0}, b = {0};
    expand(at, &a, first);
    expand(at, &b, second);
    for (int i = 0; i < a.count; i++) {
        for (int k = 0; k < b.count; k++) {
            if (pair_count == MAX_PAIRS) row_error(at, "more than %d pairs", MAX_PAIRS);
            pairs[pair_count++] =
                (struct pair){function_place(at, a.names[i].text), function_place(at, b.names[k].text),
                              fused_place(a.names[i].text, b.names[k].text)};
        }
    }
    free(a.names);
    free(b.names);
}

void write_fused_prototypes(FILE *out)
{
    for (int i = 0; i < fused.count; i++)
        fprintf(out, "op_fn op_%s, op_%s_c;\n", fused.names[i].text, fused.names[i].text);
}

void write_fusions(FILE *out)
{
    static struct pair slots[1 << HASH_BITS];
    static bool used[1 << HASH_BITS];
    if (pair_count > (1 << HASH_BITS) / 2) {
        fprintf(stderr, "insn_gen: %d pairs: HASH_BITS is too small\n", pair_count);
        exit(1);
    }
    for (int i = 0; i < pair_count; i++) {
        unsigned at = fusion_hash((unsigned)pairs[i].first, (unsigned)pairs[i].second, HASH_BITS);
        while (used[at]) at = (at + 1) & ((1 << HASH_BITS) - 1);
        used[at] = true;
        slots[at] = pairs[i];
    }
    fprintf(out, "enum { FUSION_BITS = %d };\nstatic const struct fusion fusions[1 << FUSION_BITS] = {\n", HASH_BITS);
    for (int i = 0; i < 1 << HASH_BITS; i++)
        if (used[i]) fprintf(out, "[%d] = {%d, %d, %d},\n", i, slots[i].first, slots[i].second, slots[i].fused + 1);
    fprintf(out, "};\n");
}

int fused_count(void)
{
    return fused.count;
}

void write_fused_functions(FILE *out)
{
    for (int checked = 0; checked < 2; checked++)
        for (int i = 0; i < fused.count; i++) fprintf(out, "OP(op_%s%s)\n", fused.names[i].text, checked ? "_c" : "");
}
