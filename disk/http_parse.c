// Text of headers and URLs: see http_private.h. What comes in is hostile, and not terminated.
#include "disk/http_private.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool http_parse_number(const char *s, size_t n, uint64_t *value)
{
    uint64_t x = 0;
    if (n == 0 || n > 19) return false; // INT64_MAX has 19 digits; 19 digits fit in 64 bits
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        x = x * 10 + (uint64_t)(s[i] - '0');
    }
    *value = x;
    return x <= INT64_MAX;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_parse_content_range(const char *s, size_t n, struct http_content_range *r)
{
    static const char unit[] = "bytes";
    const char *end = s + n;
    if (n < sizeof unit || strncasecmp(s, unit, sizeof unit - 1) || !is_blank(s[sizeof unit - 1])) return false;
    for (s += sizeof unit; s < end && is_blank(*s);) s++;
    const char *slash = memchr(s, '/', (size_t)(end - s));
    *r = (struct http_content_range){0};
    if (!slash || !http_parse_number(slash + 1, (size_t)(end - slash - 1), &r->total)) return false;
    r->none = slash - s == 1 && *s == '*';
    if (r->none) return true;
    const char *dash = memchr(s, '-', (size_t)(slash - s));
    return dash && http_parse_number(s, (size_t)(dash - s), &r->first) &&
           http_parse_number(dash + 1, (size_t)(slash - dash - 1), &r->last) && r->first <= r->last &&
           r->last < r->total;
}

bool http_parse_etag(const char *s, size_t n, char tag[HTTP_PIN], bool *weak)
{
    size_t quote = n > 2 && s[0] == 'W' && s[1] == '/' ? 2 : 0;
    if (n >= HTTP_PIN || n < quote + 2 || s[quote] != '"' || s[n - 1] != '"') return false;
    for (size_t i = quote + 1; i < n - 1; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= ' ' || c == '"' || c == 0x7f) return false;
    }
    *weak = quote == 2;
    memcpy(tag, s, n);
    tag[n] = 0;
    return true;
}

// Servers compare it with their own as text, and so does belljar: what it says does not matter.
bool http_parse_date(const char *s, size_t n, char tag[HTTP_PIN])
{
    if (n < 8 || n >= 64 || s[0] < 'A' || s[0] > 'Z') return false; // a day's name, in all three forms of RFC 9110
    for (size_t i = 0; i < n; i++)
        if (s[i] < ' ' || s[i] > '~') return false;
    memcpy(tag, s, n);
    tag[n] = 0;
    return true;
}

unsigned http_parse_retry_after(const char *s, size_t n, time_t now, unsigned most)
{
    char text[64] = "";
    uint64_t seconds;
    struct tm tm = {0};
    if (n >= sizeof text) return 0;
    if (http_parse_number(s, n, &seconds)) return seconds < most / 1000 ? (unsigned)seconds * 1000 : most;
    memcpy(text, s, n);
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    time_t at = end && !*end ? timegm(&tm) : 0;
    if (at <= now) return 0;
    return (uint64_t)(at - now) < most / 1000 ? (unsigned)(at - now) * 1000 : most;
}

// RFC 9110, 5.1 and 5.5, without what would be more than one line.
bool http_is_header(const char *s)
{
    size_t name = strcspn(s, ":");
    if (name == 0 || s[name] != ':' || strcspn(s, " \t") < name) return false;
    for (; *s; s++)
        if ((unsigned char)*s < ' ' && *s != '\t') return false;
    return true;
}

void http_printable(char *s)
{
    for (; *s; s++)
        if (*s < ' ' || *s > '~') *s = '?'; // bytes from 128 on too: char is signed, or they are above '~'
}

// Where the host begins, behind credentials; a password may have an @, too, so that the last one counts.
static const char *host_of(const char *url, size_t *scheme)
{
    const char *colon = strstr(url, "://");
    const char *host = colon ? colon + 3 : url;
    *scheme = (size_t)(host - url);
    for (size_t i = strcspn(host, "/?#\\"); i-- > 0;)
        if (host[i] == '@') return host + i + 1;
    return host;
}

bool http_is_url(const char *name)
{
    return !strncmp(name, "http://", 7) || !strncmp(name, "https://", 8);
}

void http_shown_url(const char *url, char shown[HTTP_SHOWN])
{
    size_t scheme;
    const char *host = host_of(url, &scheme);
    size_t n = strcspn(host, "?#");
    snprintf(shown, HTTP_SHOWN, "%.*s%.*s", scheme > 16 ? 0 : (int)scheme, url, n > HTTP_SHOWN ? HTTP_SHOWN : (int)n,
             host);
    http_printable(shown);
}

const char *http_shown(const char *name, char shown[HTTP_SHOWN])
{
    if (!http_is_url(name)) return name;
    http_shown_url(name, shown);
    return shown;
}

char *http_url_name(const char *url)
{
    size_t scheme;
    const char *host = host_of(url, &scheme);
    size_t n = strcspn(host, "#");
    char *name = malloc(scheme + n + 1);
    if (!name) return NULL;
    memcpy(name, url, scheme);
    memcpy(name + scheme, host, n);
    name[scheme + n] = 0;
    return name;
}
