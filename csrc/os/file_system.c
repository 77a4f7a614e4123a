/* file_system.c - detects network, cluster and FUSE file systems. */
#include "os/file_system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "os/file.h"

#define FUSE 0x65735546
#define TYPE_MAX 80

/* Type numbers (statfs) of network and cluster file systems, from include/uapi/linux/magic.h, and
 * of file systems that are not in the kernel. */
static const struct {
	uint32_t type;
	const char *name;
} shared[] = {
	{ 0x6969, "NFS" }, { 0x517b, "SMB" }, { 0xff534d42, "CIFS" },
	{ 0xfe534d42, "SMB2" }, { 0x01021997, "9p" }, { 0x5346414f, "AFS" },
	{ 0x6b414653, "AFS" }, { 0x73757245, "Coda" }, { 0x00c36400, "Ceph" },
	{ 0x564c, "NCP" }, { 0x0bd00bd0, "Lustre" }, { 0x47504653, "GPFS" },
	{ 0x19830326, "BeeGFS" }, { 0x01161970, "GFS2" }, { 0x7461636f, "OCFS2" },
	{ 0x786f4256, "vboxsf" }, { 0xbacbacbc, "vmhgfs" }, { 0x7c7c6673, "prl_fs" },
	{ 0x20030528, "OrangeFS" }, { 0xaad7aaea, "PanFS" }, { 0x61636673, "ACFS" },
	{ 0x013111a8, "IBRIX" }, { 0xbeefdead, "StorNext" }, { 0xa501fcf5, "VxFS" },
};

static int refuse(const char *path, const char *name, struct failure *failure)
{
	return fail_as(failure, ERR_STORE, "%s is on a network or shared file system (%s);"
		" a database needs a local disk", path, name);
}

/* Fields of a line of mountinfo: id, parent, device, root, mount point, options, optional
 * fields, " - ", type, source, options. Blanks inside a field are escaped. */
static bool read_line(const char *line, unsigned *high, unsigned *low, char type[TYPE_MAX])
{
	const char *end = strstr(line, " - ");

	return end && sscanf(line, "%*u %*u %u:%u ", high, low) == 2 &&
		sscanf(end, " - %79s", type) == 1;
}

bool file_system_find_type(const char *mounts, uint64_t device, char *type, size_t size)
{
	FILE *file = fopen(mounts, "re");
	char line[2 * PATH_MAX + 500];
	char found[TYPE_MAX];
	bool is_found = false;
	unsigned high, low;

	while (file && !is_found && fgets(line, sizeof line, file))
		is_found = read_line(line, &high, &low, found) && high == major(device) &&
			low == minor(device);
	if (file)
		fclose(file);
	if (is_found)
		snprintf(type, size, "%s", found);
	return is_found;
}

static int check_fuse(int fd, const char *path, struct failure *failure)
{
	char type[TYPE_MAX] = "FUSE";
	struct stat stat;

	if (fstat(fd, &stat) == 0 && file_system_find_type("/proc/self/mountinfo", stat.st_dev,
			type, sizeof type) && strcmp(type, "fuse.fuse-overlayfs") == 0)
		return 0;
	return refuse(path, type, failure);
}

int file_system_check_local(int fd, const char *path, struct failure *failure)
{
	struct statfs disk;

	if (fstatfs(fd, &disk))
		return file_fail(failure, errno, path, "can't be examined");
	if ((uint32_t)disk.f_type == FUSE)
		return check_fuse(fd, path, failure);
	for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
		if (shared[i].type == (uint32_t)disk.f_type)
			return refuse(path, shared[i].name, failure);
	return 0;
}
