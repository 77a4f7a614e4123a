/* peer.h - a store beside which ours is measured.
 *
 * A peer says how its own calls put, get, read changes and trim; bench/lib/peer.c
 * asks all of them for the same work, measures it, and is their command line:
 *
 *     PEER describe                        version, settings, statements
 *     PEER make PATH ITEMS CHANGES         items; then the first ones changed, captured
 *     PEER put PATH ITEMS LEVEL random|ascending BATCH COUNT SEED
 *     PEER load PATH COUNT                 new items by thousands, one flush at the end
 *     PEER scan PATH untouched|image       all changes
 *     PEER get PATH ITEMS COUNT SEED       random items
 *     PEER trim PATH STAY                  all changes but the newest
 *     PEER follow PATH COUNT HOW           waits for so many changes of another process
 *     PEER ring PATH ITEMS COUNT           is that other process
 *     PEER serve PATH                      its server, until the standard input ends
 *     PEER ready PATH                      returns when that answers
 *
 * PATH is a directory of the peer's own. Those that measure print one line of
 * numbers: nanoseconds an operation; scan: KB of anonymous memory and how many
 * changes there are as well; follow: "ready", and the median and the 99th percentile.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/order.h"
#include "lib/program.h"

/* What a commit has done when it returns. */
enum level {
	LEVEL_FULL,              /* flushed: it survives a power cut */
	LEVEL_ONE_FLUSH,         /* flushed once: a power cut takes the last one at most */
	LEVEL_RELAXED,           /* flushed later: it takes the last ones, never the file */
	LEVEL_NONE,              /* not flushed at all; it survives a killed process */
};

enum use {
	USE_BARE,                /* puts capture nothing */
	USE_CAPTURED,
	USE_READ,                /* nothing is written */
	USE_FOLLOW,              /* nothing is, here; another process writes */
};

/* Borrowed: until the next call. */
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

	/* The store's own form of what put and what get are given, with an item of
	 * ORDER_ITEM bytes, and of an image. NULL, all three: lib/order.h's is used. */
	void (*write)(struct order *order, const struct image *image);
	void (*write_key)(struct order *order, const struct image *image);
	bool (*read)(struct image *image, const uint8_t *item, size_t len);

	/* A transaction of so many puts, each with its change record: both images. */
	void (*begin)(uint64_t puts);
	void (*put)(const struct order *order);
	void (*commit)(void);

	/* Whatever was committed is on the disk; what can be tidied is. */
	void (*flush)(void);
	void (*settle)(void);            /* NULL: nothing to tidy */

	bool (*get)(const uint8_t *key, uint8_t *item);

	/* Changes in order, from the first one or behind the last. Next is false when
	 * there is none now; after it, wait may sleep until there is (NULL: a sleep of a
	 * millisecond; `busy`: no sleep). */
	void (*start)(bool behind_last);
	bool (*next)(struct change *change);
	void (*wait)(bool busy);

	/* In transactions of TRIM_BATCH; how many went. */
	uint64_t (*trim)(uint64_t stay);

	/* Where the items are, and how that is started; NULL: in this process. */
	pid_t (*server)(void);
	void (*serve)(const char *path);
	void (*ready)(const char *path);
};

/* Each program's own. */
extern const struct peer peer;

#define TRIM_BATCH 256

/* 512 MiB: all the items, so that nobody reads from the disk. */
#define CACHE_MIB 512

int peer_main(const struct peer *peer, int count, char **arg);

/* DIRECTORY/NAME, until the next call. */
const char *path_of(const char *directory, const char *name);

#endif
