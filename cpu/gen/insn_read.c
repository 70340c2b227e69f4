// insn_gen: reads the tables (cpu/insn*.def). Every column is checked here; what is not understood is an error with
// file and line.
#include "insn_gen.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FUSE_LINES = 100 };

struct row rows[MAX_ROWS];
int row_count;
struct feature features[MAX_FEATURES];
int feature_count;

void row_error(const struct row *row, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", row->file, row->line);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

struct word {
    const char *name;
    unsigned value;
};

static const struct word attr_words[] = {
    {"lock", ATTR_LOCK},       {"rep", ATTR_REP},     {"repz", ATTR_REPZ}, {"branch", ATTR_BRANCH},
    {"aligned", ATTR_ALIGNED}, {"d64", ATTR_D64},     {"f64", ATTR_F64},   {"w0", ATTR_W0},
    {"w1", ATTR_W1},           {"size8", ATTR_SIZE8}, {"pfx", ATTR_PFX},   {"b0", ATTR_B0},
    {"noseg", ATTR_NOSEG},     {"cond", ATTR_COND},   {"vsib", ATTR_VSIB}, {NULL, 0},
};
static const struct word pp_words[] = {{"NP", 0}, {"66", 1}, {"F3", 2}, {"F2", 3}, {"--", (unsigned)ANY}, {NULL, 0}};
static const struct word map_words[] = {{"M1", 0}, {"M2", 1}, {"M3", 2}, {"M4", 3}, {NULL, 0}};
static const struct word length_words[] = {{"128", 0},           {"LZ", 0}, {"256", 1}, {"LIG", (unsigned)ANY},
                                           {"L", (unsigned)ANY}, {NULL, 0}};
static const struct word w_words[] = {{"W0", 0}, {"W1", 1}, {"WIG", (unsigned)ANY}, {NULL, 0}};
static const struct word jit_words[] = {{"call", 0}, {"copy", 0}, {"rewrite", 0}, {"expand", 0}, {NULL, 0}};
static const struct word test_words[] = {{"host", 0}, {"vector", 0}, {"prop", 0}, {NULL, 0}};
static const struct word reg_words[] = {{"eax", 0}, {"ebx", 1}, {"ecx", 2}, {"edx", 3}, {NULL, 0}};

static const struct word *find(const struct row *row, const struct word *words, const char *name, const char *what)
{
    for (; words->name; words++)
        if (strcmp(words->name, name) == 0) return words;
    row_error(row, "unknown %s '%s'", what, name);
}

static unsigned hex_byte(const struct row *row, const char *s)
{
    if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]))
        row_error(row, "two hex digits expected at '%s'", s);
    char digits[3] = {s[0], s[1], 0};
    return (unsigned)strtoul(digits, NULL, 16);
}

// What follows the opcode byte: +r, /r, /digit, :m, :r, =XX.
static void parse_modrm(struct row *row, const char *s)
{
    while (*s) {
        if (strncmp(s, "+r", 2) == 0) {
            row->plus_r = true;
            s += 2;
        } else if (*s == '/' && (s[1] == 'r' || (s[1] >= '0' && s[1] <= '7'))) {
            row->modrm = true;
            if (s[1] != 'r') row->want[DIM_REG] = s[1] - '0';
            s += 2;
        } else if (*s == ':' && (s[1] == 'm' || s[1] == 'r')) {
            if (!row->modrm) row_error(row, "'%s' before /r or /digit", s);
            row->want[DIM_MOD] = s[1] == 'r';
            s += 2;
        } else if (*s == '=') {
            unsigned value = hex_byte(row, s + 1);
            if (value < 0xc0) row_error(row, "'=%02X' does not name a register", value);
            row->modrm = true;
            row->want[DIM_MOD] = 1;
            row->want[DIM_REG] = value >> 3 & 7;
            row->want[DIM_RM] = value & 7;
            s += 3;
        } else {
            row_error(row, "not understood in the encoding: '%s'", s);
        }
    }
}

