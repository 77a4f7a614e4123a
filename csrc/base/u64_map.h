/* u64_map.h - hash map from a 64-bit key to two 64-bit values.
 *
 * A zeroed map is valid and empty.
 */
#ifndef BASE_U64_MAP_H
#define BASE_U64_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct u64_map_entry {
	uint64_t key;
	uint64_t a, b;           /* values; their meaning is the caller's */
	bool used;
};

struct u64_map {
	struct u64_map_entry *entries;
	size_t count;            /* entries in use */
	size_t cap;              /* power of two, or 0 */
};

/* Returns the entry of the key, NULL if the map has none. The pointer is valid until the next
 * u64_map_make or u64_map_remove. */
struct u64_map_entry *u64_map_find(const struct u64_map *map, uint64_t key);

/* Returns the entry of the key, which is inserted with zero values if the map has none. Returns
 * NULL if memory runs out. */
struct u64_map_entry *u64_map_make(struct u64_map *map, uint64_t key);

void u64_map_remove(struct u64_map *map, uint64_t key);    /* no entry is allowed */
void u64_map_release(struct u64_map *map);

#endif
