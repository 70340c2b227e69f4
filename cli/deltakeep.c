// See deltakeep.h.
#include "cli/deltakeep.h"
#include "cli/cachefill.h"
#include "cli/value.h"
#include "disk/digest.h"
#include "disk/pool.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// What is known of a file by these facts. It takes a second for a gigabyte to read it; the pool remembers.
static bool note_name(const struct deltakeep *k, char name[64])
{
    uint8_t facts[16];
    if (cachefill_name_file(k->image, facts)) return false;
    int n = snprintf(name, 64, "digest of file ");
    for (unsigned i = 0; i < sizeof facts; i++) n += snprintf(name + n, 64 - (size_t)n, "%02x", facts[i]);
    return true;
}

static int digest_of_file(const struct deltakeep *k, uint64_t bytes, uint8_t digest[32], char why[DELTASERVER_WHY])
{
    char name[64], again[64], ignored[POOL_WHY];
    struct pool *pool = NULL;
    bool known = note_name(k, name) && !pool_open(&pool, k->line->pool, k->line->cache_size, ignored);
    if (known && pool_note(pool, name, digest, 32) == 32) {
        pool_close(pool);
        return 0;
    }
    int err = image_digest(k->image, bytes, digest, NULL, NULL, why, DELTASERVER_WHY);
    if (!err && known && note_name(k, again) && !strcmp(name, again)) pool_set_note(pool, name, digest, 32);
    if (pool) pool_close(pool);
    return err;
}

// In the server, while nobody waits but the worker.
static int base_of_file(const struct deltakeep *k, uint64_t *bytes, uint8_t digest[32], char why[DELTASERVER_WHY])
{
    off_t end = lseek(k->image, 0, SEEK_END);
    if (end < 0) {
        snprintf(why, DELTASERVER_WHY, "the image cannot be read: %s", strerror(errno));
        return -EIO;
    }
    *bytes = (uint64_t)end;
    return digest_of_file(k, *bytes, digest, why);
}

static int base_of_server(const struct disk_head *head, uint64_t *bytes, uint8_t digest[32], char why[DELTASERVER_WHY])
{
    const struct timespec pause = {.tv_nsec = 1000000};
    uint32_t state;
    while ((state = disk_load(&head->state)) == DISK_OPENING) nanosleep(&pause, NULL); // it ends, one way or the other
    if (state != DISK_OPEN) {
        snprintf(why, DELTASERVER_WHY, "the image of the delta cannot be opened");
        return -EIO;
    }
    *bytes = head->bytes;
    memcpy(digest, head->digest, DISK_DIGEST);
    return 0;
}

static int base(void *ctx, uint64_t *bytes, uint8_t digest[32], char why[DELTASERVER_WHY])
{
    const struct deltakeep *k = ctx;
    return k->image >= 0 ? base_of_file(k, bytes, digest, why) : base_of_server(k->head, bytes, digest, why);
}

static int start(struct deltakeep *k)
{
    int keep[] = {0, k->options.memory, k->image}, pipe[2];
    if (pipe2(pipe, O_CLOEXEC)) return -1;
    keep[0] = k->options.end = pipe[1];
    int err = server_start(&k->server, deltaserver_run, &k->options, keep, k->image >= 0 ? 3 : 2);
    close(pipe[1]);
    k->pipe = pipe[0];
    return err;
}

void deltakeep_lent(struct deltakeep *k)
{
    if (k->server.pid) server_lent(&k->server);
}

int deltakeep_start(struct deltakeep *k, const struct command_line *l, int image, const struct imageserver *disk,
                    int memory)
{
    if (!l->delta) return 0;
    *k = (struct deltakeep){.line = l, .image = image, .head = disk->head};
    k->options = (struct deltaserver){.path = l->delta,
                                      .limit = l->delta_size ? l->delta_size : DELTA_LIMIT,
                                      .base = base,
                                      .ctx = k,
                                      .memory = memory};
    if (!start(k)) return 0;
    return fail(STATUS_FAILED, "--delta: cannot start the process that keeps it: %s", strerror(errno));
}

void deltakeep_end(struct deltakeep *k)
{
    if (!k->server.pid) return;
    server_end(&k->server);
    k->ended = read(k->pipe, &k->end, sizeof k->end) == sizeof k->end;
    close(k->pipe);
    printable(k->end.damage, k->end.damage, sizeof k->end.damage);
    if (k->end.damage[0]) fail(0, "%s", k->end.damage);
}

// A server that was killed has told nothing.
void deltakeep_report(const struct deltakeep *k, FILE *f)
{
    const struct deltaserver_end *e = &k->end;
    if (!k->line) return;
    if (!k->ended)
        fputs(", \"delta\": null", f);
    else
        fprintf(f,
                ", \"delta\": {\"read\": %" PRIu64 ", \"written\": %" PRIu64 ", \"saves\": %" PRIu64
                ", \"size\": %" PRIu64 ", \"used\": %" PRIu64 "}",
                e->read, e->written, e->saves, e->size, e->used);
}
