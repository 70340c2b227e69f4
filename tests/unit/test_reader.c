// Files read by calls and by copying: the same bytes, also where the file has become shorter, and a bound on what is
// mapped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "host/reader.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 300000, MANY = 50 }; // reads of a chunk until it is hot, and more

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16) + 1);
}

static struct reader new_reader(uint64_t bytes, uint64_t filled)
{
    struct reader r;
    int fd = memfd_create("test", 0);
    uint8_t *p = malloc(filled + 1);
    for (uint64_t i = 0; i < filled; i++) p[i] = byte_at(i);
    assert_int_equal(write(fd, p, filled), filled);
    if (bytes > filled) assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    free(p);
    reader_open(&r, fd, (bytes + 4095) & ~4095ull);
    return r;
}

static void end(struct reader *r)
{
    int fd = r->fd;
    reader_close(r);
    close(fd);
}

// As host/ram.c does: until the pieces are full.
static void read_all(struct reader *r, uint64_t at, uint8_t *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        struct host_piece rest = {to + done, n - done};
        int64_t got = reader_read(r, at + done, &rest, 1);
        assert_true(got > 0 && (size_t)got <= n - done);
        done += (size_t)got;
    }
}

static void check(struct reader *r, uint64_t at, size_t n, uint64_t size)
{
    static uint8_t buf[SIZE];
    memset(buf, 0xee, sizeof buf);
    read_all(r, at, buf, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(buf[i], at + i < size ? byte_at(at + i) : 0);
}

static void heat_up(struct reader *r, uint64_t bytes, uint64_t size)
{
    for (unsigned i = 0; i < MANY; i++)
        for (uint64_t at = 0; at + 4096 <= bytes; at += 65536) check(r, at, 4096, size);
}

static void the_same_bytes_cold_and_hot(void **state)
{
    (void)state;
    struct reader r = new_reader(SIZE, SIZE);
    srand(1);
    for (unsigned i = 0; i < 400; i++) {
        uint64_t at = (uint64_t)rand() % SIZE;
        size_t n = 1 + (size_t)rand() % 70000;
        if (at + n > r.bytes) n = (size_t)(r.bytes - at);
        check(&r, at, n, SIZE);
    }
    assert_non_null(r.mapped);
    assert_int_equal(r.hot, 5);
    end(&r);
}

static void into_pieces(void **state)
{
    (void)state;
    struct reader r = new_reader(SIZE, SIZE);
    uint8_t buf[30];
    const struct host_piece p[] = {{buf + 20, 5}, {buf + 1, 1}, {buf + 10, 7}};
    for (unsigned i = 0; i < MANY; i++) {
        memset(buf, 0, sizeof buf);
        assert_int_equal(reader_read(&r, 65530, p, 3), 13);
        for (unsigned k = 0; k < 5; k++) assert_int_equal(buf[20 + k], byte_at(65530 + k));
        assert_int_equal(buf[1], byte_at(65535));
        for (unsigned k = 0; k < 7; k++) assert_int_equal(buf[10 + k], byte_at(65536 + k));
        assert_true(!buf[0] && !buf[2] && !buf[9] && !buf[17] && !buf[19] && !buf[25]);
    }
    assert_int_equal(r.hot, 2);
    end(&r);
}

// What is read now and then stays a matter of calls.
static void cold_is_not_mapped(void **state)
{
    (void)state;
    struct reader r = new_reader(SIZE, SIZE);
    for (unsigned i = 0; i < 2; i++)
        for (uint64_t at = 0; at + 65536 <= SIZE; at += 65536) check(&r, at, 65536, SIZE);
    assert_null(r.mapped);
    end(&r);
}

static void cut_short(void **state)
{
    (void)state;
    struct reader r = new_reader(SIZE, SIZE);
    heat_up(&r, SIZE, SIZE);
    assert_non_null(r.mapped);
    assert_int_equal(ftruncate(r.fd, 100000), 0);
    check(&r, 90000, 30000, 100000);
    check(&r, 200000, 4096, 100000);
    check(&r, 0, 4096, 100000);
    assert_null(r.heat); // by calls from now on
    end(&r);
}

static void beyond_the_end(void **state)
{
    (void)state;
    struct reader r = new_reader(SIZE, SIZE);
    uint8_t buf[16];
    heat_up(&r, SIZE, SIZE);
    for (unsigned i = 0; i < MANY; i++) {
        memset(buf, 1, sizeof buf);
        read_all(&r, r.bytes - 8, buf, sizeof buf);
        for (unsigned k = 0; k < sizeof buf; k++) assert_int_equal(buf[k], 0);
        memset(buf, 1, sizeof buf);
        read_all(&r, UINT32_MAX, buf, sizeof buf);
        for (unsigned k = 0; k < sizeof buf; k++) assert_int_equal(buf[k], 0);
    }
    end(&r);
}

static void bounded(void **state)
{
    (void)state;
    uint64_t bytes = 1500 * 65536;
    struct reader r = new_reader(bytes, 4096);
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t at = 0; at < bytes; at += 65536)
            for (unsigned i = 0; i < 10; i++) {
                check(&r, at, 4096, 4096);
                assert_in_range(r.hot, 0, 1024);
            }
        assert_non_null(r.mapped);
    }
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes_cold_and_hot),
        cmocka_unit_test(into_pieces),
        cmocka_unit_test(cold_is_not_mapped),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(beyond_the_end),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
