/* cache.h - LRU cache of parsed expressions by kind and text.
 *
 * The number of cached expressions and their memory are limited. Expressions that fail to parse
 * are not cached.
 */
#ifndef EXPR_CACHE_H
#define EXPR_CACHE_H

#include "expr/parser.h"

#define CACHE_ENTRIES 64
/* Maximum memory of all cached expressions. An expression of 4,096 bytes needs up to a fifth of
 * this memory. */
#define CACHE_BYTES_MAX (1024 * 1024)

struct cache_entry {
	struct expression *expression;
	uint64_t used;                   /* number of the last lookup that returned it */
};

/* A zeroed cache is valid and empty. */
struct expression_cache {
	uint64_t hashes[CACHE_ENTRIES];
	struct cache_entry entries[CACHE_ENTRIES];
	unsigned count;
	size_t bytes;
	uint64_t lookups;
	uint64_t hits, misses;
};

/* Sets *expression to the parsed expression of this kind and text, from the cache if it contains
 * it. The caller owns a reference to the expression. Errors are those of expression_parse. */
int cache_get(struct expression_cache *cache, enum expression_kind kind, struct slice text,
	struct expression **expression, struct failure *failure);

/* Removes all expressions from the cache, but keeps the counts of hits and misses. */
void cache_clear(struct expression_cache *cache);

#endif
