// The line discipline's input side (drivers/tty/n_tty.c): what typed bytes do, by termios(3).
#include "syscalls/tty_impl.h"
#include <string.h>

static bool is_cc(const struct tty *y, int which, uint8_t c)
{
    return y->termios.c_cc[which] && y->termios.c_cc[which] == c;
}
static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}
static bool is_continuation(const struct tty *y, uint8_t c)
{
    return y->termios.c_iflag & LX_IUTF8 && (c & 0xc0) == 0x80;
}
static uint8_t entry(const struct tty *y, uint32_t at)
{
    return (uint8_t)y->in[at % TTY_IN];
}

// ---------------------------------------------------------------- echo

static void echo_raw(struct tty *y, const char *s)
{
    for (; *s; s++) tty_put(y, (uint8_t)*s);
}

// A typed byte as it is shown: control characters as ^X.
static void echo_char(struct tty *y, uint8_t c)
{
    if (tty_is(y, LX_ECHOCTL) && is_control(c) && c != '\t') {
        tty_put(y, '^');
        tty_put(y, c ^ 0x40);
    } else {
        tty_put(y, c);
    }
}

// Columns that the line being edited takes up to `end`.
static unsigned column_at(const struct tty *y, uint32_t end)
{
    unsigned col = y->line_column;
    for (uint32_t i = y->canon; i != end; i++) {
        uint8_t c = entry(y, i);
        if (c == '\t')
            col = (col | 7) + 1;
        else if (is_control(c))
            col += tty_is(y, LX_ECHOCTL) ? 2 : 0;
        else if (!is_continuation(y, c))
            col++;
    }
    return col;
}

static void echo_erased(struct tty *y, uint8_t c)
{
    if (c == '\t') {
        unsigned back = column_at(y, y->head + 1) - column_at(y, y->head);
        while (back-- > 0) tty_put(y, '\b');
        return;
    }
    if (is_control(c) && tty_is(y, LX_ECHOCTL)) echo_raw(y, "\b \b");
    if (!is_control(c) || tty_is(y, LX_ECHOCTL)) echo_raw(y, "\b \b");
}

// ---------------------------------------------------------------- editing a line

// Takes the last character off the line: all bytes of a UTF-8 sequence.
static uint8_t take_last(struct tty *y)
{
    uint8_t c;
    do c = entry(y, --y->head);
    while (is_continuation(y, c) && y->head != y->canon);
    return c;
}

static void erase_one(struct tty *y, uint8_t typed)
{
    uint8_t c = take_last(y);
    if (!tty_is(y, LX_ECHO)) return;
    if (tty_is(y, LX_ECHOE))
        echo_erased(y, c);
    else
        echo_char(y, typed);
}

static bool word_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static void erase_word(struct tty *y, uint8_t typed)
{
    bool in_word = false;
    while (y->head != y->canon) {
        bool word = word_char(entry(y, y->head - 1));
        if (in_word && !word) break;
        in_word |= word;
        erase_one(y, typed);
    }
}

static void erase_line(struct tty *y, uint8_t typed)
{
    uint32_t pretty = LX_ECHOK | LX_ECHOKE | LX_ECHOE;
    if (tty_is(y, LX_ECHO) && (y->termios.c_lflag & pretty) == pretty) {
        while (y->head != y->canon) erase_one(y, typed);
        return;
    }
    y->head = y->canon;
    if (!tty_is(y, LX_ECHO)) return;
    echo_char(y, typed);
    if (tty_is(y, LX_ECHOK)) tty_put(y, '\n');
}

static void reprint(struct tty *y, uint8_t typed)
{
    echo_char(y, typed);
    tty_put(y, '\n');
    y->line_column = 0;
    for (uint32_t i = y->canon; i != y->head; i++) echo_char(y, entry(y, i));
}

// ---------------------------------------------------------------- storing

static void store(struct tty *y, uint16_t e)
{
    uint32_t limit = e & IN_LINE_END ? TTY_IN : TTY_IN - 1; // room for the end of a line that is too long
    if (y->head - y->tail >= limit) {
        if (y->termios.c_iflag & LX_IMAXBEL) tty_put(y, '\a');
        return;
    }
    y->in[y->head++ % TTY_IN] = e;
    if (e & IN_LINE_END) y->canon = y->head;
}

static void store_char(struct tty *y, uint8_t c)
{
    if (tty_is(y, LX_ECHO)) {
        if (y->canon == y->head) y->line_column = y->column;
        if (c == '\n')
            tty_put(y, c);
        else
            echo_char(y, c);
    }
    store(y, c);
}

static void end_line(struct tty *y, uint8_t c)
{
    if (tty_is(y, LX_ECHO) || (c == '\n' && tty_is(y, LX_ECHONL))) {
        if (c == '\n')
            tty_put(y, c);
        else
            echo_char(y, c);
    }
    store(y, c | IN_LINE_END);
}

