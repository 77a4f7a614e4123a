/* u64_map.c - numbers kept under numbers: open addressing, next place when taken. */
#include "base/u64_map.h"

#include "base/memory.h"

#define CAP_LEAST 64

/* Fibonacci's: the high bits of a product, so that ids one after another spread. */
static size_t home(const struct u64_map *tally, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 17) & (tally->cap - 1);
}

/* Where the key is, or the free place where it would be. */
static size_t place(const struct u64_map *tally, uint64_t key)
{
	size_t at = home(tally, key);

	while (tally->entries[at].used && tally->entries[at].key != key)
		at = (at + 1) & (tally->cap - 1);
	return at;
}

struct u64_map_entry *u64_map_find(const struct u64_map *tally, uint64_t key)
{
	struct u64_map_entry *entry;

	if (tally->cap == 0)
		return NULL;
	entry = &tally->entries[place(tally, key)];
	return entry->used ? entry : NULL;
}

static bool grow(struct u64_map *tally)
{
	struct u64_map bigger = { .cap = tally->cap ? 2 * tally->cap : CAP_LEAST };

	bigger.entries = memory_zeroed(bigger.cap * sizeof *bigger.entries);
	if (!bigger.entries)
		return false;
	for (size_t i = 0; i < tally->cap; i++)
		if (tally->entries[i].used)
			bigger.entries[place(&bigger, tally->entries[i].key)] = tally->entries[i];
	bigger.count = tally->count;
	memory_give_back(tally->entries);
	*tally = bigger;
	return true;
}

struct u64_map_entry *u64_map_make(struct u64_map *tally, uint64_t key)
{
	struct u64_map_entry *entry = u64_map_find(tally, key);

	if (entry)
		return entry;
	if (tally->count * 3 >= tally->cap * 2 && !grow(tally))
		return NULL;
	entry = &tally->entries[place(tally, key)];
	*entry = (struct u64_map_entry){ .key = key, .used = true };
	tally->count++;
	return entry;
}

/* What stood behind moves up, so that no search ends too early. */
void u64_map_remove(struct u64_map *tally, uint64_t key)
{
	struct u64_map_entry *entry = u64_map_find(tally, key);
	size_t mask = tally->cap - 1;
	size_t hole;
	size_t at;

	if (!entry)
		return;
	hole = (size_t)(entry - tally->entries);
	for (at = (hole + 1) & mask; tally->entries[at].used; at = (at + 1) & mask) {
		size_t wanted = home(tally, tally->entries[at].key);

		if (((at - wanted) & mask) >= ((at - hole) & mask)) {
			tally->entries[hole] = tally->entries[at];
			hole = at;
		}
	}
	tally->entries[hole].used = false;
	tally->count--;
}

void u64_map_release(struct u64_map *tally)
{
	memory_give_back(tally->entries);
	*tally = (struct u64_map){ 0 };
}
