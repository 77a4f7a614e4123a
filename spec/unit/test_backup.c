/* test_backup.c - tide_backup: contents and identity of copies, compaction in place, and cancelled
 * copies. */
#include <fcntl.h>

#include "api/database.h"
#include "unit/files.h"
#include "unit/tides.h"

static struct failure failure;

static int finish(struct tide_backup *backup, struct tide_backup_facts *facts)
{
	int err;

	while ((err = tide_backup_result(backup, facts, &failure)) == END)
		tide_backup_wait(backup, 10);
	tide_backup_finish(backup);
	return err;
}

static int back_up(struct tide *tide, const char *path, struct tide_backup_facts *facts)
{
	struct tide_backup_options options = { .path = path, .overwrite = true };
	struct tide_backup *backup;
	int err = tide_backup_start(&backup, tide, &options, &failure);

	return err ? err : finish(backup, facts);
}

static uint64_t sequence_of(struct tide *tide)
{
	struct tide_info info;

	MUST(tide_info(tide, &info, &failure), failure);
	return info.sequence;
}

static struct tide *open_alone(const char *path)
{
	struct tide_options options = weak_options(path);
	struct tide *tide;

	options.alone = true;
	MUST(tide_open(&tide, &options, &failure), failure);
	return tide;
}

/* --- the boot id of a weaker durability level --- */

enum { OF_THIS_BOOT, OF_ANOTHER = 2 };   /* END: none */

static int mark_of(const char *path)
{
	struct tide_options options = { .path = path, .read_only = true,
		.max_bytes = UINT64_C(1) << 30 };
	struct tide *tide;
	struct read_view snapshot;
	bool is_this;
	int err;

	MUST(tide_open(&tide, &options, &failure), failure);
	MUST(tide_read_begin(tide, &snapshot, &failure), failure);
	err = weak_boot_read(snapshot.txn, &is_this);
	MUST(tide_read_end(tide, &snapshot, 0, &failure), failure);
	tide_close(tide);
	return err ? err : is_this ? OF_THIS_BOOT : OF_ANOTHER;
}

static void a_copy_is_flushed_and_says_so(void)
{
	const char *path = tide_path("weak.tide"), *target = tide_path("flushed.tide");
	struct tide *tide = open_tide(path);
	struct tide_backup_facts facts;

	create_table(tide, "orders");
	MUST(back_up(tide, target, &facts), failure);
	tide_close(tide);
	CHECK_EQUAL_INT(mark_of(path), OF_THIS_BOOT);
	CHECK_EQUAL_INT(mark_of(target), END);
}

/* Leaves the file as after a power cut. */
static void write_mark_of_another_boot(const char *path)
{
	static const uint8_t key[] = { META_WEAK_BOOT }, boot[BOOT_BYTES] = { 1, 2, 3 };
	struct tide *tide = open_tide(path);
	struct buffer row = { 0 };

	begin(tide);
	row_start(&row);
	buffer_put(&row, boot, sizeof boot);
	CHECK_EQUAL_INT(row_seal(&row, slice_of(key, sizeof key)), 0);
	CHECK_EQUAL_INT(txn_put(tide->transaction.txn, TREE_META, slice_of(key, sizeof key),
		buffer_slice(&row)), 0);
	tide->transaction.changed = true;
	buffer_release(&row);
	commit(tide);
	tide_close(tide);
}

/* The copy may lack the same commits as the database, so the sequence number skips forward in
 * both. */
static void what_may_be_lost_is_so_in_the_copy(void)
{
	const char *path = tide_path("cut.tide"), *target = tide_path("copy.tide");
	struct tide_options options = { .path = path, .read_only = true,
		.max_bytes = UINT64_C(1) << 30 };
	struct tide_backup_facts facts;
	struct tide_table orders;
	struct tide *tide = open_tide(path);

	orders = create_table(tide, "orders");
	put_alone(tide, &orders, "ann", "1", "x");
	tide_close(tide);
	write_mark_of_another_boot(path);
	MUST(tide_open(&tide, &options, &failure), failure);
	MUST(back_up(tide, target, &facts), failure);
	tide_close(tide);
	CHECK_EQUAL_INT(mark_of(target), OF_ANOTHER);
	tide = open_tide(target);
	CHECK_EQUAL_UINT(sequence_of(tide), facts.sequence + SEQUENCE_SKIP);
	tide_close(tide);
}

/* --- in place --- */

static void only_who_is_alone_compacts(void)
{
	struct tide *tide = open_tide(tide_path("shared.tide"));
	struct tide_backup *backup;

	CHECK_EQUAL_INT(tide_compact_start(&backup, tide, &failure), ERR_OPTIONS);
	CHECK(backup == NULL);
	tide_close(tide);
}