// ---------------------------------------------------------------- special characters. Each step: true when it has
// dealt with the byte

static bool flow_control(struct tty *y, uint8_t c)
{
    if (!(y->termios.c_iflag & LX_IXON)) return false;
    bool start = is_cc(y, LX_VSTART, c), stop = is_cc(y, LX_VSTOP, c);
    if (start || (y->stopped && y->termios.c_iflag & LX_IXANY && !stop)) {
        tty_stop(y, false);
        tty_flush(y);
        waitq_wake(&y->wait);
    } else if (stop) {
        tty_stop(y, true);
    }
    return start || stop;
}

static bool signal_char(struct tty *y, uint8_t c)
{
    static const struct {
        int cc, sig;
    } signals[] = {{LX_VINTR, LX_SIGINT}, {LX_VQUIT, LX_SIGQUIT}, {LX_VSUSP, LX_SIGTSTP}};
    if (!tty_is(y, LX_ISIG)) return false;
    for (unsigned i = 0; i < 3; i++) {
        if (!is_cc(y, signals[i].cc, c)) continue;
        if (!tty_is(y, LX_NOFLSH)) {
            tty_flush_input(y);
            tty_drop_output(y);
        }
        if (y->termios.c_iflag & LX_IXON) tty_stop(y, false);
        if (tty_is(y, LX_ECHO)) echo_char(y, c);
        tty_signal(y, signals[i].sig);
        return true;
    }
    return false;
}

static bool edit_char(struct tty *y, uint8_t c)
{
    bool extended = tty_is(y, LX_IEXTEN), something = y->head != y->canon;
    if (is_cc(y, LX_VERASE, c)) {
        if (something) erase_one(y, c);
    } else if (is_cc(y, LX_VKILL, c)) {
        if (something) erase_line(y, c);
    } else if (extended && is_cc(y, LX_VWERASE, c)) {
        if (something) erase_word(y, c);
    } else if (extended && is_cc(y, LX_VLNEXT, c)) {
        y->lnext = true;
        if (tty_is(y, LX_ECHO) && tty_is(y, LX_ECHOCTL)) echo_raw(y, "^\b");
    } else if (extended && is_cc(y, LX_VREPRINT, c) && tty_is(y, LX_ECHO)) {
        reprint(y, c);
    } else {
        return false;
    }
    return true;
}

static bool line_char(struct tty *y, uint8_t c)
{
    if (!tty_is(y, LX_ICANON)) return false;
    if (edit_char(y, c)) return true;
    if (is_cc(y, LX_VEOF, c))
        store(y, IN_EOF | IN_LINE_END);
    else if (c == '\n' || is_cc(y, LX_VEOL, c) || (tty_is(y, LX_IEXTEN) && is_cc(y, LX_VEOL2, c)))
        end_line(y, c);
    else
        return false;
    return true;
}

// Input mapping of CR and NL; false: the byte is dropped.
static bool map_newline(const struct tty *y, uint8_t *c)
{
    uint32_t iflag = y->termios.c_iflag;
    if (*c == '\r') {
        if (iflag & LX_IGNCR) return false;
        if (iflag & LX_ICRNL) *c = '\n';
    } else if (*c == '\n' && iflag & LX_INLCR) {
        *c = '\r';
    }
    return true;
}

static void receive(struct tty *y, uint8_t c)
{
    uint32_t iflag = y->termios.c_iflag;
    if (iflag & LX_ISTRIP) c &= 0x7f;
    if (iflag & LX_IUCLC && tty_is(y, LX_IEXTEN) && c >= 'A' && c <= 'Z') c |= 0x20;
    if (y->lnext) {
        y->lnext = false;
        store_char(y, c);
        return;
    }
    if (flow_control(y, c) || signal_char(y, c) || !map_newline(y, &c) || line_char(y, c)) return;
    if (c == 0xff && iflag & LX_PARMRK) store(y, c);
    store_char(y, c);
}

void tty_input(struct tty *y, const void *from, size_t n)
{
    const uint8_t *p = from;
    y->last_input_ns = box_monotonic(y->box);
    for (size_t i = 0; i < n; i++) receive(y, p[i]);
    tty_flush(y);
    waitq_wake(&y->wait);
}

// A line that is being typed must always be able to end.
size_t tty_input_room(const struct tty *y)
{
    uint32_t used = y->head - y->tail, room = used < TTY_IN - 1 ? TTY_IN - 1 - used : 0;
    return !room && tty_is(y, LX_ICANON) && y->canon == y->tail ? 1 : room;
}

void tty_flush_input(struct tty *y)
{
    y->tail = y->canon = y->head;
    y->lnext = false;
    if (!y->pty) return;
    pty_input_read(y);
    pty_status(y, 0, PKT_FLUSHREAD);
}
