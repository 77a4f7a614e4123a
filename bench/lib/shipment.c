/* shipment.c - orders with a delivery as C structs. */
#include "lib/shipment.h"

#include <string.h>

#include "lib/program.h"

static const char *const carriers[] = { "north", "south", "coast", "rails" };

static char comment[COMMENT + 1];

__attribute__((constructor)) static void make_comment(void)
{
	static const char text[] = "the gate is open until noon, then use the yard; ";

	for (size_t i = 0; i < COMMENT; i++)
		comment[i] = text[i % (sizeof text - 1)];
}

void shipment_make(struct shipment *shipment, bool is_large, uint64_t number, uint64_t items,
	uint64_t *state)
{
	uint64_t any;

	image_make(&shipment->order, number, items, state);
	any = chance(state) >> 8;
	memcpy(shipment->carrier, carriers[any % 4], sizeof shipment->carrier);
	shipment->weight = (int64_t)(any / 4 % 1000);
	memcpy(shipment->zip, "24", 2);
	set_digits(shipment->zip + 2, 3, any / 4000 % 1000);
	shipment->zip[5] = 0;
	shipment->comment = is_large ? comment : NULL;
}
