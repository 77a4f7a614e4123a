/* test_file_system.c - file_system.h: network and cluster file systems are refused. */
#include <dlfcn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "os/file_system.h"
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

/* Type that statfs returns instead of the true one, unless it is 0. */
static uint32_t faked_type;

int fstatfs(int fd, struct statfs *disk)
{
	int (*real)(int, struct statfs *);
	void *found = dlsym(RTLD_NEXT, "fstatfs");

	memcpy(&real, &found, sizeof real);
	if (!faked_type)
		return real(fd, disk);
	*disk = (struct statfs){ .f_type = (__typeof__(disk->f_type))faked_type };
	return 0;
}

static void shared_ones_are_refused_by_number(void)
{
	static const struct {
		uint32_t type;
		const char *name;
	} kinds[] = {
		{ 0x6969, "(NFS)" }, { 0x517b, "(SMB)" }, { 0xff534d42, "(CIFS)" },
		{ 0xfe534d42, "(SMB2)" }, { 0x01021997, "(9p)" }, { 0x5346414f, "(AFS)" },
		{ 0x6b414653, "(AFS)" }, { 0x73757245, "(Coda)" }, { 0x00c36400, "(Ceph)" },
		{ 0x564c, "(NCP)" }, { 0x0bd00bd0, "(Lustre)" }, { 0x47504653, "(GPFS)" },
		{ 0x19830326, "(BeeGFS)" }, { 0x01161970, "(GFS2)" }, { 0x7461636f, "(OCFS2)" },
		{ 0x786f4256, "(vboxsf)" }, { 0xbacbacbc, "(vmhgfs)" }, { 0x20030528,
		"(OrangeFS)" },
		{ 0xaad7aaea, "(PanFS)" }, { 0x65735546, "(" },
		{ 0xef53, NULL }, { 0x01021994, NULL }, { 0x9123683e, NULL },
		{ 0x58465342, NULL }, { 0x794c7630, NULL },
	};
	int fd = open(check_directory(), O_RDONLY);

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		int err;

		faked_type = kinds[i].type;
		err = file_system_check_local(fd, "x.tide", &failure);
		CHECK_EQUAL_INT(err, kinds[i].name ? ERR_STORE : 0);
		if (kinds[i].name)
			CHECK(strstr(failure.message, kinds[i].name) &&
				strstr(failure.message, "x.tide"));
	}
	faked_type = 0;
	CHECK_EQUAL_INT(file_system_check_local(fd, "x.tide", &failure), 0);
	close(fd);
	CHECK_EQUAL_INT(file_system_check_local(-1, "x.tide", &failure), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, EBADF);
}

static void types_are_found_by_device(void)
{
	static const char mounts[] =
		"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		"nonsense\n"
		"36 35 0:45 / /mnt/a\\040b rw,noatime master:1 - fuse.sshfs host:/ rw\n"
		"40 35 0:46 / /c rw - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0\n";
	const char *path = store_path("mountinfo");
	char type[80] = "none";
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0 && write(fd, mounts, sizeof mounts - 1) > 0);
	close(fd);
	CHECK(file_system_find_type(path, makedev(0, 45), type, sizeof type));
	CHECK_EQUAL_STRING(type, "fuse.sshfs");
	CHECK(file_system_find_type(path, makedev(0, 46), type, sizeof type));
	CHECK_EQUAL_STRING(type, "fuse.fuse-overlayfs");
	CHECK(file_system_find_type(path, makedev(8, 1), type, sizeof type));
	CHECK_EQUAL_STRING(type, "ext4");
	CHECK(!file_system_find_type(path, makedev(8, 2), type, sizeof type));
	CHECK(!file_system_find_type(store_path("no file"), makedev(8, 1), type, sizeof type));
}

/* --- overlayfs --- */

static void read_and_wait(struct child *parent, void *context)
{
	struct store_options options = small_options(context);
	struct store *store;

	options.read_only = true;
	options.create = false;
	store = open_with(&options);
	CHECK(store_has(store, TREE_META, "a", "b"));
	child_tell(parent);
	child_hear(parent);
	CHECK(store_has(store, TREE_META, "a", "c"));
	store_close(store);
}

/* A reader that opened the database before the first write sees this write, because opening copies
 * the file to the upper layer. */
static void a_reader_on_overlayfs_sees_later_writes(void)
{
	char options[17000], folders[4][4200];
	static const char *const names[] = { "lower", "upper", "work", "merged" };
	char path[4300];
	struct store *store;
	struct child child;

	for (int i = 0; i < 4; i++) {
		snprintf(folders[i], sizeof folders[i], "%s", store_path(names[i]));
		CHECK(mkdir(folders[i], 0700) == 0);
	}
	snprintf(path, sizeof path, "%s/x.tide", folders[0]);
	store = open_small(path);
	write_row(store, TREE_META, "a", "b");
	store_close(store);
	snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", folders[0],
		folders[1], folders[2]);
	if (mount("overlay", folders[3], "overlay", 0, options)) {
		fprintf(stderr, "skipped: overlayfs: can't mount: %s\n", strerror(errno));
		return;
	}
	snprintf(path, sizeof path, "%s/x.tide", folders[3]);
	child = child_start(read_and_wait, path);
	CHECK(child_hear(&child));
	store = open_small(path);
	write_row(store, TREE_META, "a", "c");
	child_tell(&child);
	child_end(&child);
	store_close(store);
	CHECK(umount(folders[3]) == 0);
}

int main(void)
{
	shared_ones_are_refused_by_number();
	types_are_found_by_device();
	a_reader_on_overlayfs_sees_later_writes();
	return 0;
}
