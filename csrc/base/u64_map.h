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

/* Returns the key's entry, NULL if there is none. Valid until the next make or remove. */
struct u64_map_entry *u64_map_find(const struct u64_map *map, uint64_t key);

/* Returns the key's entry, a new zeroed one if there was none. NULL: no memory. */
struct u64_map_entry *u64_map_make(struct u64_map *map, uint64_t key);

void u64_map_remove(struct u64_map *map, uint64_t key);    /* does nothing if there is none */
void u64_map_release(struct u64_map *map);

#endif
