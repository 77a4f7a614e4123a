/* cache.c - LRU cache of parsed expressions.
 *
 * A lookup is a linear search for a 64-bit hash. The search takes less time than computing the
 * hash, because the cache has at most 64 entries. If hashes are equal, the texts are compared too.
 */
#include "expr/cache.h"

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

static uint64_t hash_of(enum expression_kind kind, struct slice text)
{
	uint64_t hash = mix((uint64_t)kind + 1, text.len), word = 0;
	size_t i;

	for (i = 0; text.len - i >= sizeof word; i += sizeof word)
		hash = mix(hash, get_u64_little(text.data + i));
	for (; i < text.len; i++)
		word = word << 8 | text.data[i];
	return mix(hash, word);
}

static struct cache_entry *find(struct expression_cache *cache, enum expression_kind kind,
	struct slice text, uint64_t hash)
{
	unsigned i;

	for (i = 0; i < cache->count; i++) {
		const struct expression *expression = cache->entries[i].expression;

		if (cache->hashes[i] == hash && expression->kind == kind &&
				slice_equal(expression->text, text))
			return &cache->entries[i];
	}
	return NULL;
}

/* Removes the least recently used expression from the cache. */
static void evict(struct expression_cache *cache)
{
	unsigned i, oldest = 0, last = --cache->count;

	for (i = 1; i <= last; i++)
		if (cache->entries[i].used < cache->entries[oldest].used)
			oldest = i;
	cache->bytes -= cache->entries[oldest].expression->size;
	expression_release(cache->entries[oldest].expression);
	cache->entries[oldest] = cache->entries[last];
	cache->hashes[oldest] = cache->hashes[last];
}

static void keep(struct expression_cache *cache, struct expression *expression, uint64_t hash)
{
	while (cache->count == CACHE_ENTRIES ||
			(cache->count && cache->bytes + expression->size > CACHE_BYTES_MAX))
		evict(cache);
	cache->hashes[cache->count] = hash;
	cache->entries[cache->count++] = (struct cache_entry){
		expression_share(expression), cache->lookups };
	cache->bytes += expression->size;
}

int cache_get(struct expression_cache *cache, enum expression_kind kind, struct slice text,
	struct expression **expression, struct failure *failure)
{
	uint64_t hash = text.len <= EXPRESSION_BYTES_MAX ? hash_of(kind, text) : 0;
	struct cache_entry *entry = find(cache, kind, text, hash);
	int err;

	cache->lookups++;
	if (entry) {
		cache->hits++;
		entry->used = cache->lookups;
		*expression = expression_share(entry->expression);
		return 0;
	}
	cache->misses++;
	err = expression_parse(expression, kind, text, failure);
	if (!err)
		keep(cache, *expression, hash);
	return err;
}

void cache_clear(struct expression_cache *cache)
{
	while (cache->count)
		evict(cache);
}
