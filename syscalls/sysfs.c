// /sys as far as programs read it to learn what machine they are on: one processor, one node, the loopback interface.
//
// The table below has every file by its path; directories are what paths have in common, a path that ends in a slash
// is an empty one. Files of a directory stand together.
#include "cpu/insn.h"
#include "syscalls/procfs.h"
#include "vfs/synth.h"
#include <inttypes.h>
#include <string.h>

typedef void sys_show(struct synth_text *, const struct box *);

struct sys_file {
    const char *path, *text; // text: with its newline; NULL: by show
    sys_show *show;
};

static void show_node_memory(struct synth_text *x, const struct box *box)
{
    uint64_t total = (uint64_t)ram_limit(&box->ram) * 4, used = (uint64_t)ram_used(&box->ram) * 4;
    synth_printf(x,
                 "Node 0 MemTotal:       %8" PRIu64 " kB\nNode 0 MemFree:        %8" PRIu64
                 " kB\nNode 0 MemUsed:        %8" PRIu64 " kB\n",
                 total, total - used, used);
}

static const struct sys_file files[] = {
    {"block/", NULL, NULL},
    {"bus/", NULL, NULL},
    {"class/block/", NULL, NULL},
    {"class/net/lo/addr_len", "6\n", NULL},
    {"class/net/lo/address", "00:00:00:00:00:00\n", NULL},
    {"class/net/lo/broadcast", "00:00:00:00:00:00\n", NULL},
    {"class/net/lo/carrier", "1\n", NULL},
    {"class/net/lo/flags", "0x9\n", NULL},
    {"class/net/lo/ifindex", "1\n", NULL},
    {"class/net/lo/iflink", "1\n", NULL},
    {"class/net/lo/mtu", "65536\n", NULL},
    {"class/net/lo/operstate", "unknown\n", NULL},
    {"class/net/lo/statistics/rx_bytes", "0\n", NULL},
    {"class/net/lo/statistics/rx_dropped", "0\n", NULL},
    {"class/net/lo/statistics/rx_errors", "0\n", NULL},
    {"class/net/lo/statistics/rx_packets", "0\n", NULL},
    {"class/net/lo/statistics/tx_bytes", "0\n", NULL},
    {"class/net/lo/statistics/tx_dropped", "0\n", NULL},
    {"class/net/lo/statistics/tx_errors", "0\n", NULL},
    {"class/net/lo/statistics/tx_packets", "0\n", NULL},
    {"class/net/lo/tx_queue_len", "1000\n", NULL},
    {"class/net/lo/type", "772\n", NULL},
    {"dev/block/", NULL, NULL},
    {"dev/char/", NULL, NULL},
    {"devices/system/cpu/cpu0/topology/cluster_id", "65535\n", NULL},
    {"devices/system/cpu/cpu0/topology/core_cpus", "1\n", NULL},
    {"devices/system/cpu/cpu0/topology/core_cpus_list", "0\n", NULL},
    {"devices/system/cpu/cpu0/topology/core_id", "0\n", NULL},
    {"devices/system/cpu/cpu0/topology/core_siblings", "1\n", NULL},
    {"devices/system/cpu/cpu0/topology/core_siblings_list", "0\n", NULL},
    {"devices/system/cpu/cpu0/topology/die_cpus", "1\n", NULL},
    {"devices/system/cpu/cpu0/topology/die_cpus_list", "0\n", NULL},
    {"devices/system/cpu/cpu0/topology/die_id", "0\n", NULL},
    {"devices/system/cpu/cpu0/topology/package_cpus", "1\n", NULL},
    {"devices/system/cpu/cpu0/topology/package_cpus_list", "0\n", NULL},
    {"devices/system/cpu/cpu0/topology/physical_package_id", "0\n", NULL},
    {"devices/system/cpu/cpu0/topology/thread_siblings", "1\n", NULL},
    {"devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n", NULL},
    {"devices/system/cpu/isolated", "\n", NULL},
    {"devices/system/cpu/kernel_max", "0\n", NULL},
    {"devices/system/cpu/nohz_full", "\n", NULL},
    {"devices/system/cpu/offline", "\n", NULL},
    {"devices/system/cpu/online", "0\n", NULL},
    {"devices/system/cpu/possible", "0\n", NULL},
    {"devices/system/cpu/present", "0\n", NULL},
    {"devices/system/cpu/smt/active", "0\n", NULL},
    {"devices/system/cpu/smt/control", "notsupported\n", NULL},
    {"devices/system/node/has_cpu", "0\n", NULL},
    {"devices/system/node/has_memory", "0\n", NULL},
    {"devices/system/node/has_normal_memory", "0\n", NULL},
    {"devices/system/node/node0/cpulist", "0\n", NULL},
    {"devices/system/node/node0/cpumap", "1\n", NULL},
    {"devices/system/node/node0/distance", "10\n", NULL},
    {"devices/system/node/node0/meminfo", NULL, show_node_memory},
    {"devices/system/node/online", "0\n", NULL},
    {"devices/system/node/possible", "0\n", NULL},
    {"firmware/", NULL, NULL},
    {"fs/cgroup/", NULL, NULL},
    {"kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise madvise [never]\n", NULL},
    {"kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n", NULL},
    {"kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n", NULL},
    {"kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force\n", NULL},
    {"module/", NULL, NULL},
    {"power/", NULL, NULL},
};

