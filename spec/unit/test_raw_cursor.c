/* test_raw_cursor.c - raw_cursor.h: the same rows as LMDB, and safe walks of damaged files.
 *
 * An undamaged file is read with LMDB and with the raw cursor, move by move. A damaged file is
 * walked in both directions. The walk must end, keys must ascend, and every returned row must be
 * in the file.
 */
#include "lmdb/cursor.h"
#include "lmdb/raw_txn.h"
#include "lmdb_file/audit.h"
#include "unit/stores.h"

#define PAGE 4096

static struct failure failure;
static char path[4200];

static void fill(struct store *store, unsigned commits)
{
	static uint8_t bytes[3000];

	for (unsigned i = 0; i < commits; i++) {
		struct txn *txn = begin_write(store);

		for (int j = 0; j < 40; j++) {
			uint8_t key[300];
			size_t len = 2 + check_random_below(sizeof key - 2);
			size_t value = check_random_below(20) ? check_random_below(200)
				: check_random_below(sizeof bytes);
			struct slice row;
			int err;

			memset(key, 'k', sizeof key);
			set_u16(key, (uint16_t)check_random_below(900));
			row = slice_of(key, len);
			err = check_random_below(3) ? txn_put(txn, TREE_ITEMS, row,
				slice_of(bytes, value)) : txn_delete(txn, TREE_ITEMS, row);
			CHECK(err == 0 || err == END);
		}
		commit(txn);
	}
}

static struct store *make_store(unsigned commits)
{
	struct store *store;

	remove(path);
	store = open_small(path);
	fill(store, commits);
	return store;
}

static struct txn *open_raw(int fd)
{
	struct meta_page facts;
	struct meta_faults faults;
	struct txn *txn;

	if (meta_page_read_either(fd, path, &facts, &faults, &failure))
		return NULL;
	CHECK_EQUAL_INT(raw_txn_open(&txn, fd, &facts), 0);
	return txn;
}

static enum move some_move(struct slice *key, uint8_t bytes[300])
{
	set_u16(bytes, (uint16_t)check_random_below(910));
	memset(bytes + 2, 'k', 298);
	*key = slice_of(bytes, 2 + check_random_below(298));
	return (enum move)check_random_below(MOVE_FROM + 1);
}

static void it_moves_as_lmdb_does(void)
{
	struct store *store = make_store(60);
	struct txn *reader = open_reader(store);
	int fd = open(path, O_RDONLY);
	struct txn *raw = open_raw(fd);
	struct cursor *a, *b;
	uint64_t rows, same;
	bool stands = false;

	renew(reader);
	CHECK(raw && txn_id(raw) == txn_id(reader));
	CHECK_EQUAL_INT(cursor_open(&a, reader, TREE_ITEMS), 0);
	CHECK_EQUAL_INT(cursor_open(&b, raw, TREE_ITEMS), 0);
	for (int i = 0; i < 50000; i++) {
		struct slice key, other, value, again;
		uint8_t bytes[300];
		enum move move = some_move(&key, bytes);
		int err;

		if (!stands && (move == MOVE_NEXT || move == MOVE_PREVIOUS || move == MOVE_HERE))
			continue;        /* the two cursors differ if they have no position */
		other = key;
		err = cursor_move(a, move, &key, &value);
		CHECK_EQUAL_INT(cursor_move(b, move, &other, &again), err);
		CHECK(err || (slice_equal(key, other) && slice_equal(value, again)));
		stands = err == 0;
	}
	CHECK(!txn_count(reader, TREE_ITEMS, &rows) && !txn_count(raw, TREE_ITEMS, &same));
	CHECK(rows > 100 && rows == same);
	cursor_close(a);
	cursor_close(b);
	raw_txn_close(raw);
	close(fd);
	reader_close(reader);
	store_close(store);
}

/* Walks all rows and counts the unreadable ones. */
static uint64_t walk_all(struct txn *txn, enum move first, enum move next, uint64_t *damaged)
{
	uint8_t before[STORE_KEY_MAX];
	size_t len = 0;
	struct slice key, value;
	struct cursor *cursor;
	uint64_t rows = 0, steps = 0;
	int err;

	*damaged = 0;
	CHECK_EQUAL_INT(cursor_open(&cursor, txn, TREE_ITEMS), 0);
	for (err = cursor_move(cursor, first, &key, &value); err != END;
			err = cursor_move(cursor, next, &key, &value)) {
		CHECK(err == 0 || err == ERR_CORRUPT);
		CHECK(++steps < 1000000);
		*damaged += err != 0;
		if (err)
			continue;
		CHECK(key.len > 0 && key.len <= STORE_KEY_MAX);
		memcpy(before, key.data, key.len);
		len += before[0] + value.len;    /* reads the bytes, so that ASan checks them */
		rows++;
	}
	cursor_close(cursor);
	return rows + 0 * len;
}

static void damage_ends_nothing(void)
{
	struct store *store = make_store(80);
	uint64_t whole, rows, damaged, harmed = 0, runs = check_runs(3000);
	struct stat stat;
	struct txn *txn;
	int fd;

	store_close(store);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0 && fstat(fd, &stat) == 0);
	txn = open_raw(fd);
	whole = walk_all(txn, MOVE_FIRST, MOVE_NEXT, &damaged);
	CHECK(whole > 100 && damaged == 0);
	CHECK_EQUAL_UINT(walk_all(txn, MOVE_LAST, MOVE_PREVIOUS, &damaged), whole);
	raw_txn_close(txn);
	for (uint64_t i = 0; i < runs; i++) {
		off_t at = 2 * PAGE + (off_t)check_random_below((uint64_t)stat.st_size - 2 * PAGE);
		uint8_t old[64], new[64];
		size_t len = check_random_below(3) ? 1 : sizeof old;
		ssize_t there = pread(fd, old, len, at);

		CHECK(there > 0);
		check_random_bytes(new, (size_t)there);
		CHECK(pwrite(fd, new, (size_t)there, at) == there);
		txn = open_raw(fd);
		rows = walk_all(txn, MOVE_FIRST, MOVE_NEXT, &damaged);
		harmed += damaged > 0 || rows != whole;
		walk_all(txn, MOVE_LAST, MOVE_PREVIOUS, &damaged);
		raw_txn_close(txn);
		CHECK(pwrite(fd, old, (size_t)there, at) == there);
	}
	CHECK(harmed * 100 > runs);
	close(fd);
}

int main(void)
{
	snprintf(path, sizeof path, "%s", store_path("raw_cursor.tide"));
	it_moves_as_lmdb_does();
	damage_ends_nothing();
	return 0;
}
