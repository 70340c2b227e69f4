// The command line: see options.h. Rows: options.def.
#include "cli/options.h"
#include "cli/value.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("belljar: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static int bad(const char *option, const char *value, const char *want)
{
    return fail(STATUS_FAILED, "--%s: '%s' is not %s", option, value, want);
}

// ---------------------------------------------------------------- one function per option: 0, or an exit status

static int take_image(struct command_line *l, char *v)
{
    l->image = v;
    return 0;
}

// What it is worth is said when it is needed.
static int take_http_header(struct command_line *l, char *v)
{
    if (l->nhttp_header == HTTP_HEADER_MAX)
        return fail(STATUS_FAILED, "--http-header: more than %d; they can stand in a file: @FILE", HTTP_HEADER_MAX);
    l->http_header[l->nhttp_header++] = v;
    return 0;
}

static int add_copy(struct copies *c, char *v, const char *option, const char *form)
{
    struct copy pair;
    if (!value_pair(v, &pair.from, &pair.to)) return bad(option, v, form);
    struct copy *grown = realloc(c->at, (c->n + 1) * sizeof *grown);
    if (!grown) return fail(STATUS_FAILED, "out of memory");
    c->at = grown;
    c->at[c->n++] = pair;
    return 0;
}
static int take_put(struct command_line *l, char *v)
{
    return add_copy(&l->put, v, "put", "of the form HOST:GUEST");
}
static int take_get(struct command_line *l, char *v)
{
    return add_copy(&l->get, v, "get", "of the form GUEST:HOST");
}

static int take_delta(struct command_line *l, char *v)
{
    if (!*v) return bad("delta", v, "the name of a file");
    l->delta = v;
    return 0;
}

// One form of the place: that of two is to be seen.
static void tidy_path(char *path)
{
    char *to = path;
    for (const char *from = path; *from; from++)
        if (from[0] != '/' || (from[1] != '/' && from[1])) *to++ = *from;
    if (to == path) *to++ = '/';
    *to = 0;
}
static int take_mount(struct command_line *l, char *v)
{
    struct shared s;
    if (!value_mount(v, &s.host, &s.guest, &s.writable)) return bad("mount", v, "of the form HOST:GUEST[:rw]");
    tidy_path(s.guest);
    for (unsigned i = 0; i < l->nshared; i++)
        if (!strcmp(l->shared[i].guest, s.guest))
            return fail(STATUS_FAILED, "--mount: %s is given twice as a place in the box", s.guest);
    if (l->nshared == SHARED_MAX) return fail(STATUS_FAILED, "--mount: more than %d directories", SHARED_MAX);
    l->shared[l->nshared++] = s;
    return 0;
}

// Later settings of a variable replace earlier ones and the defaults.
static int set_env(struct command_line *l, const char *setting)
{
    size_t n = (size_t)(strchr(setting, '=') - setting) + 1;
    for (unsigned i = 0; i < l->nenv; i++)
        if (!strncmp(l->env[i], setting, n)) {
            l->env[i] = setting;
            return 0;
        }
    const char **grown = realloc(l->env, (l->nenv + 2) * sizeof *grown);
    if (!grown) return fail(STATUS_FAILED, "out of memory");
    l->env = grown;
    l->env[l->nenv++] = setting;
    l->env[l->nenv] = NULL;
    return 0;
}
static int take_env(struct command_line *l, char *v)
{
    const char *eq = strchr(v, '=');
    return eq && eq != v ? set_env(l, v) : bad("env", v, "of the form NAME=VALUE");
}

static int take_cwd(struct command_line *l, char *v)
{
    l->box.cwd = v;
    return v[0] == '/' ? 0 : bad("cwd", v, "an absolute path");
}

static int take_user(struct command_line *l, char *v)
{
    uint64_t uid, gid;
    char whole[64];
    snprintf(whole, sizeof whole, "%s", v);
    char *colon = strchr(v, ':');
    if (colon) *colon = 0;
    if (!value_count(v, UINT32_MAX - 1, &uid) || (colon && !value_count(colon + 1, UINT32_MAX - 1, &gid)))
        return bad("user", whole, "UID or UID:GID in numbers");
    l->box.uid = (uint32_t)uid;
    l->box.gid = (uint32_t)(colon ? gid : uid);
    return 0;
}

static int take_hostname(struct command_line *l, char *v)
{
    l->box.hostname = v;
    return *v && strlen(v) <= 64 ? 0 : bad("hostname", v, "a host name of at most 64 bytes");
}

