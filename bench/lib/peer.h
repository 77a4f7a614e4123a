/* peer.h - interface of a store that is compared with this library.
 *
 * A peer implements put, get, reading of changes and trim. bench/lib/peer.c calls all
 * peers for the same work, measures it, and implements their command line:
 *
 *     PEER describe                        prints version, settings, statements
 *     PEER make PATH ITEMS CHANGES         stores items, then records changes
 *     PEER put PATH ITEMS LEVEL random|ascending BATCH COUNT SEED
 *     PEER load PATH COUNT                 stores new items, flushes at the end
 *     PEER scan PATH untouched|image       reads all changes
 *     PEER get PATH ITEMS COUNT SEED       reads random items
 *     PEER trim PATH STAY                  removes all but the newest changes
 *     PEER follow PATH COUNT HOW           waits for changes of another process
 *     PEER ring PATH ITEMS COUNT           makes these changes
 *     PEER serve PATH                      runs the server until standard input ends
 *     PEER ready PATH                      returns when the server answers
 *
 * PATH is a directory of the peer. Commands that measure print one line of numbers:
 * nanoseconds per operation; scan also KB of anonymous memory and the number of changes;
 * follow "ready", then the median and the 99th percentile.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/order.h"
#include "lib/program.h"
#include "lib/store.h"

/* Borrowed until the next call. */
struct change {
	const uint8_t *old_image;
	const uint8_t *new_image;
	size_t old_len;
	size_t new_len;
};

struct peer {
	const char *name;
	void (*describe)(void);
	void (*open)(const char *path, enum level level, enum use use);
	void (*close)(void);

	/* Convert an image to the store's item (of ORDER_ITEM bytes) and key, and back. All
	 * three are NULL if the format of lib/order.h is used. */
	void (*write)(struct order *order, const struct image *image);
	void (*write_key)(struct order *order, const struct image *image);
	bool (*read)(struct image *image, const uint8_t *item, size_t len);

	/* Executes a transaction of puts, each with a change record of both images. */
	void (*begin)(uint64_t puts);
	void (*put)(const struct order *order);
	void (*commit)(void);

	/* Flushes all commits to the disk, and does deferred work. */
	void (*flush)(void);
	void (*settle)(void);            /* NULL: no deferred work */

	bool (*get)(const uint8_t *key, uint8_t *item);

	/* Reads changes in order, from the first or after the last. Next returns false if
	 * there is none; then wait may sleep until there is one (NULL: sleeps a millisecond;
	 * `busy`: does not sleep). */
	void (*start)(bool behind_last);
	bool (*next)(struct change *change);
	void (*wait)(bool busy);

	/* Removes changes in transactions of TRIM_BATCH; returns how many. */
	uint64_t (*trim)(uint64_t stay);

	/* Process with the items, and its start; NULL: this process. */
	pid_t (*server)(void);
	void (*serve)(const char *path);
	void (*ready)(const char *path);
};

/* Defined by each program. */
extern const struct peer peer;

#define TRIM_BATCH 256

#endif
