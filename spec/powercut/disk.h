/* disk.h - the weakest file system, and what a power cut may leave on it.
 *
 * What is flushed stays. Of the rest nothing is promised:
 *
 * - Each sector (512 bytes) of a file holds any of its contents since the last
 *   flush: writes are dropped, kept and reordered sector by sector.
 * - A sector that was being written may be torn at any byte, old behind new,
 *   where the engine does not count on sectors (its data pages).
 * - A file has any of its lengths since the last flush. What it is longer by
 *   than its data holds zeros or whatever lay on the disk.
 * - Each name is made, renamed and removed or not, as long as the directory is
 *   not flushed; flushing a file says nothing about its name. Renaming is
 *   atomic.
 * - A write through an O_DSYNC descriptor flushes its own sectors and nothing
 *   else; until it returns it is like any other.
 */
#ifndef POWERCUT_DISK_H
#define POWERCUT_DISK_H

#include "calls/dice.h"
#include "powercut/trace.h"

/* No file of a test grows beyond that. */
#define FILE_BYTES_MAX (UINT64_C(16) << 20)
#define SECTOR_BYTES 512

/* Flushes that the disk only says it has done: what the tests have to notice. */
struct lies {
	bool files;            /* fsync and fdatasync of a file */
	bool parts;            /* O_DSYNC */
	bool names;            /* fsync of the directory */
};

/* A database's files: those that its names stand for. */
struct image {
	bool there[NAMES];
	uint8_t *bytes[NAMES];         /* FILE_BYTES_MAX each */
	uint64_t len[NAMES];
};

void image_init(struct image *image);
void image_release(struct image *image);
void image_copy(struct image *to, const struct image *from);

/* The same for equal images. */
uint64_t image_digest(const struct image *image);

struct disk;

/* A disk that holds an image, flushed (file n is that of name n), or nothing. */
struct disk *disk_new(const struct image *image, struct lies lies);
void disk_free(struct disk *disk);

/* What names stand for on a new disk, for trace_clear. */
void disk_names(const struct image *image, int named[NAMES]);

void disk_apply(struct disk *disk, const struct deed *deed);

/* What the power cut that is `state` among those at this moment leaves: state 0
 * everything, 1 what was flushed, the next few all but one write or one alone,
 * the others by chance. */
void disk_cut(const struct disk *disk, uint64_t seed, uint64_t moment, uint64_t state,
	struct image *image);

#endif
