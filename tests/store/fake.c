// See fake.h.
#include "fake.h"
#include "tests/insn/values.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const uint8_t fake_key[STORE_DIGEST] = "a key for tests, of 32 bytes....";

static const struct {
    uint32_t least, most;
} sizes[STORE_SECTIONS] = {[STORE_CODE] = {100, 20000}, [STORE_BLOCKS] = {0, 3000}, [STORE_EXITS] = {8, 9000},
                           [STORE_MAP] = {0, 200},      [STORE_INDEX] = {64, 64},   [STORE_HEADS] = {0, 5000}};

static uint64_t seed_of(uint32_t number, uint32_t version, unsigned section)
{
    return (uint64_t)number << 40 ^ (uint64_t)version << 8 ^ section;
}

// The first words of the code say which it is.
static uint32_t make_section(uint32_t number, uint32_t version, unsigned section, uint8_t **bytes)
{
    struct rng state = {seed_of(number, version, section)};
    uint32_t n = sizes[section].least + (uint32_t)(rng_next(&state) % (sizes[section].most - sizes[section].least + 1));
    *bytes = malloc(n + 8);
    for (uint32_t i = 0; i < n; i += 8) {
        uint64_t word = rng_next(&state);
        memcpy(*bytes + i, &word, 8);
    }
    if (section == STORE_CODE) {
        memcpy(*bytes, &number, 4);
        memcpy(*bytes + 4, &version, 4);
    }
    return n;
}

// Anywhere, and where it matters: next to each other, twice, at the ends of pages and of the shard.
static uint32_t make_targets(const struct store_shard *s, uint32_t version, uint32_t code, struct store_target *t)
{
    struct rng state = {seed_of(fake_number(s), version, STORE_TABLE)};
    uint32_t n = (uint32_t)(rng_next(&state) % (FAKE_MAX_TARGETS - 4)), first = s->first << 12, bytes = s->npages << 12;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t r = rng_next(&state);
        uint32_t pc = (uint32_t)(r >> 8) % bytes;
        if (r % 8 == 0) pc = i ? t[i - 1].pc - first + 1 : 0;
        if (r % 8 == 1) pc |= STORE_TABLE_GUEST - 1;
        if (r % 8 == 2) pc = i ? t[i - 1].pc - first : 0;
        t[i] = (struct store_target){first + pc % bytes, (uint32_t)(r >> 32) % code};
    }
    if (version % 2) t[n++] = (struct store_target){first + bytes - 1, 0};
    return n;
}

struct store_shard fake_id(uint32_t number)
{
    struct store_shard s = {.offset = number % 7, .first = 16 * (number % 50000), .npages = 1 + number % 5};
    struct rng state = {number};
    for (int i = 0; i < STORE_DIGEST; i += 8) {
        uint64_t word = rng_next(&state);
        memcpy(s.digest + i, &word, 8);
    }
    memcpy(s.digest + 8, &number, sizeof number);
    return s;
}

uint32_t fake_number(const struct store_shard *s)
{
    uint32_t number;
    memcpy(&number, s->digest + 8, sizeof number);
    return number;
}

struct store_memo fake_memo(uint32_t number)
{
    struct store_memo m = {.image = "an image", .inode = number};
    memcpy(m.digest, fake_id(number).digest, STORE_DIGEST);
    return m;
}

bool fake_add(struct codecache_writer *w, uint32_t number, uint32_t version, struct fake_sections **all)
{
    struct store_new n = {.id = fake_id(number)};
    struct store_target targets[FAKE_MAX_TARGETS];
    struct store_memo memo = fake_memo(number);
    struct fake_sections *mine = calloc(1, sizeof *mine);
    mine->next = *all;
    *all = mine;
    for (unsigned i = 0; i < STORE_SECTIONS; i++) {
        uint8_t *bytes = NULL;
        if (i != STORE_TABLE) n.section[i].bytes = make_section(number, version, i, &bytes);
        n.section[i].at = mine->at[i] = bytes;
    }
    n.ntargets = make_targets(&n.id, version, (uint32_t)n.section[STORE_CODE].bytes, targets);
    n.targets = targets;
    n.id.slot = codecache_slot(w, &n.id);
    return codecache_add(w, &n) && codecache_remember(w, &memo);
}

void fake_free(struct fake_sections *s)
{
    while (s) {
        struct fake_sections *next_one = s->next;
        for (int i = 0; i < STORE_SECTIONS; i++) free(s->at[i]);
        free(s);
        s = next_one;
    }
}

