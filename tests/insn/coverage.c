// coverage: writes docs/instructions.md from cpu/insn*.def and properties.def: every row, and how it is proven.
//
//     coverage --cases N             to stdout; N is what ./check runs of each row
//     coverage --cases N --check F   compares with the file F instead. Exit status: 0 when they are the same
#include "rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *row, *test, *reason;
} properties[] = {
#define PROPERTY(row, test, reason) {#row, #test, reason},
#include "properties.def"
#undef PROPERTY
};

static void print_head(FILE *f, unsigned long cases)
{
    fprintf(f,
            "# The instructions\n"
            "\n"
            "<!-- Made by tests/insn/coverage.c from cpu/insn*.def; `insn-page` of ./check compares. Change the "
            "tables, then run build/tests/insn/insn-coverage. -->\n"
            "\n"
            "The guest CPU has the instructions of x86-64-v2 in user mode, one row of `cpu/insn.def`, "
            "`cpu/insn_x87.def` or `cpu/insn_sse.def` each. How a row is proven:\n"
            "\n"
            "- **host**: `./check` runs %lu random cases of it on the host CPU and in the interpreter, with both "
            "memory back ends, and compares everything a\n"
            "  program can see (`tests/insn/README.md`). Under sanitizers fewer.\n"
            "- **property**: what it does is this machine's own, not the host's; a test in `tests/insn/properties.c` "
            "says what must hold.\n"
            "\n"
            "Besides, random bytes are decoded against the host CPU and against Capstone: which are instructions, how "
            "long, and what they are called.\n"
            "\n",
            cases);
}

static void print_features(FILE *f, const struct row_table *t)
{
    fprintf(f, "| Feature | Rows | host | property |\n|---|---|---|---|\n");
    int all = 0, all_host = 0;
    for (int i = 0; i < t->count; i++) {
        int rows = 0, host = 0;
        bool first = true;
        for (int k = 0; k < t->count; k++) {
            if (strcmp(t->row[k].feature, t->row[i].feature)) continue;
            if (k < i) first = false;
            rows++, host += !strcmp(t->row[k].test, "host");
        }
        if (!first) continue;
        fprintf(f, "| %s | %d | %d | %d |\n", t->row[i].feature, rows, host, rows - host);
        all += rows, all_host += host;
    }
    fprintf(f, "| all | %d | %d | %d |\n", all, all_host, all - all_host);
}

static void print_proof(FILE *f, const struct row *r)
{
    if (!strcmp(r->test, "host")) {
        fprintf(f, "host");
        return;
    }
    for (unsigned i = 0; i < sizeof properties / sizeof *properties; i++)
        if (!strcmp(properties[i].row, r->id))
            fprintf(f, "property `%s`: %s", properties[i].test, properties[i].reason);
}

static void print_rows(FILE *f, const struct row_table *t)
{
    const char *section = "", *file = "";
    for (int i = 0; i < t->count; i++) {
        const struct row *r = &t->row[i];
        if (strcmp(section, r->section) || strcmp(file, r->file))
            fprintf(f, "\n## %s (%s)\n\n| Row | Bytes | Operands | Feature | Proven by |\n|---|---|---|---|---|\n",
                    r->section, r->file);
        section = r->section, file = r->file;
        fprintf(f, "| %s | %s | %s | %s | ", r->id, r->encoding, strcmp(r->operands, "-") ? r->operands : "",
                r->feature);
        print_proof(f, r);
        fprintf(f, " |\n");
    }
}

static int compare(const char *path, const char *page, size_t bytes)
{
    FILE *f = fopen(path, "r");
    char *old = malloc(bytes + 1);
    if (!old) abort();
    size_t n = f ? fread(old, 1, bytes + 1, f) : 0;
    if (f) fclose(f);
    bool same = n == bytes && !memcmp(old, page, bytes);
    free(old);
    if (!same) fprintf(stderr, "%s is not what the tables say now: insn-coverage writes it anew\n", path);
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    unsigned long cases = 0;
    const char *check = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--cases"))
            cases = strtoul(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "--check"))
            check = argv[i + 1];
    }
    char *page = NULL;
    size_t bytes = 0;
    struct row_table t = rows_read(BELLJAR_CPU_DIR);
    FILE *f = open_memstream(&page, &bytes);
    print_head(f, cases);
    print_features(f, &t);
    print_rows(f, &t);
    fclose(f);
    rows_free(&t);
    int status = check ? compare(check, page, bytes) : fwrite(page, 1, bytes, stdout) != bytes;
    free(page);
    return status;
}
