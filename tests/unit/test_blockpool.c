// The worker's side of an image that comes from a server (vfs/blockpool.c): what it asks for, what it makes of the
// table, and what it does not believe.
#include "vfs/blockdev.h"
#include "abi/errno.h"
#include "host/link.h"
#include "vfs/disk_protocol.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { CHUNKS = 100, SLOTS = 8, SPARE = 2 };

struct server { // what the test plays
    int table, blocks, spare, link[2];
    struct disk_head *head;
    uint32_t *word;
    struct ram ram;
    struct blockdev *dev;
    char why[100];
};

static int memory(uint64_t n)
{
    int fd = memfd_create("test", 0);
    assert_true(fd >= 0 && !ftruncate(fd, (off_t)n));
    return fd;
}

static void fill(int fd, uint32_t slots, char first)
{
    for (uint32_t i = 0; i < slots; i++) {
        char *bytes = malloc(DISK_CHUNK);
        memset(bytes, first + (int)i, DISK_CHUNK);
        assert_int_equal(pwrite(fd, bytes, DISK_CHUNK, (off_t)i * DISK_CHUNK), DISK_CHUNK);
        free(bytes);
    }
}

static void set_up(struct server *s)
{
    *s = (struct server){0};
    s->table = memory(DISK_TABLE + 4 * CHUNKS);
    s->blocks = memory(SLOTS * DISK_CHUNK);
    s->spare = memory(SPARE * DISK_CHUNK);
    fill(s->blocks, SLOTS, 'a');
    fill(s->spare, SPARE, 'A');
    s->head = mmap(NULL, DISK_TABLE + 4 * CHUNKS, PROT_READ | PROT_WRITE, MAP_SHARED, s->table, 0);
    assert_true(s->head != MAP_FAILED);
    s->word = (uint32_t *)(void *)((char *)s->head + DISK_TABLE);
    *s->head = (struct disk_head){
        .state = DISK_OPEN, .chunks = CHUNKS, .piece = DISK_PARTS, .bytes = CHUNKS * DISK_CHUNK - 100};
    assert_int_equal(host_link_pair(s->link), 0);
    assert_int_equal(ram_open(&s->ram, 64), 0);
}

static int open_device(struct server *s)
{
    struct blockpool_of of = {s->blocks, s->spare, s->table, s->link[0]};
    return blockpool_open(&s->ram, &of, &s->dev, s->why, sizeof s->why);
}

static void tear_down(struct server *s)
{
    if (s->dev) blockdev_close(s->dev);
    munmap(s->head, DISK_TABLE + 4 * CHUNKS);
    ram_close(&s->ram);
    close(s->table);
    close(s->blocks);
    close(s->spare);
    close(s->link[0]);
    if (s->link[1] >= 0) close(s->link[1]);
}

static uint32_t in_slot(uint32_t slot) // all of a chunk
{
    return disk_word(slot, 0, DISK_ALL);
}

// The wants of one packet, as text.
static const char *taken(const struct server *s)
{
    static char text[300];
    struct disk_want w[DISK_WANTS];
    int64_t n = host_link_take(s->link[1], w, sizeof w, false);
    *text = 0;
    for (int64_t i = 0; i < n / (int64_t)sizeof *w; i++)
        sprintf(text + strlen(text), "%s%u+%u%c", i ? " " : "", w[i].first, w[i].count, "nam"[w[i].urgency % 3]);
    return text;
}

static int ready(const struct server *s, uint32_t chunk, struct waitq **wait)
{
    return s->dev->ops->ready(s->dev, (uint64_t)chunk * DISK_CHUNK, 4096, wait);
}

static void test_waiting(void **state)
{
    struct server s;
    struct waitq *wait = NULL;
    char byte;
    (void)state;
    set_up(&s);
    assert_int_equal(open_device(&s), 0);
    s.dev->stalls = false;
    assert_int_equal(ready(&s, 50, &wait), -LX_EPARK);
    assert_non_null(wait);
    assert_string_equal(taken(&s), "50+1n 51+1m");
    assert_int_equal(ready(&s, 50, &wait), -LX_EPARK); // not asked for again
    assert_string_equal(taken(&s), "");
    assert_int_equal(ready(&s, 60, NULL), -LX_EPARK); // nobody waits
    assert_string_equal(taken(&s), "60+1m");
    blockdev_ahead(s.dev, 60 * DISK_CHUNK, 1); // more urgent now
    assert_string_equal(taken(&s), "60+1a");
    blockdev_hint(s.dev, 60 * DISK_CHUNK, 1);
    assert_string_equal(taken(&s), "");
    s.word[50] = in_slot(3);
    assert_int_equal(ready(&s, 50, &wait), 0);
    assert_int_equal(blockdev_read(s.dev, 50 * DISK_CHUNK + 7, &byte, 1), 0);
    assert_int_equal(byte, 'd');
    assert_int_equal(*ram_ptr(&s.ram, s.dev->ops->frame(s.dev, 50 * DISK_CHUNK + 4096)), 'd');
    assert_int_equal(s.dev->ops->frame(s.dev, 51 * DISK_CHUNK), 0);
    tear_down(&s);
}