static void parse_encoding(struct row *row)
{
    char copy[100], *word[MAX_WORDS] = {0};
    int count = 0;
    if (strlen(row->encoding) >= sizeof copy) row_error(row, "encoding too long");
    strcpy(copy, row->encoding);
    for (char *s = strtok(copy, "."); s; s = strtok(NULL, ".")) {
        if (count == MAX_WORDS) row_error(row, "encoding has too many words");
        word[count++] = s;
    }
    row->vex = count > 0 && strcmp(word[0], "VEX") == 0;
    if (count != (row->vex ? 6 : 3)) row_error(row, "encoding is not [VEX.<L>.<W>.]<pp>.<map>.<opcode>...");
    char **w = word;
    if (row->vex) {
        row->want[DIM_L] = (int)find(row, length_words, word[1], "VEX length")->value;
        row->by_length = strcmp(word[1], "L") == 0;
        row->want[DIM_W] = (int)find(row, w_words, word[2], "VEX.W")->value;
        w += 3;
    }
    row->want[DIM_PP] = (int)find(row, pp_words, w[0], "prefix")->value;
    row->map = (int)find(row, map_words, w[1], "map")->value;
    row->opcode = (int)hex_byte(row, w[2]);
    parse_modrm(row, w[2] + 2);
    if (row->vex && (row->map == 0 || row->want[DIM_PP] == ANY))
        row_error(row, "VEX needs a map above M1 and a prefix");
    if (row->plus_r && (row->opcode & 7 || row->modrm))
        row_error(row, "+r needs an opcode ending in 0 or 8 and no ModRM");
}

static void parse_attr(struct row *row, char *text)
{
    if (strcmp(text, "-") == 0) return;
    for (char *s = strtok(text, ","); s; s = strtok(NULL, ","))
        row->attr |= find(row, attr_words, s, "attribute")->value;
    if (row->attr & ATTR_W0) row->want[DIM_W] = 0;
    if (row->attr & ATTR_W1) row->want[DIM_W] = 1;
    if (row->attr & ATTR_B0) row->want[DIM_B] = 0;
    if ((row->attr & ATTR_W0 && row->attr & ATTR_W1) || (row->attr & ATTR_D64 && row->attr & ATTR_F64))
        row_error(row, "contradictory attributes");
    if (row->attr & ATTR_PFX) {
        if (row->want[DIM_PP] > 0) row_error(row, "pfx on a row with a mandatory prefix");
        row->want[DIM_PP] = ANY;
    }
}

// One part of the flags column, as EFLAGS bits.
static unsigned flag_bits(const struct row *row, const char *s)
{
    static const char letters[] = "CPAZSDO";
    static const unsigned bits[] = {1 << 0, 1 << 2, 1 << 4, 1 << 6, 1 << 7, 1 << 10, 1 << 11};
    unsigned set = 0;
    if (strcmp(s, "-") == 0) return 0;
    if (!*s) row_error(row, "flags are read/written/undefined, `-` for none");
    for (; *s; s++) {
        const char *at = strchr(letters, *s);
        if (!at) row_error(row, "unknown flag '%c'", *s);
        if (set & bits[at - letters]) row_error(row, "flag '%c' twice", *s);
        set |= bits[at - letters];
    }
    return set;
}

static void parse_flags(struct row *row, char *text)
{
    if (strcmp(text, "-") == 0) return;
    char *written = strchr(text, '/'), *undefined = written ? strchr(written + 1, '/') : NULL;
    if (!undefined || strchr(undefined + 1, '/')) row_error(row, "flags are read/written/undefined, `-` for none");
    *written++ = 0;
    *undefined++ = 0;
    row->flags_read = flag_bits(row, text);
    row->flags_written = flag_bits(row, written);
    row->flags_undefined = flag_bits(row, undefined);
}

static void parse_forms(struct row *row, const char *s)
{
    if (strcmp(s, "-") == 0) return;
    for (; *s; s++) {
        bool *form = *s == 's' ? &row->by_size : *s == 'm' ? &row->by_kind : *s == 'b' ? &row->by_base : NULL;
        if (!form || *form) row_error(row, "forms are of the letters s, m, b");
        *form = true;
    }
    if ((row->by_kind || row->by_base) && !row->modrm) row_error(row, "forms m and b need a ModRM byte");
}

static struct feature *find_feature(const char *name)
{
    for (int i = 0; i < feature_count; i++)
        if (strcmp(features[i].name, name) == 0) return &features[i];
    return NULL;
}

