// belljar image info of a plain image on a web server: its metadata come as a box would get them, through the cache.
#include "cli/image.h"
#include "cli/imageserver.h"

// Which of the two has said why it cannot be: the server, or what looked at the image?
static int cannot(struct imageserver *s, const struct belljar_error *why)
{
    if (imageserver_ended(s)) return imageserver_tell_end(s);
    return disk_load(&s->head->failed) ? STATUS_FAILED : fail(STATUS_FAILED, "%s", why->text); // imageserver_end tells
}

static int look(struct imageserver *s, struct belljar_image_info *info)
{
    int fd[IMAGESERVER_OWN];
    struct belljar_error why;
    imageserver_own(s, fd);
    struct belljar_pool_image pool = {
        .blocks = fd[0], .table = fd[1], .spare = fd[2], .link = s->server.link, .name = s->name};
    return belljar_image_info_pool(&pool, info, &why) ? cannot(s, &why) : 0;
}

int image_served_info(const char *url, struct belljar_image_info *info, char shown[HTTP_SHOWN])
{
    struct command_line line = {.image = url, .record = -1};
    struct imageserver s;
    int status = imageserver_start(&s, &line);
    if (status) return status;
    status = look(&s, info);
    snprintf(shown, HTTP_SHOWN, "%s", s.name);
    server_lent(&s.server);
    imageserver_end(&s);
    return status;
}
