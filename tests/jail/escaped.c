// The command with a guest that has broken out: linked like belljar, but where the box would run its program (ld's
// --wrap), host code runs in the worker instead, as its owner would have it. The "program" of the command line says
// what: the name of an attempt (attempts.def), or a way to abuse the broker, below. escaped.sh says how each must end.
#include "belljar.h"
#include "cli/channel.h"
#include "host/jail.h"
#include "tests/jail/attempts.h"
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CHANNEL = 3 };

int __real_belljar_box_new(struct belljar_image *, const struct belljar_options *, struct belljar_box **,
                           struct belljar_error *);
int __wrap_belljar_box_new(struct belljar_image *, const struct belljar_options *, struct belljar_box **,
                           struct belljar_error *);
int __wrap_belljar_box_run(struct belljar_box *, struct belljar_result *, struct belljar_error *);

static const struct belljar_options *options; // of the one box

int __wrap_belljar_box_new(struct belljar_image *image, const struct belljar_options *o, struct belljar_box **out,
                           struct belljar_error *why)
{
    options = o;
    return __real_belljar_box_new(image, o, out, why);
}

static void say(enum channel_say what, uint32_t code, const char *text)
{
    struct channel_message m = {.say = what, .code = code};
    memset(m.text, 'x', sizeof m.text); // no end
    memcpy(m.text, text, strlen(text));
    channel_send(CHANNEL, &m, sizeof m);
}

static void end(int how, int code)
{
    struct channel_message m = {.say = SAY_END, .result = {.end = (enum belljar_end)how, .code = code}};
    channel_send(CHANNEL, &m, sizeof m);
}

static void wait_forever(void)
{
    for (;;) __asm__ volatile("" ::: "memory");
}

// ---------------------------------------------------------------- one function per abuse

static void crash(void)
{
    __builtin_trap();
}
static void leave(void)
{
    _exit(0);
}
static void garbage(void)
{
    channel_send(CHANNEL, "garbage", 7);
    wait_forever();
}
static void empty(void)
{
    channel_send(CHANNEL, "", 0);
    wait_forever();
}
static void unknown(void)
{
    say((enum channel_say)77, 0, "");
    wait_forever();
}
static void get_early(void)
{
    say(SAY_GET, 0, "");
    wait_forever();
}
static void put_late(void)
{
    say(SAY_PUT, 0, "");
    wait_forever();
}
static void got_unasked(void)
{
    end(BELLJAR_EXITED, 0);
    say(SAY_GOT, 1, "unasked");
    wait_forever();
}
static void bad_end(void)
{
    end(17, 0);
    wait_forever();
}
static void bad_code(void)
{
    end(BELLJAR_KILLED, 500);
    wait_forever();
}
static void text(void)
{
    say(SAY_FAILED, 9999, "\033]0;owned\007\nbelljar: a second line\r");
    wait_forever();
}
static void hang(void)
{
    wait_forever();
}
static void raw(void)
{
    struct termios t;
    tcgetattr(0, &t);
    cfmakeraw(&t);
    t.c_cflag |= PARENB;
    tcsetattr(0, TCSADRAIN, &t);
    crash();
}
// A file of 16 TiB, as far as the broker lets it grow.
static void flood(void)
{
    static char page[CHANNEL_PACKET];
    struct channel_file file;
    end(BELLJAR_EXITED, 0);
    say(SAY_GET, 0, "");
    channel_take(CHANNEL, &file, sizeof file);
    for (long i = 0; i < 1l << 28; i++)
        if (channel_send(CHANNEL, page, sizeof page)) return;
}
static void environment(void)
{
    const char *secret = getenv("BELLJAR_SECRET");
    end(BELLJAR_EXITED, secret && *secret ? 1 : 0);
    wait_forever();
}

static const struct {
    const char *name;
    void (*act)(void);
} abuses[] = {
    {"crash", crash},   {"leave", leave},  {"garbage", garbage}, {"empty", empty},     {"unknown", unknown},
    {"get", get_early}, {"put", put_late}, {"got", got_unasked}, {"bad-end", bad_end}, {"bad-code", bad_code},
    {"text", text},     {"hang", hang},    {"raw", raw},         {"flood", flood},     {"environment", environment},
};

int __wrap_belljar_box_run(struct belljar_box *b, struct belljar_result *result, struct belljar_error *why)
{
    const char *name = options->argv[0];
    unsigned attempt;
    (void)b;
    (void)why;
    for (unsigned i = 0; i < sizeof abuses / sizeof *abuses; i++)
        if (!strcmp(abuses[i].name, name)) abuses[i].act();
    if (attempt_find(name, &attempt)) (void)attempt_make(attempt, 1, JAIL_OWN, 1);
    *result = (struct belljar_result){.end = BELLJAR_EXITED, .code = 99}; // it came back
    return BELLJAR_OK;
}
