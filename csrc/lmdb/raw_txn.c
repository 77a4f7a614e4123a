/* raw_txn.c - raw transactions: readers that do not use LMDB, for files that may be damaged.
 *
 * If the file is in use, an LMDB reader is held at the same time, so that the pages of its
 * snapshot T and of later snapshots are not reused. The meta page of T must be read before commit
 * T + 2 overwrites it. Commit T + 2 begins after T + 1 is published, so the meta page is valid if
 * T is still the last published commit after the page was read. The other meta page may already
 * contain T + 1.
 */
#include "base/memory.h"
#include "lmdb/internal.h"
#include "lmdb_file/audit.h"
#include "lmdb_file/raw_cursor.h"

#define PIN_ATTEMPTS 1000
#define PIN_RETRY_US 200

struct raw_txn {
	int fd;
	struct meta_page facts;
	struct tree_root trees[TREE_COUNT];
	uint64_t unread;         /* number of failed disk reads */
};

int raw_txn_open(struct txn **out, int fd, const struct meta_page *facts)
{
	struct txn *txn = memory_alloc_zeroed(sizeof *txn);
	struct raw_txn *raw = memory_alloc_zeroed(sizeof *raw);
	bool lost[TREE_COUNT];
	int err = txn && raw ? 0 : ERR_NO_MEMORY;

	*out = NULL;
	if (!err)
		err = audit_trees(raw->trees, lost, fd, facts, &raw->unread);
	if (err) {
		memory_free(raw);
		memory_free(txn);
		return err;
	}
	raw->fd = fd;
	raw->facts = *facts;
	txn->raw = raw;
	txn->live = true;
	*out = txn;
	return 0;
}

void raw_txn_close(struct txn *txn)
{
	if (!txn)
		return;
	for (int i = 0; i < TREE_COUNT; i++)
		raw_cursor_close(txn->own[i].raw);
	memory_free(txn->raw);
	memory_free(txn);
}

int raw_txn_cursor(struct cursor *cursor, struct txn *txn, enum tree tree)
{
	struct raw_txn *raw = txn->raw;

	cursor->txn = txn;
	return raw_cursor_open(&cursor->raw, raw->fd, &raw->facts, &raw->trees[tree],
		&raw->unread);
}

uint64_t raw_txn_unread(const struct txn *txn)
{
	return txn->raw->unread;
}

uint64_t raw_txn_count(const struct txn *txn, enum tree tree)
{
	return txn->raw->trees[tree].rows;
}

uint64_t raw_txn_commit(const struct txn *txn)
{
	return txn->raw->facts.commit;
}

/* --- files in use --- */

int raw_txn_read_meta(const struct store *store, uint64_t snapshot, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure)
{
	int err = meta_page_read_of_commit(store->fd, store->path, snapshot, facts, faults,
		failure);

	if (store_last_commit(store) == snapshot)
		return err;
	return fail_as(failure, ERR_BUSY, "the meta pages of %s can't be read, because other"
		" processes commit too often; try again", store->path);
}

int raw_txn_pin(struct txn *pin, int *fd, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure)
{
	const struct store *store = pin->store;
	int err = 0;

	*fd = store->fd;
	for (int attempt = 0; attempt < PIN_ATTEMPTS; attempt++) {
		if (attempt > PIN_ATTEMPTS / 2)
			clock_sleep_us(PIN_RETRY_US);
		err = reader_renew(pin, failure);
		if (err)
			return err;
		err = raw_txn_read_meta(store, txn_id(pin), facts, faults, failure);
		if (!err)
			return 0;
		reader_reset(pin);
	}
	return err;
}
