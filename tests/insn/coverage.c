// coverage: writes docs/instructions.md from cpu/insn*.def, tally.txt and properties.def: every row, and how it is
// proven.
//
//     coverage --cases N             to stdout; N is what ./check runs of each row
//     coverage --cases N --check F   compares with the file F instead. Exit status: 0 when they are the same,
//                                    and every row has a proof: cases in the tally, vectors, or a property
#include "rows.h"
#include "tally.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TALLY_FILE BELLJAR_TESTS_DIR "/tally.txt"

static const struct {
    const char *row, *test, *reason;
} properties[] = {
#define PROPERTY(row, test, reason) {#row, #test, reason},
#include "properties.def"
#undef PROPERTY
};

static void print_head(FILE *f, const struct tally *tally, unsigned long cases)
{
    fprintf(f,
            "# The instructions\n"
            "\n"
            "<!-- Made by tests/insn/coverage.c from cpu/insn*.def and tests/insn/tally.txt; `insn-page` of ./check "
            "compares. Change those, then run build/tests/insn/insn-coverage. -->\n"
            "\n"
            "The guest CPU has the instructions of x86-64-v3 in user mode and some beyond, one row of `cpu/insn*.def` "
            "each. How a row is proven:\n"
            "\n"
            "- **host**: `./check` runs %lu random cases of it on the host CPU and in the interpreter, with both "
            "memory back ends, and compares everything a\n"
            "  program can see (`tests/insn/README.md`). Under sanitizers fewer. The column Cases is what longer "
            "campaigns have run in all (`tests/insn/tally.txt`), the\n"
            "  next one the day of the last that found a difference.\n"
            "- **vectors**: recorded results of a CPU that has it.\n"
            "- **property**: what it does is this machine's own, not the host's, or no CPU at hand has it; a test in "
            "`tests/insn/properties.c` says what must hold.\n"
            "\n"
            "Besides, random bytes are decoded against the host CPU and against Capstone: which are instructions, how "
            "long, and what they are called.\n"
            "\n"
            "The campaigns:\n"
            "\n",
            cases);
    for (int i = 0; i < tally->notes; i++) fprintf(f, "- %s\n", tally->note[i]);
    fprintf(f, "\n");
}

static bool is_host(const struct row *r)
{
    return !strcmp(r->test, "host");
}

static uint64_t row_cases(const struct tally *tally, const struct row *r)
{
    const struct tally_row *row = is_host(r) ? tally_find(tally, r->id) : NULL;
    return row ? row->cases : 0;
}

// The rows of one feature, or of all when it is NULL.
static void print_feature(FILE *f, const struct row_table *t, const struct tally *tally, const char *feature)
{
    int rows = 0, host = 0, vectors = 0;
    uint64_t cases = 0;
    for (int i = 0; i < t->count; i++) {
        if (feature && strcmp(t->row[i].feature, feature)) continue;
        rows++, host += is_host(&t->row[i]), vectors += !strcmp(t->row[i].test, "vector");
        cases += row_cases(tally, &t->row[i]);
    }
    fprintf(f, "| %s | %d | %d | %d | %d | %" PRIu64 " |\n", feature ? feature : "all", rows, host, vectors,
            rows - host - vectors, cases);
}

static void print_features(FILE *f, const struct row_table *t, const struct tally *tally)
{
    fprintf(f, "| Feature | Rows | host | vectors | property | Cases |\n|---|---|---|---|---|---|\n");
    for (int i = 0; i < t->count; i++) {
        int first = 0;
        while (strcmp(t->row[first].feature, t->row[i].feature)) first++;
        if (first == i) print_feature(f, t, tally, t->row[i].feature);
    }
    print_feature(f, t, tally, NULL);
}

static const char *property_of(const struct row *r, const char **reason)
{
    for (unsigned i = 0; i < sizeof properties / sizeof *properties; i++)
        if (!strcmp(properties[i].row, r->id)) return *reason = properties[i].reason, properties[i].test;
    return NULL;
}

static void print_proof(FILE *f, const struct row *r, const struct tally *tally)
{
    const char *reason = "", *test = is_host(r) ? NULL : property_of(r, &reason);
    const struct tally_row *counted = is_host(r) ? tally_find(tally, r->id) : NULL;
    if (test)
        fprintf(f, "%s `%s`: %s | | |\n", !strcmp(r->test, "vector") ? "vectors" : "property", test, reason);
    else if (counted)
        fprintf(f, "host | %" PRIu64 " | %s |\n", counted->cases, counted->last[0] == '-' ? "none" : counted->last);
    else
        fprintf(f, "nothing | 0 | |\n");
}

static void print_rows(FILE *f, const struct row_table *t, const struct tally *tally)
{
    const char *section = "", *file = "";
    for (int i = 0; i < t->count; i++) {
        const struct row *r = &t->row[i];
        if (strcmp(section, r->section) || strcmp(file, r->file))
            fprintf(f,
                    "\n## %s (%s)\n\n| Row | Bytes | Operands | Feature | Proven by | Cases | Last difference |\n"
                    "|---|---|---|---|---|---|---|\n",
                    r->section, r->file);
        section = r->section, file = r->file;
        fprintf(f, "| %s | %s | %s | %s | ", r->id, r->encoding, strcmp(r->operands, "-") ? r->operands : "",
                r->feature);
        print_proof(f, r, tally);
    }
}

// Rows without a proof; each is told.
static int unproven(const struct row_table *t, const struct tally *tally)
{
    const char *reason;
    int count = 0;
    for (int i = 0; i < t->count; i++) {
        const struct row *r = &t->row[i];
        if (is_host(r) ? row_cases(tally, r) > 0 : property_of(r, &reason) != NULL) continue;
        fprintf(stderr, "%s (%s): no cases: insn-difftest --row %s --tally %s\n", r->id, r->file, r->id, TALLY_FILE);
        count++;
    }
    return count;
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
    struct tally tally = tally_read(TALLY_FILE);
    FILE *f = open_memstream(&page, &bytes);
    print_head(f, &tally, cases);
    print_features(f, &t, &tally);
    print_rows(f, &t, &tally);
    fclose(f);
    int missing = unproven(&t, &tally);
    rows_free(&t);
    tally_free(&tally);
    int status = check && missing ? 1 : check ? compare(check, page, bytes) : fwrite(page, 1, bytes, stdout) != bytes;
    free(page);
    return status;
}