int fake_write(int dir, uint32_t first, uint32_t n, uint32_t version, uint64_t limit)
{
    int error = 0;
    struct codecache_writer *w = codecache_lock(dir, fake_key, true, &error);
    struct fake_sections *sections = NULL;
    bool good = w != NULL;
    for (uint32_t i = 0; good && i < n; i++) good = fake_add(w, first + i, version, &sections);
    if (good)
        error = codecache_commit(w, limit);
    else if (w)
        codecache_abandon(w);
    fake_free(sections);
    return good || error ? error : -1;
}

// ---------------------------------------------------------------- read back

// By the definition in store.h, one entry after the other from the end.
static void expect_table(const struct store *s, const struct store_shard *shard, uint32_t version, uint32_t code_bytes,
                         uint32_t *table)
{
    struct store_target targets[FAKE_MAX_TARGETS];
    uint32_t n = make_targets(shard, version, code_bytes, targets), entries = shard->npages << 12;
    bool *aimed = calloc(entries + 1, 1);
    memset(table, 0, entries * sizeof *table);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = targets[i].pc - (shard->first << 12);
        table[entry] = STORE_WINDOW + (uint32_t)shard->section[STORE_CODE].at + targets[i].code;
    }
    for (uint32_t i = entries; i-- > 0;) {
        aimed[i] = table[i] && !aimed[i + 1] && i + 1 < entries;
        if (!aimed[i]) table[i] = 0;
    }
    for (uint32_t page = 0; page < entries; page += STORE_TABLE_GUEST) {
        bool there = !page || aimed[page - 1];
        for (uint32_t i = 0; i < STORE_TABLE_GUEST; i++) there = there || aimed[page + i];
        for (uint32_t i = 0; there && i < STORE_TABLE_GUEST; i++)
            if (!aimed[page + i]) table[page + i] = s->head->top;
    }
    free(aimed);
}

static const char *compare(const struct store *s, const struct store_shard *shard, const void *const *at,
                           uint32_t *version)
{
    uint32_t number, code_bytes = 0;
    memcpy(&number, at[STORE_CODE], 4);
    memcpy(version, (const uint8_t *)at[STORE_CODE] + 4, 4);
    if (number != fake_number(shard)) return "code of another shard";
    for (unsigned i = 0; i < STORE_SECTIONS; i++) {
        uint8_t *bytes;
        if (i == STORE_TABLE) continue;
        uint32_t n = make_section(number, *version, i, &bytes);
        bool same = n == shard->section[i].bytes && !memcmp(bytes, at[i], n);
        free(bytes);
        if (!same) return "a section with wrong bytes";
        if (i == STORE_CODE) code_bytes = n;
    }
    uint32_t *table = malloc(shard->section[STORE_TABLE].bytes);
    expect_table(s, shard, *version, code_bytes, table);
    bool same = !memcmp(table, at[STORE_TABLE], shard->section[STORE_TABLE].bytes);
    free(table);
    return same ? NULL : "a wrong table";
}

const char *fake_check(const struct store *s, const struct store_shard *shard, uint32_t *version)
{
    const void *at[STORE_SECTIONS];
    struct store_shard id = fake_id(fake_number(shard));
    if (store_compare(&id, shard)) return "a shard that nobody made";
    if (store_find(s, &id) != shard) return "a shard that is not found";
    for (int i = 0; i < STORE_SECTIONS; i++)
        if (!(at[i] = store_section(s, shard, (enum store_section)i))) return "miss";
    return compare(s, shard, at, version);
}

const char *fake_check_all(const struct store *s, unsigned *misses)
{
    uint32_t version;
    *misses = 0;
    for (uint32_t i = 0; i < s->head->nshards; i++) {
        const char *wrong = fake_check(s, &store_shards(s)[i], &version);
        if (wrong && strcmp(wrong, "miss")) return wrong;
        *misses += wrong != NULL;
    }
    for (uint32_t i = 0; i < s->head->nmemos; i++) {
        const struct store_memo *m = &store_memos(s)[i];
        struct store_memo want = fake_memo((uint32_t)m->inode);
        if (memcmp(m, &want, sizeof want)) return "a memo that nobody made";
        if (store_digest(s, m->image, m->inode) != m->digest) return "a memo that is not found";
    }
    return NULL;
}

// ---------------------------------------------------------------- directories

int fake_directory(char path[FAKE_DIRECTORY])
{
    const char *tmp = getenv("TMPDIR");
    if (snprintf(path, FAKE_DIRECTORY, "%s/store-XXXXXX", tmp ? tmp : "/tmp") >= FAKE_DIRECTORY || !mkdtemp(path))
        exit(2);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void fake_remove(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));) (void)unlinkat(fd, e->d_name, 0);
    if (d) closedir(d);
    (void)rmdir(path);
}
