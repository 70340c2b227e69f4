// See http_headers.h.
#include "disk/http_headers.h"
#include "disk/http_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 65536 };

static int add_line(struct http_headers *h, const char *line, size_t n, char why[HTTP_WHY])
{
    char *copy = h->n < HTTP_HEADERS ? strndup(line, n) : NULL;
    if (!copy) {
        snprintf(why, HTTP_WHY, h->n < HTTP_HEADERS ? "no memory" : "more than %d headers", HTTP_HEADERS);
        return -1;
    }
    h->line[h->n++] = copy;
    if (http_is_header(copy) && strlen(copy) == n) return 0;
    snprintf(why, HTTP_WHY, "is no header as 'Name: value'");
    return -1;
}

static int add_lines(struct http_headers *h, const char *text, size_t n, char why[HTTP_WHY])
{
    char reason[HTTP_WHY / 2];
    unsigned number = 1;
    for (size_t at = 0, end; at < n; at = end + 1, number++) {
        const char *newline = memchr(text + at, '\n', n - at);
        end = newline ? (size_t)(newline - text) : n;
        size_t length = end - at;
        if (length && text[at + length - 1] == '\r') length--;
        if (length == 0 || text[at] == '#' || add_line(h, text + at, length, why) == 0) continue;
        snprintf(reason, sizeof reason, "%s", why);
        snprintf(why, HTTP_WHY, "line %u: %s", number, reason);
        return -1;
    }
    return 0;
}

// Also of a pipe, as <(COMMAND) of a shell is one.
static ssize_t read_all(int fd, char *text, size_t most)
{
    size_t n = 0;
    while (n < most) {
        ssize_t more = read(fd, text + n, most - n);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return -1;
        if (more == 0) break;
        n += (size_t)more;
    }
    return (ssize_t)n;
}

static int add_file(struct http_headers *h, const char *path, char why[HTTP_WHY])
{
    char reason[HTTP_WHY / 2 - 8] = "", *text = malloc(FILE_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC), err = -1;
    ssize_t n = fd >= 0 && text ? read_all(fd, text, FILE_BYTES) : -1;
    if (n < 0)
        snprintf(reason, sizeof reason, "%s", strerror(errno));
    else if (n == FILE_BYTES)
        snprintf(reason, sizeof reason, "is too long");
    else if ((err = add_lines(h, text, (size_t)n, why)))
        snprintf(reason, sizeof reason, "%s", why);
    if (err) snprintf(why, HTTP_WHY, "%.*s: %s", HTTP_WHY / 2, path, reason);
    if (fd >= 0) close(fd);
    if (text) explicit_bzero(text, FILE_BYTES);
    free(text);
    return err;
}

int http_headers_add(struct http_headers *h, const char *spec, char why[HTTP_WHY])
{
    if (*spec == '@') return add_file(h, spec + 1, why);
    int err = add_line(h, spec, strlen(spec), why);
    if (err && strchr(why, '\'')) snprintf(why, HTTP_WHY, "it is neither a header as 'Name: value' nor @FILE");
    return err;
}

int http_headers_add_environment(struct http_headers *h, char why[HTTP_WHY])
{
    char reason[HTTP_WHY - 32];
    const char *spec = getenv("BELLJAR_HTTP_HEADER");
    if (!spec || !*spec || http_headers_add(h, spec, why) == 0) return 0;
    snprintf(reason, sizeof reason, "%s", why);
    snprintf(why, HTTP_WHY, "$BELLJAR_HTTP_HEADER: %s", reason);
    return -1;
}

void http_headers_wipe(struct http_headers *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        explicit_bzero(h->line[i], strlen(h->line[i]));
        free(h->line[i]);
    }
    *h = (struct http_headers){0};
}
