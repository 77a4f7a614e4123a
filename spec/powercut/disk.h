/* disk.h - a model of the weakest file system, and the states a power cut can leave.
 *
 * Flushed data is kept. Everything else is undefined:
 *
 * - Each sector (512 bytes) of a file holds any of its contents since the last
 *   flush: writes are dropped, kept and reordered sector by sector.
 * - A sector that was being written may be torn at any byte, except where LMDB
 *   requires atomic sectors (its meta pages).
 * - A file has any of its lengths since the last flush. Bytes past its data
 *   are zeros or old content of the disk.
 * - Each creation, renaming or removal of a name is kept or lost until the
 *   directory is flushed; flushing a file does not flush its name. Renaming is
 *   atomic.
 * - A write through an O_DSYNC descriptor flushes its own sectors and nothing
 *   else; before it returns it is like any other write.
 */
#ifndef POWERCUT_DISK_H
#define POWERCUT_DISK_H

#include "calls/dice.h"
#include "powercut/trace.h"

/* Maximum length of a file in the tests. */
#define FILE_BYTES_MAX (UINT64_C(16) << 20)
#define SECTOR_BYTES 512

/* Flushes that return success without flushing. The tests must detect the losses. */
struct ignored_flushes {
	bool files;            /* fsync and fdatasync of a file */
	bool parts;            /* O_DSYNC */
	bool names;            /* fsync of the directory */
};

/* The files of a database, by name. */
struct image {
	bool there[NAMES];
	uint8_t *bytes[NAMES];         /* FILE_BYTES_MAX bytes each */
	uint64_t len[NAMES];
};

void image_init(struct image *image);
void image_release(struct image *image);
void image_copy(struct image *to, const struct image *from);

/* Returns a hash of the image; equal images have equal hashes. */
uint64_t image_digest(const struct image *image);

struct disk;

/* Creates a disk that holds a flushed image (file n has name n), or nothing. */
struct disk *disk_new(const struct image *image, struct ignored_flushes ignored);
void disk_free(struct disk *disk);

/* Sets the file of each name on a new disk, for trace_clear. */
void disk_names(const struct image *image, int named[NAMES]);

void disk_apply(struct disk *disk, const struct trace_event *event);

/* Computes the image that a power cut at this point leaves. State 0 keeps
 * everything, 1 only what was flushed; the next states lose or keep one write,
 * the others are random. */
void disk_cut(const struct disk *disk, uint64_t seed, uint64_t cut_point, uint64_t state,
	struct image *image);

#endif
