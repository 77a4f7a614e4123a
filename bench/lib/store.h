/* store.h - how the benches open a store: durability, use, cache, path. */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

/* Durability of a commit when it returns. */
enum level {
	LEVEL_FULL,              /* flushed: survives a power cut */
	LEVEL_ONE_FLUSH,         /* flushed once: a power cut loses at most the last one */
	LEVEL_RELAXED,           /* flushed later: it loses the last ones, never the file */
	LEVEL_NONE,              /* not flushed; survives a killed process */
};

enum use {
	USE_BARE,                /* puts record nothing */
	USE_CAPTURED,
	USE_READ,                /* read only */
	USE_FOLLOW,              /* read only; another process writes */
};

/* 512 MiB: all items, so that no store reads from the disk. */
#define CACHE_MIB 512

/* Returns the level with this name; exits with a message if there is none. */
enum level level_of(const char *text);

/* Returns DIRECTORY/NAME, valid until the next call. */
const char *path_of(const char *directory, const char *name);

#endif
