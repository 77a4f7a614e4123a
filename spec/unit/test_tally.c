/* test_tally.c - tally.h, beside a plain array. */
#include "base/memory.h"
#include "base/tally.h"
#include "unit/check.h"

#define KEYS 3000

/* Few keys far apart and many close together, all kinds of collisions. */
static uint64_t key_of(unsigned i)
{
	return i % 3 ? i : (uint64_t)i << 40;
}

static void it_keeps_what_it_is_given(void)
{
	static uint64_t kept[KEYS];
	struct tally tally = { 0 };
	size_t count = 0;

	CHECK(tally_find(&tally, 0) == NULL);
	tally_remove(&tally, 0);
	for (int step = 0; step < 200000; step++) {
		unsigned i = (unsigned)check_random_below(KEYS);
		struct tally_entry *entry = tally_find(&tally, key_of(i));

		CHECK((entry != NULL) == (kept[i] != 0));
		CHECK(!entry || entry->a == kept[i]);
		if (check_random_below(2)) {
			count += kept[i] == 0;
			kept[i] = check_random() | 1;
			entry = tally_make(&tally, key_of(i));
			CHECK(entry && entry->key == key_of(i));
			entry->a = kept[i];
		} else {
			count -= kept[i] != 0;
			kept[i] = 0;
			tally_remove(&tally, key_of(i));
		}
		CHECK_EQUAL_UINT(tally.count, count);
	}
	for (unsigned i = 0; i < KEYS; i++)
		CHECK((tally_find(&tally, key_of(i)) != NULL) == (kept[i] != 0));
	tally_release(&tally);
	CHECK(tally.count == 0 && tally_find(&tally, 1) == NULL);
}

static void without_memory_it_keeps_what_it_has(void)
{
	struct tally tally = { 0 };
	uint64_t made = 0;

	memory_fail_after(3);
	while (tally_make(&tally, made))
		made++;
	memory_fail_after(-1);
	CHECK(made > 0 && tally.count == made);
	for (uint64_t i = 0; i < made; i++)
		CHECK(tally_find(&tally, i) != NULL);
	CHECK(tally_make(&tally, made) != NULL);
	tally_release(&tally);
}

int main(void)
{
	it_keeps_what_it_is_given();
	without_memory_it_keeps_what_it_has();
	return 0;
}
