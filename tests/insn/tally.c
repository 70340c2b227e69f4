// See tally.h.
#include "tally.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *grown(void *list, int count, size_t size)
{
    list = realloc(list, ((size_t)count + 1) * size);
    if (!list) abort();
    return list;
}

static struct tally_row *add_row(struct tally *t, const char *id)
{
    t->row = grown(t->row, t->count, sizeof *t->row);
    struct tally_row *r = &t->row[t->count++];
    *r = (struct tally_row){.last = "-"};
    snprintf(r->id, sizeof r->id, "%s", id);
    return r;
}

void tally_note(struct tally *t, const char *line)
{
    t->note = grown(t->note, t->notes, sizeof *t->note);
    t->note[t->notes] = strdup(line);
    if (!t->note[t->notes++]) abort();
}

struct tally tally_read(const char *path)
{
    struct tally t = {0};
    char line[512];
    FILE *f = fopen(path, "r");
    for (int number = 1; f && fgets(line, sizeof line, f); number++) {
        struct tally_row r = {0};
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#') {
            tally_note(&t, line + 1 + (line[1] == ' '));
        } else if (sscanf(line, "%47s %" SCNu64 " %15s", r.id, &r.cases, r.last) == 3) {
            *add_row(&t, r.id) = r;
        } else {
            fprintf(stderr, "%s:%d: not ROW CASES LAST\n", path, number);
            exit(2);
        }
    }
    if (f) fclose(f);
    return t;
}

int tally_write(const struct tally *t, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) return perror(path), -1;
    for (int i = 0; i < t->notes; i++) fprintf(f, "# %s\n", t->note[i]);
    for (int i = 0; i < t->count; i++) fprintf(f, "%s %" PRIu64 " %s\n", t->row[i].id, t->row[i].cases, t->row[i].last);
    if (fclose(f)) return perror(path), -1;
    return 0;
}

static struct tally_row *find(const struct tally *t, const char *id)
{
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->row[i].id, id)) return &t->row[i];
    return NULL;
}

const struct tally_row *tally_find(const struct tally *t, const char *id)
{
    return find(t, id);
}

void tally_add(struct tally *t, const char *id, uint64_t cases, bool differed)
{
    struct tally_row *r = find(t, id);
    time_t now = time(NULL);
    struct tm day;
    if (!r) r = add_row(t, id);
    r->cases += cases;
    if (differed && gmtime_r(&now, &day)) strftime(r->last, sizeof r->last, "%Y-%m-%d", &day);
}

void tally_free(struct tally *t)
{
    for (int i = 0; i < t->notes; i++) free(t->note[i]);
    free(t->note);
    free(t->row);
}
