/* test_raw_txn.c - raw transactions on a file in use, with a reader that holds the snapshot. */
#include "lmdb/cursor.h"
#include "lmdb/raw_txn.h"
#include "lmdb_file/audit.h"
#include "unit/stores.h"

static char path[4200];

/* The values of the rows have a constant sum, because each commit moves an amount from one row to
 * another. */
#define ACCOUNTS 200
#define TOTAL 100000u

/* Large enough to hold a snapshot during thousands of commits on a busy machine. */
static struct store *open_large(void)
{
	struct store_options options = small_options(path);

	options.max_bytes = UINT64_C(1) << 30;
	return open_with(&options);
}

static void set_account(struct txn *txn, unsigned i, uint32_t amount)
{
	uint8_t key[4], value[1000] = { 0 };

	set_u32(key, i);
	set_u32(value, amount);
	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of(key, 4), slice_of(value, sizeof value)),
		0);
}

static uint32_t account(struct txn *txn, unsigned i)
{
	uint8_t key[4];
	struct slice value;

	set_u32(key, i);
	CHECK_EQUAL_INT(txn_get(txn, TREE_ITEMS, slice_of(key, 4), &value), 0);
	return get_u32(value.data);
}

static void move_for_ever(struct child *parent, void *context)
{
	struct store *store = open_large();

	(void)context;
	child_tell(parent);
	for (;;) {
		struct txn *txn = begin_write(store);

		for (int i = 0; i < 5; i++) {
			unsigned a = (unsigned)check_random_below(ACCOUNTS);
			unsigned b = (unsigned)check_random_below(ACCOUNTS);
			uint32_t amount = account(txn, a) / 2;

			set_account(txn, a, account(txn, a) - amount);
			set_account(txn, b, account(txn, b) + amount);
		}
		commit(txn);
	}
}

static void found_nothing(void *context, const struct finding *finding)
{
	(void)context;
	fprintf(stderr, "tree %d, page %" PRIu64 ", row %d: %s\n", finding->tree, finding->page,
		finding->row, finding->what);
	exit(1);
}

static uint64_t sum(struct txn *txn)
{
	struct slice key, value;
	struct cursor *cursor;
	uint64_t total = 0;
	int err;

	CHECK_EQUAL_INT(cursor_open(&cursor, txn, TREE_ITEMS), 0);
	for (err = cursor_move(cursor, MOVE_FIRST, &key, &value); err == 0;
			err = cursor_move(cursor, MOVE_NEXT, &key, &value))
		total += get_u32(value.data);
	CHECK_EQUAL_INT(err, END);
	cursor_close(cursor);
	return total;
}

/* A snapshot is read slowly while another process commits; its pages do not change. */
static void a_pinned_snapshot_stays(struct store *store, unsigned rounds)
{
	struct audit_callbacks told = { .found = found_nothing };
	struct txn *pin = open_reader(store);
	struct failure failure;
	uint64_t moved = 0;

	for (unsigned i = 0; i < rounds; i++) {
		struct meta_page facts;
		struct meta_faults faults;
		struct audit audit;
		struct txn *txn;
		int fd;

		MUST(raw_txn_pin(pin, &fd, &facts, &faults, &failure), failure);
		CHECK(!faults.metas[0] && !faults.metas[1]);
		CHECK_EQUAL_INT(raw_txn_open(&txn, fd, &facts), 0);
		CHECK_EQUAL_UINT(sum(txn), TOTAL);
		usleep(2000);
		CHECK_EQUAL_INT(audit_file(&audit, fd, &facts, &told), 0);
		CHECK_EQUAL_UINT(audit.pages_leaked, 0);
		CHECK_EQUAL_UINT(sum(txn), TOTAL);
		moved += store_last_commit(store) - facts.commit;
		raw_txn_close(txn);
		reader_reset(pin);
	}
	CHECK(moved > rounds);
	reader_close(pin);
}

int main(void)
{
	struct child mover;
	struct store *store;
	struct txn *txn;

	snprintf(path, sizeof path, "%s", store_path("raw.tide"));
	store = open_large();
	txn = begin_write(store);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		set_account(txn, i, TOTAL / ACCOUNTS);
	commit(txn);
	store_close(store);
	mover = child_start(move_for_ever, NULL);
	CHECK(child_hear(&mover));
	store = open_large();
	a_pinned_snapshot_stays(store, 300);
	store_close(store);
	child_kill(&mover);
	return 0;
}