static void a_transaction_ends_before_compacting(void)
{
	struct tide_options options = weak_options(tide_path("busy.tide"));
	struct tide_backup *backup;
	struct tide *tide;

	options.alone = true;
	MUST(tide_open(&tide, &options, &failure), failure);
	begin(tide);
	CHECK_EQUAL_INT(tide_compact_start(&backup, tide, &failure), ERR_NESTED);
	CHECK(backup == NULL && tide_in_transaction(tide));
	tide_abort(tide);
	MUST(tide_compact_start(&backup, tide, &failure), failure);
	tide_backup_finish(backup);
	tide_close(tide);
	options.read_only = true;
	MUST(tide_open(&tide, &options, &failure), failure);
	CHECK_EQUAL_INT(tide_compact_start(&backup, tide, &failure), ERR_OPTIONS);
	CHECK(backup == NULL);
	tide_close(tide);
}

static uint64_t write_until_it_ends(struct tide *tide, struct tide_table *table,
	struct tide_backup *backup)
{
	static unsigned turn;
	struct tide_backup_facts facts;
	uint64_t last = 0;
	char value[16];

	while (tide_backup_result(backup, &facts, &failure) == END) {
		if (tide_begin(tide, &failure) == ERR_BUSY)
			continue;        /* the copy's lock */
		snprintf(value, sizeof value, "%u", turn++);
		last = put(tide, table, "ann", "last", value);
		commit(tide);
	}
	return last;
}

/* If another program writes during the compaction, the old file stays and nothing is lost. */
static void what_was_written_meanwhile_is_not_lost(void)
{
	const char *path = tide_path("meanwhile.tide");
	struct tide_table orders;
	uint64_t last = 0;
	int refused = 0;

	for (int i = 0; i < 10; i++) {
		struct tide *tide = open_alone(path);
		struct tide_backup_facts facts;
		struct tide_backup *backup;
		uint64_t written;
		int err;

		orders = i ? table_named("orders") : create_table(tide, "orders");
		MUST(tide_compact_start(&backup, tide, &failure), failure);
		written = write_until_it_ends(tide, &orders, backup);
		last = written ? written : last;
		err = finish(backup, &facts);
		CHECK(err == 0 || err == ERR_BUSY);
		refused += err == ERR_BUSY;
		tide_close(tide);
		tide = open_tide(path);
		CHECK_EQUAL_UINT(sequence_of(tide), last);
		check_clean(tide);
		tide_close(tide);
	}
	CHECK(refused > 0);
	CHECK_EQUAL_INT(count_parts(), 0);
}

/* --- cancelling a copy --- */

static void who_ends_it_leaves_nothing(void)
{
	struct tide *tide = open_tide(tide_path("ended.tide"));
	struct tide_backup_options options = { .path = tide_path("never.tide") };
	struct tide_table orders = create_table(tide, "orders");
	struct tide_backup *backup;

	for (int i = 0; i < 20; i++) {
		bool there;

		MUST(tide_backup_start(&backup, tide, &options, &failure), failure);
		tide_backup_wait(backup, (uint32_t)check_random_below(4));
		tide_backup_finish(backup);
		there = access(options.path, F_OK) == 0;     /* the copy was complete before */
		CHECK(!there || remove(options.path) == 0);
		CHECK_EQUAL_INT(count_parts(), 0);
		put_alone(tide, &orders, "ann", "1", i & 1 ? "x" : "y");
	}
	tide_backup_finish(NULL);
	check_clean(tide);
	tide_close(tide);
}

struct inherited {
	struct tide *tide;
	struct tide_backup *backup;
};

static void end_inherited(struct child *parent, void *context)
{
	struct inherited *inherited = context;

	(void)parent;
	tide_backup_finish(inherited->backup);
	tide_close(inherited->tide);
}

/* The child does not have the thread, and the temporary file belongs to the parent. */
static void a_child_of_fork_ends_nothing(void)
{
	struct tide *tide = open_tide(tide_path("forked.tide")), *writer;
	struct tide_backup_options options = { .path = tide_path("parents.tide"),
		.busy_ms = 60000 };
	struct inherited inherited = { tide, NULL };
	struct tide_backup_facts facts;
	struct child child;

	create_table(tide, "orders");
	writer = open_tide(tide_path("forked.tide"));
	begin(writer);                   /* so that the copy must wait */
	MUST(tide_backup_start(&inherited.backup, tide, &options, &failure), failure);
	while (count_parts() == 0)
		tide_backup_wait(inherited.backup, 1);
	child = child_start(end_inherited, &inherited);
	child_end(&child);
	CHECK_EQUAL_INT(tide_backup_result(inherited.backup, &facts, &failure), END);
	CHECK_EQUAL_INT(count_parts(), 1);
	tide_abort(writer);
	tide_close(writer);
	MUST(finish(inherited.backup, &facts), failure);
	CHECK(access(options.path, F_OK) == 0);
	tide_close(tide);
}

int main(void)
{
	a_copy_is_flushed_and_says_so();
	what_may_be_lost_is_so_in_the_copy();
	only_who_is_alone_compacts();
	a_transaction_ends_before_compacting();
	what_was_written_meanwhile_is_not_lost();
	who_ends_it_leaves_nothing();
	a_child_of_fork_ends_nothing();
	return 0;
}
