// record-fuzz: any bytes as a record of translations (jit/record.h) or as the profile that they are made from. What
// record_check lets through must keep within its bounds wherever a box looks (record_box.h, use_all); what is really
// made must be let through; a build with AddressSanitizer sees what is read beyond the bytes.
//
//     record-fuzz [--seed N] [--first N] [--cases N] [--seconds S]
//
// A case is a function of the seed and its number.
#if !defined(__x86_64__) || defined(BELLJAR_PORTABLE)
int main(void)
{
    return 77; // nothing is translated
}
#else
#include "campaign.h"
#include "cli/cachefill_profile.h"
#include "tests/insn/values.h"
#include "tests/unit/record_box.h"

enum { MAX_CHANGES = 6, MAX_LISTED_CODES = 200 };

struct counts {
    uint64_t cases, let_through, made, codes;
};

// ---- a record that was changed ----

static uint64_t interesting(struct rng *r, uint64_t was)
{
    static const uint64_t values[] = {0, 1, 2, 3, 255, 65535, 1 << 20, 1u << 31, UINT32_MAX, UINT64_MAX};
    uint64_t x = rng_next(r);
    switch (x % 6) {
    case 0:
        return values[(x >> 8) % (sizeof values / sizeof *values)];
    case 1:
        return was ^ 1ull << (x >> 8) % 32;
    case 2:
        return x >> 8;
    default:
        return was + (x >> 8) % 33 - 16;
    }
}

// A number, mostly of the smaller sections: the code is the largest by far.
static void change_one(struct rng *r, const struct record *rec, uint8_t *at, size_t n)
{
    uint64_t x = rng_next(r), was = 0;
    unsigned s = (unsigned)(x % (2 * STORE_SECTIONS)), width = 1u << (x >> 8) % 3;
    size_t from = 0, room = n;
    if (s < STORE_SECTIONS && rec->head->shard.section[s].bytes >= 8) {
        from = (size_t)((const uint8_t *)rec->section[s] - (const uint8_t *)rec->head);
        room = rec->head->shard.section[s].bytes;
    } else if (s == STORE_SECTIONS) {
        room = sizeof *rec->head;
    }
    size_t place = from + (size_t)(rng_next(r) % (room / width)) * width;
    if (place + width > n) return;
    memcpy(&was, at + place, width);
    was = interesting(r, was);
    memcpy(at + place, &was, width);
}

// In memory that ends where the record does.
static void try_changed(struct rng *r, const struct bytes *seed, struct counts *c)
{
    struct record rec;
    size_t n = rng_next(r) % 16 ? seed->n : (size_t)(rng_next(r) % seed->n);
    struct bytes changed = {malloc(n + !n), n};
    if (!changed.at || !record_parse(seed->at, seed->n, &rec)) abort();
    memcpy(changed.at, seed->at, n);
    for (uint64_t i = rng_next(r) % MAX_CHANGES; n == seed->n && i < MAX_CHANGES; i++)
        change_one(r, &rec, changed.at, n);
    if (is_good(&changed, &rec)) {
        c->let_through++;
        use_all(&rec);
    }
    free(changed.at);
}

// ---- what is made of any profile ----

static void try_profile(struct rng *r, struct counts *c)
{
    struct profile_code codes[MAX_LISTED_CODES];
    struct build_task t = task();
    struct record rec;
    t.codes = codes;
    t.ncodes = (uint32_t)(rng_next(r) % MAX_LISTED_CODES);
    t.fuel = rng_next(r) % 4 == 0;
    for (uint32_t i = 0; i < t.ncodes; i++) {
        uint64_t x = rng_next(r);
        codes[i] = (struct profile_code){CODE + (uint32_t)(x % (PAGES * PAGE_BYTES + 64)), (uint32_t)(x >> 32) & 15};
        if (x >> 40 & 3) codes[i].pc = CODE + (uint32_t)(x >> 48) % 64 * 4 + (x >> 42 & 1 ? FAR : 0);
    }
    struct bytes b = make_record_of(&t);
    if (!b.at) return;
    c->made++;
    if (!is_good(&b, &rec)) {
        fprintf(stderr, "what was made is refused for %s: %s\n", refused_for, check.refused);
        abort();
    }
    use_all(&rec);
    free(b.at);
}

// ---- a profile's bytes ----

static void join_and_look(const struct profile_mapping *m, struct profile_list known, struct profile_list more)
{
    struct profile_codes to;
    if (!profile_join(m, known, more, &to)) abort();
    must(to.fresh <= to.n && to.n <= known.n + more.n, "join");
    for (uint32_t i = 0; i < to.n; i++)
        must((to.at[i].pc >> PAGE_SHIFT) - m->first < m->npages && to.at[i].flags <= PROFILE_ALL, "a code elsewhere");
    struct profile_codes new;
    if (!profile_unknown(m, known, more, &new)) abort();
    must(new.n == to.fresh && !memcmp(new.at, to.at + (to.n - to.fresh), new.n * sizeof *new.at), "what is unknown");
    free(new.at);
    (void)profile_is_worth_it(known, more.n);
    free(to.at);
}

static void try_bytes(struct rng *r, struct counts *c)
{
    size_t n = (size_t)(rng_next(r) % 2000) & ~(size_t)7;
    uint64_t *bytes = malloc(n + 8);
    const uint8_t *at = (const uint8_t *)bytes;
    struct profile_list last = {NULL, 0};
    struct profile_mapping m;
    const struct profile_code *codes;
    if (!bytes) abort();
    for (size_t i = 0; i < n / 8; i++) {
        bytes[i] = rng_next(r);
        if (bytes[i] % 4) bytes[i] &= 0x1f0000001f;
    }
    for (size_t left = n; profile_next(&at, &left, &m, &codes); c->codes += m.ncodes) {
        join_and_look(&m, last, (struct profile_list){codes, m.ncodes});
        last = (struct profile_list){codes, m.ncodes};
    }
    free(bytes);
}

static void run_case(uint64_t seed, uint64_t number, const struct bytes *record, struct counts *c)
{
    struct rng r = {seed ^ number * 0xd1342543de82ef95};
    uint64_t x = rng_next(&r) % 32;
    c->cases++;
    if (x == 0)
        try_profile(&r, c);
    else if (x < 8)
        try_bytes(&r, c);
    else
        try_changed(&r, record, c);
}

int main(int argc, char **argv)
{
    struct counts c = {0};
    const struct campaign run = campaign_of(argc, argv);
    if (record_box_open()) return 2;
    struct build_task t = task();
    struct bytes record = make_record_of(&t);
    for (uint64_t number = run.first; campaign_goes_on(&run, number); number++) run_case(run.seed, number, &record, &c);
    printf("record-fuzz: seed %llu: %llu cases, %llu changed records let through, %llu made, %llu codes joined\n",
           (unsigned long long)run.seed, (unsigned long long)c.cases, (unsigned long long)c.let_through,
           (unsigned long long)c.made, (unsigned long long)c.codes);
    free(record.at);
    record_box_close();
    return 0;
}
#endif