static int size_option(const char *name, char *v, uint64_t *to)
{
    return value_size(v, to) ? 0 : bad(name, v, "a size such as 64k, 256M or 1G");
}
static int time_option(const char *name, char *v, uint64_t *to)
{
    return value_time(v, to) ? 0 : bad(name, v, "a time such as 500ms, 5s or 2m");
}
static int count_option(const char *name, char *v, unsigned *to)
{
    uint64_t n;
    if (!value_count(v, 1 << 20, &n) || !n) return bad(name, v, "a number from 1 to 1048576");
    *to = (unsigned)n;
    return 0;
}
static int take_memory(struct command_line *l, char *v)
{
    return size_option("memory", v, &l->box.memory);
}
static int take_timeout(struct command_line *l, char *v)
{
    return time_option("timeout", v, &l->box.timeout_ns);
}
static int take_http_timeout(struct command_line *l, char *v)
{
    return time_option("http-timeout", v, &l->http_timeout_ns);
}
static int take_cpu_time(struct command_line *l, char *v)
{
    return time_option("cpu-time", v, &l->box.cpu_time_ns);
}
static int take_pids(struct command_line *l, char *v)
{
    return count_option("pids", v, &l->box.pids);
}
static int take_files(struct command_line *l, char *v)
{
    return count_option("files", v, &l->box.files);
}
static int take_tmp_size(struct command_line *l, char *v)
{
    return size_option("tmp-size", v, &l->box.tmp_bytes);
}
static int take_delta_size(struct command_line *l, char *v)
{
    return size_option("delta-size", v, &l->delta_size);
}
static int take_output(struct command_line *l, char *v)
{
    return size_option("output", v, &l->box.output);
}

static int take_cpu(struct command_line *l, char *v)
{
    l->box.cpu_level = strcmp(v, "v3") ? 2 : 3;
    return strcmp(v, "v2") && strcmp(v, "v3") ? bad("cpu", v, "v2 or v3") : 0;
}

static int take_engine(struct command_line *l, char *v)
{
    static const char *const names[] = {"jit", "interp", "lockstep"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(v, names[i])) {
            l->box.engine = (enum belljar_engine)i;
            return 0;
        }
    return bad("engine", v, "jit, interp or lockstep");
}

static int take_verify_code(struct command_line *l, char *v)
{
    (void)v;
    l->box.verify_code = true;
    return 0;
}

static int take_exact(struct command_line *l, char *v)
{
    (void)v;
    l->box.exact = true;
    return 0;
}

static int take_code_cache(struct command_line *l, char *v)
{
    l->code_cache = v;
    return *v ? 0 : bad("code-cache", v, "a directory, or none");
}

static int take_cache_size(struct command_line *l, char *v)
{
    l->pool = strcmp(v, "none") ? NULL : "none";
    return l->pool || value_size(v, &l->cache_size) ? 0 : bad("cache-size", v, "a size such as 500M or 4G, or none");
}

static int take_deterministic(struct command_line *l, char *v)
{
    l->box.deterministic = true;
    return value_count(v, UINT64_MAX, &l->box.seed) ? 0 : bad("deterministic", v, "a number");
}

