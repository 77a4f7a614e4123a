/* test_u64_map.c - tests of base/u64_map.h against a plain array. */
#include "base/memory.h"
#include "base/u64_map.h"
#include "unit/check.h"

#define KEYS 3000

/* Returns keys of several patterns, consecutive and distant ones, for all kinds of collisions. */
static uint64_t key_of(unsigned i)
{
	return i % 3 ? i : (uint64_t)i << 40;
}

static void it_keeps_what_it_is_given(void)
{
	static uint64_t kept[KEYS];
	struct u64_map map = { 0 };
	size_t count = 0;

	CHECK(u64_map_find(&map, 0) == NULL);
	u64_map_remove(&map, 0);
	for (int step = 0; step < 200000; step++) {
		unsigned i = (unsigned)check_random_below(KEYS);
		struct u64_map_entry *entry = u64_map_find(&map, key_of(i));

		CHECK((entry != NULL) == (kept[i] != 0));
		CHECK(!entry || entry->a == kept[i]);
		if (check_random_below(2)) {
			count += kept[i] == 0;
			kept[i] = check_random() | 1;
			entry = u64_map_make(&map, key_of(i));
			CHECK(entry && entry->key == key_of(i));
			entry->a = kept[i];
		} else {
			count -= kept[i] != 0;
			kept[i] = 0;
			u64_map_remove(&map, key_of(i));
		}
		CHECK_EQUAL_UINT(map.count, count);
	}
	for (unsigned i = 0; i < KEYS; i++)
		CHECK((u64_map_find(&map, key_of(i)) != NULL) == (kept[i] != 0));
	u64_map_release(&map);
	CHECK(map.count == 0 && u64_map_find(&map, 1) == NULL);
}

static void without_memory_it_keeps_what_it_has(void)
{
	struct u64_map map = { 0 };
	uint64_t made = 0;

	memory_fail_after(3);
	while (u64_map_make(&map, made))
		made++;
	memory_fail_after(-1);
	CHECK(made > 0 && map.count == made);
	for (uint64_t i = 0; i < made; i++)
		CHECK(u64_map_find(&map, i) != NULL);
	CHECK(u64_map_make(&map, made) != NULL);
	u64_map_release(&map);
}

int main(void)
{
	it_keeps_what_it_is_given();
	without_memory_it_keeps_what_it_has();
	return 0;
}
