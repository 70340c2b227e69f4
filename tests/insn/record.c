// See record.h.
#define _GNU_SOURCE
#include "record.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "belljar record 1\ncpu: %159[^\n]\nseed: %" SCNu64 "\ncases: %u\n\n%n"
enum { NAME_BYTES = 48, GAP = 4 /* equal bytes that do not end a change */ };

struct block_head {
    char row[NAME_BYTES];
    uint64_t bytes;
};

// What comes before the changes of a case.
struct case_head {
    uint64_t hash, fault_addr;
    int8_t vector;
    uint8_t write, exec, present;
    uint8_t unused[4];
};

static uint64_t hash_bytes(uint64_t h, const void *from, size_t n)
{
    const uint8_t *p = from;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = 0;
        memcpy(&word, p + i, n - i < 8 ? n - i : 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15;
        h ^= h >> 32;
    }
    return h;
}

// Not the padding in front of fx.
static uint64_t hash_case(const struct test_case *c, const struct data_image *before)
{
    size_t fx = offsetof(struct machine, fx);
    uint64_t h = hash_bytes(c->len, c->bytes, c->len);
    h = hash_bytes(h, &c->in, offsetof(struct machine, gs_base) + sizeof c->in.gs_base);
    h = hash_bytes(h, (const uint8_t *)&c->in + fx, sizeof c->in - fx);
    return hash_bytes(h, before->byte, sizeof before->byte);
}

// ---- changes: (bytes to skip, bytes that follow), as 16-bit numbers; 0 bytes that follow end them ----

static void put16(FILE *f, size_t v)
{
    fputc((int)(v & 0xff), f);
    fputc((int)(v >> 8 & 0xff), f);
}

// How many bytes from here on belong to one change.
static size_t change_length(const uint8_t *from, const uint8_t *to, size_t n)
{
    size_t length = 1;
    for (size_t i = 1; i < n && i - length < GAP; i++)
        if (from[i] != to[i]) length = i + 1;
    return length;
}

static void put_changes(FILE *f, const void *before, const void *after, size_t n)
{
    const uint8_t *from = before, *to = after;
    size_t last = 0;
    for (size_t at = 0; at < n; at++) {
        if (from[at] == to[at]) continue;
        size_t length = change_length(from + at, to + at, n - at);
        put16(f, at - last);
        put16(f, length);
        fwrite(to + at, 1, length, f);
        last = at += length;
    }
    put16(f, 0);
    put16(f, 0);
}

static size_t get16(struct replay *r)
{
    if (r->end - r->at < 2) return 0;
    size_t v = (size_t)(r->at[0] | r->at[1] << 8);
    r->at += 2;
    return v;
}

static bool get_changes(struct replay *r, void *memory, size_t n)
{
    uint8_t *to = memory;
    for (size_t at = 0;;) {
        size_t skip = get16(r), length = get16(r);
        if (length == 0) return true;
        at += skip;
        if (at + length > n || (size_t)(r->end - r->at) < length) return false;
        memcpy(to + at, r->at, length);
        r->at += length, at += length;
    }
}

// ---- writing ----

// "Intel(R) Xeon(R) Processor, family 6 model 143 stepping 8"
void record_cpu_name(char *to, size_t size)
{
    char line[512], name[96] = "unknown", number[3][16] = {"?", "?", "?"};
    static const char *const keys[] = {"cpu family\t: %15s", "model\t\t: %15s", "stepping\t: %15s"};
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f) && line[0] != '\n') {
        sscanf(line, "model name\t: %95[^\n]", name);
        for (int i = 0; i < 3; i++) sscanf(line, keys[i], number[i]);
    }
    if (f) fclose(f);
    snprintf(to, size, "%s, family %s model %s stepping %s", name, number[0], number[1], number[2]);
}

static void write_all(int fd, const char *bytes, size_t n)
{
    // O_APPEND and one call: rows of several processes do not mix.
    if (write(fd, bytes, n) == (ssize_t)n) return;
    perror("record: write");
    exit(2);
}

