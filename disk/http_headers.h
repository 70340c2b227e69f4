// The headers that the user adds to requests, mostly secrets (Authorization): read in the broker, which wipes them once
// the server that needs them has been forked, so that the worker never has them.
#pragma once
#include "disk/http.h"

enum { HTTP_HEADERS = 32 };

struct http_headers {
    char *line[HTTP_HEADERS];
    unsigned n;
};

// spec: "Name: value", or "@FILE": such lines, with empty ones and ones that begin with # between them. 0, or -1 with a
// line, which has nothing of a header in it.
int http_headers_add(struct http_headers *, const char *spec, char why[HTTP_WHY]);
// The same for $BELLJAR_HTTP_HEADER, where that is set.
int http_headers_add_environment(struct http_headers *, char why[HTTP_WHY]);
void http_headers_wipe(struct http_headers *);
