// Options of the subcommands of `belljar image`: see image.h.
#include "cli/image.h"
#include <errno.h>
#include <string.h>

static void show_use(const struct image_use *u, FILE *out)
{
    fprintf(out, "Usage: belljar image %s%s %s\n", u->name, u->noptions ? " [OPTION...]" : "", u->arguments);
    fprintf(out, "%s\n%s", u->what, u->about);
    if (u->noptions) fputs("\nOptions:\n", out);
    for (unsigned i = 0; i < u->noptions; i++) {
        const struct image_option *o = &u->options[i];
        char label[40], letter[] = {'-', o->letter, ',', ' ', 0};
        snprintf(label, sizeof label, "%s--%s%s%s", o->letter ? letter : "", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        fprintf(out, "  %-22s %s\n", label, o->help);
    }
}

static int wrong_use(const struct image_use *u)
{
    return fail(STATUS_FAILED, "usage: belljar image %s%s %s; see belljar image %s --help", u->name,
                u->noptions ? " [OPTION...]" : "", u->arguments, u->name);
}

// "--name", "--name=value", "-l": which option; -1: none.
static int find_option(const struct image_use *u, const char *word)
{
    for (unsigned i = 0; i < u->noptions; i++) {
        const struct image_option *o = &u->options[i];
        size_t n = strlen(o->name);
        if (o->letter && word[1] == o->letter && !word[2]) return (int)i;
        if (word[1] == '-' && !strncmp(word + 2, o->name, n) && (!word[2 + n] || word[2 + n] == '=')) return (int)i;
    }
    return -1;
}

// Moves *at over a value that is a word of its own. 0, or an exit status.
static int take(const struct image_use *u, int argc, char **argv, int *at, const char **value)
{
    char *word = argv[*at], *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    int i = find_option(u, word);
    if (i < 0) return fail(STATUS_FAILED, "unknown option '%s'; see belljar image %s --help", word, u->name);
    const struct image_option *o = &u->options[i];
    if (!o->argument && equals) return fail(STATUS_FAILED, "--%s takes no value", o->name);
    if (o->argument && !equals && *at + 1 == argc)
        return fail(STATUS_FAILED, "--%s needs a value: %s", o->name, o->argument);
    value[i] = !o->argument ? "" : equals ? equals + 1 : argv[++*at];
    return 0;
}

// The arguments are moved to the front of argv. How many; -1: *status is the exit status.
static int parse(const struct image_use *u, int argc, char **argv, const char **value, int *status)
{
    int n = 0, at = 0;
    for (; at < argc && strcmp(argv[at], "--"); at++) {
        if (argv[at][0] != '-' || !argv[at][1]) {
            argv[n++] = argv[at];
        } else if (!strcmp(argv[at], "--help") || !strcmp(argv[at], "-h")) {
            show_use(u, stdout);
            *status = fflush(stdout) ? fail(STATUS_FAILED, "cannot write: %s", strerror(errno)) : 0;
            return -1;
        } else if ((*status = take(u, argc, argv, &at, value))) {
            return -1;
        }
    }
    bool command = at < argc; // there is a "--"
    int arguments = n;
    for (at++; at < argc; at++) {
        argv[n++] = argv[at];
        arguments += !u->rest;
    }
    argv[n] = NULL;
    bool fits = (unsigned)arguments >= u->min && (!u->max || (unsigned)arguments <= u->max);
    if (fits && (!u->rest || (command && n > arguments))) return arguments;
    *status = wrong_use(u);
    return -1;
}

int image_run(const struct image_use *u, int argc, char **argv)
{
    const char *value[IMAGE_OPTIONS] = {0};
    int status, n = parse(u, argc, argv, value, &status);
    return n < 0 ? status : u->run(n, argv, value);
}