static int take_trace(struct command_line *l, char *v)
{
    for (char *save, *word = strtok_r(v, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (!strcmp(word, "syscalls"))
            l->box.trace |= BELLJAR_TRACE_SYSCALLS;
        else if (!strcmp(word, "faults"))
            l->box.trace |= BELLJAR_TRACE_FAULTS;
        else if (!strcmp(word, "jit"))
            l->box.trace |= BELLJAR_TRACE_JIT;
        else if (!strcmp(word, "startup"))
            l->box.trace |= BELLJAR_TRACE_STARTUP;
        else
            return bad("trace", word, "something that can be traced: syscalls, faults, jit, startup");
    }
    return 0;
}

static int take_trace_file(struct command_line *l, char *v)
{
    l->box.trace_fd = open(v, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return l->box.trace_fd < 0 ? fail(STATUS_FAILED, "--trace-file: cannot write %s: %s", v, strerror(errno)) : 0;
}

static int take_report(struct command_line *l, char *v)
{
    l->report = v;
    return 0;
}

static int take_jail(struct command_line *l, char *v)
{
    l->jail = !strcmp(v, "seccomp");
    return l->jail || !strcmp(v, "none") ? 0 : bad("jail", v, "seccomp or none");
}

static int take_help(struct command_line *l, char *v)
{
    (void)v;
    options_help(stdout);
    l->done = true;
    return 0;
}

static int take_version(struct command_line *l, char *v)
{
    (void)v;
    printf("belljar %s\n", belljar_version());
    l->done = true;
    return 0;
}

// ---------------------------------------------------------------- parsing

struct option_row {
    const char *name, *arg, *help;
    int (*take)(struct command_line *, char *value);
};
static const struct option_row rows[] = {
#define OPT(name, arg, help, take) {#name, arg, help, take},
#include "cli/options.def"
#undef OPT
};
enum { NROWS = sizeof rows / sizeof *rows };

void options_help(FILE *out)
{
    fputs(
        "Usage: belljar [OPTION...] [--] PROGRAM [ARGUMENT...]   run PROGRAM in a fresh box\n"
        "       belljar image COMMAND ...                        looks at, packs and changes disk images: image "
        "--help\n"
        "       belljar cache info|clear|wait                    what is kept for later runs: code, blocks of images\n"
        "       belljar syscalls | insns                         what the box's kernel and CPU support\n\n"
        "PROGRAM is a program of the image: a name looked up in PATH, or a path. Its standard input, output and "
        "error,\n"
        "the terminal and its signals pass through; nothing else of this machine is there.\n\nOptions:\n",
        out);
    for (int i = 0; i < NROWS; i++)
        fprintf(out, "  --%s%s%-*s %s\n", rows[i].name, rows[i].arg ? " " : "",
                (int)(24 - strlen(rows[i].name) - (rows[i].arg ? 1 : 0)), rows[i].arg ? rows[i].arg : "", rows[i].help);
    fputs("\nExit status: the program's own; 128+N when signal N killed it; 124 time limit; 125 belljar failed (bad "
          "option, bad image);\n"
          "126 not executable; 127 not found.\n",
          out);
}

// Exact name, or a prefix that fits one row only.
static const struct option_row *find_row(const char *name, size_t n, bool *ambiguous)
{
    const struct option_row *found = NULL;
    *ambiguous = false;
    for (int i = 0; i < NROWS; i++) {
        if (strncmp(rows[i].name, name, n)) continue;
        if (!rows[i].name[n]) return &rows[i];
        *ambiguous = found != NULL;
        found = &rows[i];
    }
    return *ambiguous ? NULL : found;
}

// argv[*i] is "--name" or "--name=value"; moves *i over a separate value.
static int take_option(struct command_line *l, int argc, char **argv, int *i)
{
    char *name = argv[*i] + 2, *eq = strchr(name, '=');
    bool ambiguous;
    const struct option_row *row = find_row(name, eq ? (size_t)(eq - name) : strlen(name), &ambiguous);
    if (!row)
        return fail(STATUS_FAILED, "%s option '%s'; see belljar --help", ambiguous ? "ambiguous" : "unknown", argv[*i]);
    if (!row->arg && eq) return fail(STATUS_FAILED, "--%s takes no value", row->name);
    char *value = eq ? eq + 1 : NULL;
    if (row->arg && !value) {
        if (*i + 1 == argc) return fail(STATUS_FAILED, "--%s needs a value: %s", row->name, row->arg);
        value = argv[++*i];
    }
    return row->take(l, value);
}

static int set_defaults(struct command_line *l)
{
    memset(l, 0, sizeof *l);
    belljar_options_init(&l->box);
    l->jail = true;
    l->record = -1;
    l->image = getenv("BELLJAR_IMAGE");
    int err = 0;
    for (const char *const *e = belljar_default_env; *e && !err; e++) err = set_env(l, *e);
    const char *term = getenv("TERM");
    static char setting[64];
    if (!err && term && strlen(term) < 50 && isatty(1)) {
        snprintf(setting, sizeof setting, "TERM=%s", term);
        err = set_env(l, setting);
    }
    return err;
}

int options_parse(struct command_line *l, int argc, char **argv)
{
    int err = set_defaults(l), i = 1;
    for (; i < argc && argv[i][0] == '-' && !err && !l->done; i++) {
        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        }
        if (argv[i][1] != '-') return fail(STATUS_FAILED, "unknown option '%s'; see belljar --help", argv[i]);
        err = take_option(l, argc, argv, &i);
    }
    l->box.envp = l->env;
    if (err || l->done) return err;
    l->box.argv = (const char *const *)argv + i;
    if (i == argc) return fail(STATUS_FAILED, "no program given; see belljar --help");
    if (!l->image)
        return fail(STATUS_FAILED, "no disk image: give --image FILE or set BELLJAR_IMAGE (./run builds one)");
    return 0;
}

void options_free(struct command_line *l)
{
    free(l->put.at);
    free(l->get.at);
    free(l->env);
}
