/* cache.h - parsed expressions, kept by kind and text.
 *
 * A fixed number of entries; the one that was not used for the longest time makes room (LRU).
 * An expression that failed to parse is not kept.
 */
#ifndef EXPR_CACHE_H
#define EXPR_CACHE_H

#include "expr/parser.h"

#define CACHE_ENTRIES 64
/* Largest sum of the memory of all entries. One of 4,096 bytes of text needs a fifth of it. */
#define CACHE_BYTES_MAX (1024 * 1024)

struct cache_entry {
	struct expression *expression;
	uint64_t used;                   /* the lookup that used it last */
};

/* A zeroed one is valid and empty. */
struct expression_cache {
	uint64_t hashes[CACHE_ENTRIES];
	struct cache_entry entries[CACHE_ENTRIES];
	unsigned count;
	size_t bytes;
	uint64_t lookups;
	uint64_t hits, misses;
};

/* Sets *expression to the parsed text; the caller owns a reference to it. Errors of
 * expression_parse. */
int cache_get(struct expression_cache *cache, enum expression_kind kind, struct slice text,
	struct expression **expression, struct failure *failure);

/* Empties it; the counts of hits and misses stay. */
void cache_clear(struct expression_cache *cache);

#endif
