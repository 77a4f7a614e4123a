/* test_floors.c - the newest expired record of each stream, when a feed was started. */
#include "stream/floors.h"
#include "unit/check.h"

/* Streams 2, 5, 8, ...: every id between, before and after them has no floor. */
static void each_stream_is_found(void)
{
	for (uint32_t count = 0; count <= 20; count++) {
		struct floors floors = { 0 };

		for (uint32_t i = 1; i <= count; i++)
			CHECK_EQUAL_INT(floors_add(&floors, (struct floor){ .stream = 3 * i - 1,
				.hidden = 100 * i }), 0);
		for (uint32_t id = 0; id <= 3 * count + 3; id++)
			CHECK_EQUAL_UINT(floors_hidden(&floors, id),
				id % 3 == 2 && id < 3 * count ? 100 * ((id + 1) / 3) : 0);
		floors_release(&floors);
		CHECK(!floors.all && floors.count == 0 && floors.cap == 0);
	}
}

int main(void)
{
	each_stream_is_found();
	return 0;
}
