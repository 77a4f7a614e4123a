/* u64_map.c - hash map with open addressing and linear probing. */
#include "base/u64_map.h"

#include "base/memory.h"

#define MIN_CAP 64

/* Returns the first slot to search for a key. Uses Fibonacci hashing, so that consecutive ids get
 * distant slots. */
static size_t home(const struct u64_map *map, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 17) & (map->cap - 1);
}

/* Returns the slot of the key, or the free slot where the key would be inserted. */
static size_t find_slot(const struct u64_map *map, uint64_t key)
{
	size_t at = home(map, key);

	while (map->entries[at].used && map->entries[at].key != key)
		at = (at + 1) & (map->cap - 1);
	return at;
}

struct u64_map_entry *u64_map_find(const struct u64_map *map, uint64_t key)
{
	struct u64_map_entry *entry;

	if (map->cap == 0)
		return NULL;
	entry = &map->entries[find_slot(map, key)];
	return entry->used ? entry : NULL;
}

static bool grow(struct u64_map *map)
{
	struct u64_map bigger = { .cap = map->cap ? 2 * map->cap : MIN_CAP };

	bigger.entries = memory_alloc_zeroed(bigger.cap * sizeof *bigger.entries);
	if (!bigger.entries)
		return false;
	for (size_t i = 0; i < map->cap; i++)
		if (map->entries[i].used)
			bigger.entries[find_slot(&bigger, map->entries[i].key)] = map->entries[i];
	bigger.count = map->count;
	memory_free(map->entries);
	*map = bigger;
	return true;
}

struct u64_map_entry *u64_map_make(struct u64_map *map, uint64_t key)
{
	struct u64_map_entry *entry = u64_map_find(map, key);

	if (entry)
		return entry;
	if (map->count * 3 >= map->cap * 2 && !grow(map))
		return NULL;
	entry = &map->entries[find_slot(map, key)];
	*entry = (struct u64_map_entry){ .key = key, .used = true };
	map->count++;
	return entry;
}

/* Removes an entry of the map and moves the following entries into its slot (backward-shift
 * deletion), so that a search for them does not end at an empty slot. */
void u64_map_remove(struct u64_map *map, uint64_t key)
{
	struct u64_map_entry *entry = u64_map_find(map, key);
	size_t mask = map->cap - 1;
	size_t hole;
	size_t at;

	if (!entry)
		return;
	hole = (size_t)(entry - map->entries);
	for (at = (hole + 1) & mask; map->entries[at].used; at = (at + 1) & mask) {
		size_t first = home(map, map->entries[at].key);

		if (((at - first) & mask) >= ((at - hole) & mask)) {
			map->entries[hole] = map->entries[at];
			hole = at;
		}
	}
	map->entries[hole].used = false;
	map->count--;
}

void u64_map_release(struct u64_map *map)
{
	memory_free(map->entries);
	*map = (struct u64_map){ 0 };
}