static int ready_part(const struct server *s, uint32_t part, struct waitq **wait)
{
    return s->dev->ops->ready(s->dev, (uint64_t)part * DISK_PART, 4096, wait);
}

// The same where chunks come in parts: wants are in these.
static void test_parts(void **state)
{
    struct server s;
    struct waitq *wait = NULL;
    char bytes[2] = "";
    (void)state;
    set_up(&s);
    s.head->piece = 1;
    assert_int_equal(open_device(&s), 0);
    s.dev->stalls = false;
    assert_int_equal(ready_part(&s, 202, &wait), -LX_EPARK);
    assert_string_equal(taken(&s), "202+1n 203+3a");
    s.word[50] = disk_word(3, 0, 1 << 1);
    assert_int_equal(ready_part(&s, 201, &wait), 0);
    assert_int_equal(ready_part(&s, 202, &wait), -LX_EPARK);
    assert_int_equal(s.dev->ops->frame(s.dev, 202 * DISK_PART), 0);
    (void)taken(&s);
    s.word[50] = disk_word(3, 1 << 3, 3 << 1);
    assert_int_equal(ready_part(&s, 202, &wait), 0);
    assert_int_equal(ready_part(&s, 203, &wait), -LX_EIO);
    while (*taken(&s)) continue;
    assert_int_equal(ready_part(&s, 200, NULL), -LX_EPARK);
    assert_string_equal(taken(&s), "200+1m");
    assert_int_equal(blockdev_read(s.dev, 202 * DISK_PART - 1, bytes, 2), 0); // over two of them
    assert_memory_equal(bytes, "dd", 2);
    assert_int_equal(blockdev_read(s.dev, 203 * DISK_PART - 1, bytes, 2), -LX_EIO);
    assert_int_equal(*ram_ptr(&s.ram, s.dev->ops->frame(s.dev, 202 * DISK_PART + 4096)), 'd');
    s.word[50] = disk_word(SLOTS, 0, 7); // another slot has more of it
    assert_int_equal(blockdev_read(s.dev, 200 * DISK_PART, bytes, 1), 0);
    assert_int_equal(*bytes, 'A');
    while (*taken(&s)) continue;
    blockdev_hint(s.dev, 90 * DISK_CHUNK - 1, 3 * DISK_PART);
    assert_string_equal(taken(&s), "359+4m");
    assert_int_equal(s.dev->ops->ready(s.dev, s.dev->bytes - 1, 1, &wait), -LX_EPARK);
    assert_string_equal(taken(&s), "399+1n"); // the last, and nothing behind it
    tear_down(&s);
}

static void test_news(void **state)
{
    struct server s;
    struct waitq *wait = NULL;
    struct waiter w = {0};
    (void)state;
    set_up(&s);
    assert_int_equal(open_device(&s), 0);
    s.dev->stalls = false;
    assert_int_equal(blockdev_waits(s.dev), -1);
    assert_int_equal(ready(&s, 1, &wait), -LX_EPARK);
    waitq_add(wait, &w);
    assert_int_equal(blockdev_waits(s.dev), s.link[0]);
    waitq_remove(&w);
    assert_int_equal(blockdev_waits(s.dev), -1);
    for (int i = 0; i < 3; i++) assert_int_equal(host_link_send(s.link[1], "!", 1), 0);
    s.dev->ops->news(s.dev); // takes them all
    assert_int_equal(host_link_take(s.link[0], (char[1]){0}, 1, false), -LX_EAGAIN);
    tear_down(&s);
}

