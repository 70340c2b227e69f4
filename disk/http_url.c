// Where resources are, and where redirects lead: see http_private.h. libcurl's parser judges the URLs, so that what is
// compared here is what it connects to.
#include "disk/http_private.h"
#include <stdlib.h>
#include <string.h>

void http_place_free(struct http_place *p)
{
    free(p->url);
    free(p->origin);
    free(p->user);
    if (p->secret) explicit_bzero(p->secret, strlen(p->secret));
    free(p->secret);
    *p = (struct http_place){0};
}

static char *part_of(const struct http_curl *c, CURLU *u, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (c->url_get(u, part, &text, flags) != CURLUE_OK || !text) return NULL;
    char *copy = strdup(text);
    c->free(text);
    return copy;
}

static char *origin_of(const struct http_curl *c, CURLU *u, const char *scheme)
{
    char *host = part_of(c, u, CURLUPART_HOST, 0);
    char *port = part_of(c, u, CURLUPART_PORT, CURLU_DEFAULT_PORT), *origin = NULL;
    if (host && port && asprintf(&origin, "%s://%s:%s", scheme, host, port) < 0) origin = NULL;
    for (char *s = origin; s && *s; s++)
        if (*s >= 'A' && *s <= 'Z') *s = (char)(*s + 'a' - 'A');
    free(host);
    free(port);
    return origin;
}

static enum http_placed take(const struct http_curl *c, CURLU *u, const struct http_place *from, struct http_place *to)
{
    char *scheme = part_of(c, u, CURLUPART_SCHEME, 0);
    bool safe = scheme && !strcmp(scheme, "https"), http = scheme && !strcmp(scheme, "http");
    if (safe || http) to->origin = origin_of(c, u, scheme);
    free(scheme);
    if (!safe && !http) return HTTP_NOT_HTTP;
    to->user = part_of(c, u, CURLUPART_USER, CURLU_URLDECODE);
    to->secret = part_of(c, u, CURLUPART_PASSWORD, CURLU_URLDECODE);
    c->url_set(u, CURLUPART_USER, NULL, 0);
    c->url_set(u, CURLUPART_PASSWORD, NULL, 0);
    c->url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    to->url = part_of(c, u, CURLUPART_URL, 0);
    if (!to->url || !to->origin) return HTTP_NO_URL;
    return from && !safe && !strncmp(from->origin, "https:", 6) ? HTTP_LESS_SAFE : HTTP_PLACED;
}

enum http_placed http_place(const struct http_curl *c, const struct http_place *from, const char *url,
                            struct http_place *to)
{
    enum http_placed placed = HTTP_NO_URL;
    CURLU *u = c->url();
    *to = (struct http_place){0};
    if (u && (!from || c->url_set(u, CURLUPART_URL, from->url, 0) == CURLUE_OK) &&
        c->url_set(u, CURLUPART_URL, url, CURLU_URLENCODE) == CURLUE_OK)
        placed = take(c, u, from, to);
    c->url_cleanup(u);
    if (placed != HTTP_PLACED) http_place_free(to);
    return placed;
}