int record_create(const char *path, uint64_t seed, unsigned cases)
{
    char cpu[160], head[320];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) perror(path), exit(2);
    record_cpu_name(cpu, sizeof cpu);
    int n =
        snprintf(head, sizeof head, "belljar record 1\ncpu: %s\nseed: %" PRIu64 "\ncases: %u\n\n", cpu, seed, cases);
    write_all(fd, head, (size_t)n);
    return fd;
}

void recorder_open(struct recorder *r, int fd, const char *row)
{
    *r = (struct recorder){.fd = fd, .row = row};
    r->f = open_memstream(&r->bytes, &r->size);
    if (!r->f) exit(2);
    struct block_head head = {{0}, 0}; // filled in when the size is known
    fwrite(&head, sizeof head, 1, r->f);
}

// Without what no comparison looks at, and which would change in every case.
static struct machine compared(const struct machine *in, const struct machine *after)
{
    struct machine m = *after;
    m.fx.fop = in->fx.fop, m.fx.fip = in->fx.fip, m.fx.fdp = in->fx.fdp, m.fx.mxcsr_mask = in->fx.mxcsr_mask;
    memcpy(m.fx.rest, in->fx.rest, sizeof m.fx.rest);
    return m;
}

void recorder_case(struct recorder *r, const struct test_case *c, const struct data_image *before,
                   const struct outcome *out, const struct memories *after)
{
    struct case_head head = {.hash = hash_case(c, before),
                             .fault_addr = out->fault_addr,
                             .vector = (int8_t)out->vector,
                             .write = out->write,
                             .exec = out->exec,
                             .present = out->present};
    struct machine state = compared(&c->in, &out->after);
    fwrite(&head, sizeof head, 1, r->f);
    put_changes(r->f, &c->in, &state, sizeof state);
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_writable(i)) put_changes(r->f, before->byte + i * PAGE, after->host[i], PAGE);
}

void recorder_close(struct recorder *r)
{
    fclose(r->f);
    struct block_head head = {.bytes = r->size - sizeof head};
    snprintf(head.row, sizeof head.row, "%s", r->row);
    memcpy(r->bytes, &head, sizeof head);
    write_all(r->fd, r->bytes, r->size);
    free(r->bytes);
}

// ---- reading ----

void recording_open(struct recording *r, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), end = 0;
    char head[512] = "";
    if (fd < 0 || fstat(fd, &st)) perror(path), exit(2);
    *r = (struct recording){.size = (size_t)st.st_size};
    r->bytes = mmap(NULL, r->size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (r->bytes == MAP_FAILED) perror(path), exit(2);
    memcpy(head, r->bytes, r->size < sizeof head - 1 ? r->size : sizeof head - 1);
    if (sscanf(head, HEAD, r->cpu, &r->seed, &r->cases, &end) == 3 && end) {
        r->first = (size_t)end;
        return;
    }
    fprintf(stderr, "%s: not a record of this version\n", path);
    exit(2);
}

bool recording_find(const struct recording *r, const char *row, struct replay *to)
{
    struct block_head head;
    *to = (struct replay){0};
    for (size_t at = r->first; r->size - at >= sizeof head; at += head.bytes) {
        memcpy(&head, r->bytes + at, sizeof head);
        at += sizeof head;
        if (head.bytes > r->size - at) return false;
        if (strncmp(head.row, row, sizeof head.row)) continue;
        to->at = r->bytes + at, to->end = to->at + head.bytes;
        return true;
    }
    return false;
}

bool replay_case(struct replay *r, const struct test_case *c, const struct data_image *before, struct outcome *out,
                 uint8_t *const data[DATA_PAGES])
{
    struct case_head head;
    if ((size_t)(r->end - r->at) < sizeof head) return false;
    memcpy(&head, r->at, sizeof head);
    r->at += sizeof head;
    if (head.hash != hash_case(c, before)) return false;
    *out = (struct outcome){.vector = head.vector,
                            .write = head.write,
                            .exec = head.exec,
                            .present = head.present,
                            .fault_addr = head.fault_addr,
                            .after = c->in};
    bool good = get_changes(r, &out->after, sizeof out->after);
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_writable(i)) good = good && get_changes(r, data[i], PAGE);
    return good;
}