static void check_id(const struct row *row)
{
    for (const char *s = row->id; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_') row_error(row, "'%s' is no name", row->id);
    for (int i = 0; i < row_count; i++)
        if (strcmp(rows[i].id, row->id) == 0)
            row_error(row, "%s is also at %s:%d", row->id, rows[i].file, rows[i].line);
}

static void read_row(struct row *row, char *column[9])
{
    for (int i = 0; i < DIM_COUNT; i++) row->want[i] = ANY;
    row->id = strdup(column[0]);
    row->encoding = strdup(column[1]);
    row->operands = strdup(column[2]);
    row->feature = strdup(column[4]);
    check_id(row);
    parse_encoding(row);
    parse_attr(row, column[3]);
    struct feature *feature = find_feature(row->feature);
    if (!feature) row_error(row, "unknown feature '%s': declare it with !feature", row->feature);
    feature->rows++;
    row->level = feature->level;
    parse_flags(row, column[5]);
    parse_forms(row, column[6]);
    row->jit = find(row, jit_words, column[7], "jit class")->name;
    row->test = find(row, test_words, column[8], "test class")->name;
    parse_operands(row);
}

// !feature NAME LEVEL LEAF.REG.BIT|-
static void read_feature(struct row *at, char *column[9], int count)
{
    if (count != 4 || feature_count == MAX_FEATURES) row_error(at, "!feature NAME LEVEL LEAF.REG.BIT");
    if (find_feature(column[1])) row_error(at, "feature %s twice", column[1]);
    struct feature *feature = &features[feature_count++];
    *feature = (struct feature){.name = strdup(column[1]), .level = atoi(column[2]), .reg = ANY};
    if (feature->level < 2 || feature->level > 9) row_error(at, "the level is 2 to 9");
    if (strcmp(column[3], "-") == 0) return;
    char *leaf = strtok(column[3], "."), *reg = strtok(NULL, "."), *bit = strtok(NULL, ".");
    if (!leaf || !reg || !bit) row_error(at, "!feature NAME LEVEL LEAF.REG.BIT");
    feature->leaf = strtoul(leaf, NULL, 16);
    feature->reg = (int)find(at, reg_words, reg, "CPUID register")->value;
    feature->bit = atoi(bit);
    if (feature->bit < 0 || feature->bit > 31) row_error(at, "no bit %d", feature->bit);
}

// !fuse FIRST SECOND: kept until all rows are known.
static struct {
    struct row at;
    char *first, *second;
} fuse_lines[MAX_FUSE_LINES];
static int fuse_line_count;

static void keep_fusion(const struct row *at, char *column[9], int count)
{
    if (count != 3) row_error(at, "!fuse FIRST SECOND");
    if (fuse_line_count == MAX_FUSE_LINES) row_error(at, "more than %d !fuse lines", MAX_FUSE_LINES);
    fuse_lines[fuse_line_count].at = *at;
    fuse_lines[fuse_line_count].first = strdup(column[1]);
    fuse_lines[fuse_line_count++].second = strdup(column[2]);
}

void read_fusions(void)
{
    for (int i = 0; i < fuse_line_count; i++) read_fusion(&fuse_lines[i].at, fuse_lines[i].first, fuse_lines[i].second);
}

static void read_line(const char *file, int number, char *line)
{
    char *column[MAX_WORDS];
    int count = 0;
    for (char *s = strtok(line, " \t\n"); s && count < MAX_WORDS; s = strtok(NULL, " \t\n")) column[count++] = s;
    struct row row = {.file = file, .line = number, .number = row_count};
    if (count == 0) return;
    if (strcmp(column[0], "!feature") == 0) {
        read_feature(&row, column, count);
        return;
    }
    if (strcmp(column[0], "!fuse") == 0) {
        keep_fusion(&row, column, count);
        return;
    }
    if (count != 9) row_error(&row, "%d columns, not 9", count);
    if (row_count == MAX_ROWS) row_error(&row, "more than %d rows", MAX_ROWS);
    read_row(&row, column);
    rows[row_count++] = row;
}

void read_table(const char *file)
{
    FILE *f = fopen(file, "r");
    char line[2000];
    if (!f) {
        perror(file);
        exit(1);
    }
    for (int number = 1; fgets(line, sizeof line, f); number++)
        if (line[0] != '#') read_line(file, number, line);
    fclose(f);
}
