/* u64_map.h - numbers kept under numbers: a hash table of fixed small entries.
 *
 * A zeroed one is a valid empty one.
 */
#ifndef BASE_U64_MAP_H
#define BASE_U64_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct u64_map_entry {
	uint64_t key;
	uint64_t a, b;           /* what the owner makes of them */
	bool used;
};

struct u64_map {
	struct u64_map_entry *entries;
	size_t count;            /* entries in use */
	size_t cap;              /* a power of two, or 0 */
};

/* The key's entry, or NULL. Good until the next make or remove. */
struct u64_map_entry *u64_map_find(const struct u64_map *map, uint64_t key);

/* The same, made zeroed if it wasn't there. NULL: no memory. */
struct u64_map_entry *u64_map_make(struct u64_map *map, uint64_t key);

void u64_map_remove(struct u64_map *map, uint64_t key);    /* that it isn't there is fine */
void u64_map_release(struct u64_map *map);

#endif
