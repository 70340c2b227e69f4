// What hostfs.c, hostfs_names.c and hostfs_pages.c share.
#pragma once
#include "host/link.h"
#include "vfs/hostfs.h"
#include "vfs/internal.h"
#include "vfs/mount_protocol.h"
#include "vfs/pagemap.h"

enum {
    HOSTFS_FORGET = 64,
    HOSTFS_RECENT = 8,
    HOSTFS_RECENT_NAME = 48,
    // What the host said so long ago still counts: a program asks for a name's attributes and opens it, or opens a file
    // and reads it. Less than it takes two processes to tell each other of a change.
    HOSTFS_FRESH_NS = 100000,
};

struct hnode {
    struct inode i;     // first
    struct hnode *next; // table chain
    uint64_t node;      // the server's number
    uint32_t rights;    // what the host's mode bits give the user who runs the box
    uint32_t dirty;     // pages that mappings may have changed
    struct vtime asked; // when the attributes came
    struct pagemap pages;
    struct vtime pages_mtime, pages_ctime; // of the file when they were read, or were last known to be right
    uint64_t pages_size;
};

// A name that was looked up just now.
struct hostfs_recent {
    struct hnode *n; // NULL: none
    uint64_t dir;
    struct vtime asked;
    uint32_t len;
    char name[HOSTFS_RECENT_NAME];
};

// A name that came with another's answer, since names are looked up in the order in which a directory lists them. Its
// node is told to be forgotten unless somebody asks in time.
struct hostfs_more {
    uint64_t node, dir; // node 0: none
    struct vtime asked;
    struct mount_attr attr;
    uint32_t len;
    char name[HOSTFS_RECENT_NAME];
};

// Bytes [from, to) of a file that have come with its opening; at the end of a file, none.
struct hostfs_ahead {
    uint64_t node, from, to; // node 0: none
    bool end;                // the file ended there
    struct vtime asked;
    uint8_t bytes[MOUNT_AHEAD];
};

// A packet in each direction; what a call answered is good until the next one.
struct hostfs_packets {
    _Alignas(8) uint8_t out[LINK_PACKET], in[LINK_PACKET];
};

struct hostfs {
    struct fs *fs;
    int link;
    bool gone; // the server does not answer any more
    uint32_t uid, gid;
    struct hnode **table; // by node
    uint32_t nbuckets, count;
    uint64_t forget[HOSTFS_FORGET]; // told together
    unsigned nforget;
    struct hostfs_packets *packets, *bulk; // bulk: of hostfs_move
    struct hostfs_recent recent[HOSTFS_RECENT];
    unsigned next_recent;
    struct hostfs_more more[MOUNT_MORE];
    bool more_wrong;         // something was changed since they came
    uint32_t hint, hint_run; // the entry that is looked up next if it goes on so; how often it did
    uint64_t made;           // the file just made, which is open at the server; its maker's open comes next
    uint64_t closing;        // a file that was read and is closed: told with the next call
    struct hostfs_ahead *ahead;
    uint8_t *entries; // of the directory `listed`: what was not taken yet, MOUNT_DATA bytes
    uint32_t entries_at, entries_end, entries_len;
    uint64_t entries_of;         // the directory of the first entries_len bytes of them, given or not
    uint64_t listed, listed_pos; // listed_pos: of the entry at entries_at
};

static inline struct hnode *hnode(struct inode *i)
{
    return (struct hnode *)i;
}
static inline struct hostfs *hostfs_of(const struct inode *i)
{
    return i->fs->private;
}
static inline struct mount_reply *reply_of(const struct hostfs *h)
{
    return (struct mount_reply *)h->packets->in;
}
static inline uint8_t *reply_data(const struct hostfs *h)
{
    return h->packets->in + sizeof(struct mount_reply);
}
// Where the data of a request with a name of so many bytes goes, for who fills it before the call.
static inline uint8_t *request_data(const struct hostfs *h, size_t name)
{
    return h->packets->out + sizeof(struct mount_request) + name;
}

// hostfs.c
int hostfs_call(struct hostfs *, const struct mount_request *, const char *name,
                const void *data); // the reply's result
// Contents between a guest's memory and the host: the data stands, or comes to stand, in h->bulk, which nothing else
// uses. The guest's memory may be mapped files of the host, so that reaching it takes calls too.
int hostfs_move(struct hostfs *, const struct mount_request *);
static inline struct mount_reply *moved_reply(const struct hostfs *h)
{
    return (struct mount_reply *)h->bulk->in;
}
void hostfs_close(struct hostfs *, uint64_t node, bool now);
void hostfs_tell(struct hostfs *, enum mount_op, uint64_t node); // has no reply
void hostfs_take_attr(struct hnode *, const struct mount_attr *);
bool hostfs_is_fresh(const struct hostfs *, struct vtime asked);
int hostfs_refresh(struct hnode *); // attributes as they are now
int hostfs_inode(struct hostfs *, uint64_t node, const struct mount_attr *, struct inode **out);
void hostfs_remember(struct hostfs *, uint64_t node); // not to be forgotten after all
void hostfs_forget(struct hostfs *, uint64_t node, bool now);
struct hnode *hostfs_known(const struct hostfs *, uint64_t node); // NULL: not in memory
int hostfs_getattr(struct inode *, struct kstat *);
int hostfs_setattr(struct inode *, const struct setattr *);
int hostfs_permission(struct inode *, const struct cred *, unsigned mask);
int hostfs_getxattr(struct inode *, const char *name, void *buf, size_t size);
int hostfs_setxattr(struct inode *, const char *name, const void *value, size_t size, int flags);
int hostfs_listxattr(struct inode *, char *buf, size_t size);

// hostfs_names.c
void hostfs_forget_names(struct hostfs *, const struct hnode *); // those of a node, or (NULL) all: recent ones
extern const struct inode_ops hostfs_dir_ops, hostfs_link_ops;
extern const struct file_ops hostfs_dir_fops;

// hostfs_pages.c
extern const struct inode_ops hostfs_reg_ops;
extern const struct file_ops hostfs_fops;
int hostfs_flush(struct hnode *);                  // what mappings changed goes to the host; the first error
void hostfs_resized(struct hnode *, uint64_t was); // the size is another one now
void hostfs_drop_pages(struct hnode *);
uint32_t hostfs_reclaim(struct hnode *, bool mapped); // mapped: takes them from mappings first