static void test_readahead(void **state)
{
    struct server s;
    struct waitq *wait;
    char all[300] = "";
    (void)state;
    set_up(&s);
    assert_int_equal(open_device(&s), 0);
    s.dev->stalls = false;
    for (uint32_t c = 10; c < 20; c++) {
        (void)ready(&s, c, &wait);
        sprintf(all + strlen(all), "%s;", taken(&s));
        s.word[c] = in_slot(1 + c % (SLOTS - 1));
    }
    assert_string_equal(all,
                        "10+1n 11+1m;11+1n 12+2a;12+1n 14+3a;13+1n;14+1n 17+6a;15+1n;16+1n;17+1n;18+1n 23+12a;19+1n;");
    (void)ready(&s, 99, &wait); // nothing beyond the end
    assert_string_equal(taken(&s), "99+1n");
    tear_down(&s);
}

static void test_odd_words(void **state)
{
    struct server s;
    struct waitq *wait;
    char bytes[4096];
    (void)state;
    set_up(&s);
    s.word[1] = in_slot(SLOTS + 1); // in the spare memory
    s.word[2] = in_slot(SLOTS + SPARE);
    s.word[3] = in_slot(DISK_ZERO);
    s.word[4] = disk_word(0, DISK_ALL, 0);
    s.word[5] = in_slot(0);
    s.word[6] = disk_word(2, 1, DISK_ALL - 1); // a part of what comes whole
    assert_int_equal(open_device(&s), 0);
    assert_int_equal(blockdev_read(s.dev, DISK_CHUNK, bytes, sizeof bytes), 0);
    assert_int_equal(bytes[5], 'B');
    assert_int_equal(*ram_ptr(&s.ram, s.dev->ops->frame(s.dev, DISK_CHUNK)), 'B');
    assert_int_equal(blockdev_read(s.dev, 2 * DISK_CHUNK, bytes, sizeof bytes), -LX_EIO);
    assert_int_equal(s.dev->ops->frame(s.dev, 2 * DISK_CHUNK), 0);
    assert_int_equal(blockdev_read(s.dev, 4 * DISK_CHUNK - 8, bytes, 4), 0);
    assert_memory_equal(bytes, "\0\0\0", 4);
    assert_int_equal(blockdev_read(s.dev, 4 * DISK_CHUNK - 8, bytes, 16), -LX_EIO);
    for (uint32_t i = 4; i <= 6; i++) assert_int_equal(ready(&s, i, &wait), -LX_EIO);
    assert_int_equal(ready(&s, CHUNKS, &wait), -LX_EIO);
    assert_int_equal(blockdev_read(s.dev, s.dev->bytes - 1, bytes, 2), -LX_EIO);
    tear_down(&s);
}

static void test_server_gone(void **state)
{
    struct server s;
    struct waitq *wait;
    char byte;
    (void)state;
    set_up(&s);
    s.word[1] = in_slot(2);
    assert_int_equal(open_device(&s), 0);
    s.dev->stalls = false;
    assert_int_equal(ready(&s, 2, &wait), -LX_EPARK);
    close(s.link[1]);
    s.link[1] = -1;
    s.dev->ops->news(s.dev);
    assert_int_equal(ready(&s, 2, &wait), -LX_EIO);
    assert_int_equal(blockdev_read(s.dev, 70 * DISK_CHUNK, &byte, 1), -LX_EIO);
    assert_int_equal(blockdev_read(s.dev, DISK_CHUNK, &byte, 1), 0);
    assert_int_equal(byte, 'c');
    tear_down(&s);
}

static void test_refused(void **state)
{
    static const struct disk_head wrong[] = {
        {.state = DISK_OPEN, .chunks = CHUNKS + 1, .piece = 1, .bytes = 1}, // more than the table has
        {.state = DISK_OPEN,
         .chunks = CHUNKS,
         .piece = 1,
         .bytes = CHUNKS * DISK_CHUNK + 1}, // more than the chunks have
        {.state = DISK_OPEN, .chunks = DISK_MAX_CHUNKS + 1, .piece = 1, .bytes = 1},
        {.state = DISK_OPEN, .chunks = CHUNKS, .piece = 2, .bytes = 1},
        {.state = DISK_ENDED, .chunks = CHUNKS, .piece = 1, .bytes = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server s;
        set_up(&s);
        *s.head = wrong[i];
        assert_int_equal(open_device(&s), -LX_EIO);
        assert_true(*s.why);
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiting),   cmocka_unit_test(test_parts),     cmocka_unit_test(test_news),
        cmocka_unit_test(test_readahead), cmocka_unit_test(test_odd_words), cmocka_unit_test(test_server_gone),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