enum { NFILES = sizeof files / sizeof *files };

// An inode stands for the first `arg` bytes of the path that `data` points to in the table.
static const char *path_of(struct inode *i)
{
    return synth_of(i)->data ? ((const struct sys_file *)synth_of(i)->data)->path : "";
}

static const struct synth_ops dir_ops, file_ops;

static const struct sys_file *find(const char *path, size_t len, const char *name, size_t n)
{
    for (size_t k = 0; k < NFILES; k++) {
        const char *p = files[k].path;
        if (!strncmp(p, path, len) && !strncmp(p + len, name, n) && (p[len + n] == '/' || !p[len + n]))
            return &files[k];
    }
    return NULL;
}

static int lookup(struct inode *dir, const char *name, size_t n, struct inode **out)
{
    size_t len = synth_of(dir)->arg;
    const struct sys_file *f = find(path_of(dir), len, name, n);
    if (!f) return -LX_ENOENT;
    bool is_dir = f->path[len + n] == '/';
    uint64_t ino = 2 + (uint64_t)(f - files) * 256 + len + n;
    return synth_inode_new(dir->fs, ino, is_dir ? LX_S_IFDIR | 0755 : LX_S_IFREG | 0444, is_dir ? &dir_ops : &file_ops,
                           (void *)(uintptr_t)f, len + n + is_dir, out);
}

static int list(struct inode *dir, uint64_t pos, dir_sink *sink, void *ctx)
{
    size_t len = synth_of(dir)->arg, last_len = 0;
    const char *path = path_of(dir), *last = "";
    for (size_t k = 0; k < NFILES; k++) {
        const char *name = files[k].path + len;
        size_t n = strcspn(name, "/");
        if (strncmp(files[k].path, path, len) || !n || (n == last_len && !memcmp(name, last, n))) continue;
        last = name;
        last_len = n;
        uint64_t at = 2 + k;
        if (at >= pos && sink(ctx, name, n, at * 256 + len + n, name[n] ? LX_DT_DIR : LX_DT_REG, at + 1)) return 0;
    }
    return 0;
}

static int show(struct inode *i, struct synth_text *x)
{
    const struct sys_file *f = synth_of(i)->data;
    struct vfs *v = i->fs->vfs;
    if (f->text)
        synth_printf(x, "%s", f->text);
    else
        f->show(x, v->host.ctx);
    return 0;
}

static int file_size(struct inode *i, struct kstat *st)
{
    (void)i;
    st->size = 4096; // as sysfs has it
    return 0;
}

static bool always(struct inode *i)
{
    (void)i;
    return true;
}

static const struct synth_ops dir_ops = {.lookup = lookup, .readdir = list, .valid = always};
static const struct synth_ops file_ops = {.show = show, .getattr = file_size, .valid = always};

int sysfs_new(struct box *box, struct fs **out)
{
    enum { SYSFS_MAGIC = 0x62656572 };
    return synth_fs_new(box->vfs, "sysfs", SYSFS_MAGIC, &dir_ops, NULL, out);
}
