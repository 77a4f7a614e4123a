/* test_consuming.c - random steps of consumers, whose shards are divided, keep all invariants. */
#include "unit/consuming.h"

static struct failure failure;
static struct tide_table tables[2];

/* The second table keeps few records, so that some expire before they are read. */
static void create_tables(struct tide *tide)
{
	struct tide_table_spec spec = spec_of("short");

	tables[0] = create_table(tide, "orders");
	spec.retention.max_count = 30;
	spec.retention.hold_bytes = 5000;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	tables[1] = table_named("short");
}

int main(void)
{
	struct tide *tide = open_tide(tide_path("consuming.tide"));
	struct dice dice = dice_for(check_random(), 0, 0, 0);
	uint64_t runs = check_runs(5000);
	char partition[16], v[16];

	create_tables(tide);
	for (uint64_t run = 0; run < runs; run++) {
		snprintf(partition, sizeof partition, "%u", (unsigned)check_random_below(30));
		snprintf(v, sizeof v, "%u", (unsigned)run);
		if (check_random_below(3))
			put_alone(tide, &tables[check_random_below(2)], partition, "s", v);
		MUST(consume_step(tide, &dice, &failure), failure);
		if (run % 50 == 0)
			check_clean(tide);
	}
	check_clean(tide);
	tide_close(tide);
	return 0;
}
