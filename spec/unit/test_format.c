/* test_format.c - format.h: valid, truncated, damaged and foreign files.
 *
 * Opening a store reports every kind of damage and never crashes. (LMDB alone crashes for 99 of
 * 100 truncated files.)
 */
#undef _FORTIFY_SOURCE       /* the headers would define pread */
#include <sys/syscall.h>

#include "lmdb_file/audit.h"
#include "unit/stores.h"

#define PAGE 4096

static struct failure failure;
static char path[4200];

/* --- commits between two reads of the meta pages --- */

static unsigned commits_coming;     /* one commit after each read of a meta page */

/* Commits are written to the two meta pages alternately, so a page's number increases by two. */
static void commit_now(int fd)
{
	uint64_t numbers[2];
	int next;

	for (int i = 0; i < 2; i++)
		CHECK(syscall(SYS_pread64, fd, &numbers[i], 8,
			(off_t)(i * PAGE + META_PAGE_COMMIT_AT)) == 8);
	next = numbers[0] > numbers[1];
	numbers[next] += 2;
	CHECK(pwrite(fd, &numbers[next], 8, (off_t)(next * PAGE + META_PAGE_COMMIT_AT)) == 8);
}

__attribute__((visibility("default"))) ssize_t pread(int fd, void *bytes, size_t len, off_t at)
{
	ssize_t got = syscall(SYS_pread64, fd, bytes, len, at);

	if (commits_coming && (at == 0 || at == PAGE)) {
		commits_coming--;
		commit_now(fd);
	}
	return got;
}

static int open_file(void)
{
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0);
	return fd;
}

static int look(struct meta_page *facts)
{
	int fd = open_file();
	int err = meta_page_read(fd, path, facts, &failure);

	close(fd);
	return err;
}

static int walk(void)
{
	struct meta_page facts;
	int fd = open_file();
	int err = meta_page_read(fd, path, &facts, &failure);

	if (!err)
		err = audit_first(fd, path, &facts, NULL, &failure);
	close(fd);
	return err;
}

static void write_at(off_t at, const void *bytes, size_t len)
{
	int fd = open_file();

	CHECK(pwrite(fd, bytes, len, at) == (ssize_t)len);
	close(fd);
}

static void make_file(unsigned commits)
{
	struct store *store;

	remove(path);
	store = open_small(path);
	fill_at_random(store, commits);
	store_close(store);
}

static uint64_t size_of_file(void)
{
	struct stat stat;

	CHECK(lstat(path, &stat) == 0);
	return (uint64_t)stat.st_size;
}

/* --- valid files --- */

static void a_whole_file_is_sound(void)
{
	struct meta_page facts;
	struct store *store;

	for (int i = 0; i < 20; i++) {
		make_file((unsigned)check_random_below(40));
		CHECK_EQUAL_INT(look(&facts), 0);
		CHECK_EQUAL_UINT(facts.page_bytes, PAGE);
		CHECK_EQUAL_INT(walk(), 0);
		store = open_small(path);
		CHECK_EQUAL_UINT(store_last_commit(store), facts.commit);
		store_close(store);
	}
}

/* --- files that are not databases --- */

static int open_store(void)
{
	struct store_options options = small_options(path);

	return try_open(&options, &failure);
}

static void expect_refusal(int err)
{
	struct store_options options = small_options(path);
	char side_file[4300];

	CHECK_EQUAL_INT(open_store(), err);
	options.read_only = true;
	CHECK_EQUAL_INT(try_open(&options, &failure), err);
	snprintf(side_file, sizeof side_file, "%s-wake", path);
	if (err == ERR_NOT_DATABASE)   /* no side file was created */
		CHECK(access(side_file, F_OK) != 0);
}

static void put_bytes(const void *bytes, size_t len)
{
	int fd;

	remove(path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

static void what_is_no_database_is_refused(void)
{
	uint8_t noise[3 * PAGE];

	remove(store_path("pages.tide-wake"));
	put_bytes("", 0);
	expect_refusal(ERR_NOT_DATABASE);
	CHECK(strstr(failure.message, "is created only if there is no file at its path"));
	put_bytes("SQLite format 3", 16);
	expect_refusal(ERR_NOT_DATABASE);
	for (int i = 0; i < 200; i++) {
		check_random_bytes(noise, sizeof noise);
		put_bytes(noise, 1 + check_random_below(sizeof noise));
		expect_refusal(ERR_NOT_DATABASE);
	}
	CHECK(strstr(failure.message, "is not a tidetable database"));
}

static void files_of_other_machines_are_recognized(void)
{
	static const uint8_t swapped[] = { 0xbe, 0xef, 0xc0, 0xde };
	static const uint8_t ours[] = { 0xde, 0xc0, 0xef, 0xbe };
	uint32_t other_page = 16384, newer = 2;
	uint8_t narrow[200] = { 0 };

	make_file(3);
	write_at(16, swapped, 4);
	expect_refusal(ERR_FOREIGN_FORMAT);
	make_file(3);
	write_at(40, &other_page, 4);
	expect_refusal(ERR_FOREIGN_FORMAT);
	make_file(3);
	write_at(20, &newer, 4);
	expect_refusal(ERR_NEWER_FORMAT);
	memcpy(narrow + 12, ours, 4);   /* 32-bit words: the header is shorter */
	put_bytes(narrow, sizeof narrow);
	expect_refusal(ERR_FOREIGN_FORMAT);
}

/* A meta page of LMDB 1.0: number and transaction, 8 bytes each; unused, flags, lower
 * and upper, 2 each; magic and format, 4 each. The format number is in the low 16 bits. */
static void a_file_of_lmdb_1_is_named(void)
{
	static const uint32_t words[] = { 0xbeefc0de, 0x00120002 };
	static const uint16_t flags = 8;
	uint32_t swapped = __builtin_bswap32(words[0]);
	uint8_t meta[PAGE] = { 0 };
	struct meta_page facts;
	struct meta_faults faults;
	int fd;

	memcpy(meta + 18, &flags, sizeof flags);
	memcpy(meta + 24, words, sizeof words);
	put_bytes(meta, sizeof meta);
	expect_refusal(ERR_NEWER_FORMAT);
	CHECK(strstr(failure.message, "LMDB 1.0") && strstr(failure.message, "format 2"));
	fd = open_file();
	CHECK_EQUAL_INT(meta_page_read_either(fd, path, &facts, &faults, &failure),
		ERR_NEWER_FORMAT);
	close(fd);
	CHECK(strstr(failure.message, "LMDB 1.0"));
	memcpy(meta + 24, &swapped, sizeof swapped);
	put_bytes(meta, sizeof meta);
	expect_refusal(ERR_FOREIGN_FORMAT);
}

/* --- truncated files --- */

static void a_cut_off_file_is_refused(void)
{
	uint64_t whole;
	int refused = 0;

	for (int i = 0; i < 100; i++) {
		struct meta_page facts;
		int err;

		make_file(10);
		whole = size_of_file();
		CHECK(truncate(path, (off_t)check_random_below(whole)) == 0);
		err = open_store();
		refused += err != 0;
		/* If the last pages are free, nothing is lost. */
		if (!err)
			CHECK(look(&facts) == 0 && walk() == 0);
		else
			CHECK(err == ERR_CORRUPT || err == ERR_NOT_DATABASE);
	}
	CHECK(refused > 50);
}

static void a_short_file_that_lacks_nothing_opens(void)
{
	struct store *store;
	struct txn *txn;
	struct meta_page facts;
	int fd;

	/* A free page after the end of the file. LMDB leaves such files when a transaction
	 * allocates pages and frees them without writing. */
	make_file(5);
	CHECK_EQUAL_INT(look(&facts), 0);
	fd = open_file();
	for (int page = 0; page < 2; page++) {
		uint64_t last = facts.page_count + 3;

		CHECK(pwrite(fd, &last, sizeof last, page * PAGE + META_PAGE_LAST_PAGE_AT) == 8);
	}
	close(fd);
	store = open_small(path);
	write_row(store, TREE_ITEMS, "a", "b");
	txn = open_reader(store);
	renew(txn);
	CHECK(has_row(txn, TREE_ITEMS, "a", "b"));
	reader_close(txn);
	store_close(store);
	CHECK_EQUAL_INT(walk(), 0);
}

/* --- files that are being written --- */

static void meta_pages_are_read_as_of_one_moment(void)
{
	for (unsigned commits = 0; commits < 20; commits++) {
		struct meta_page facts;
		struct meta_faults faults;
		int fd;

		make_file(10);
		fd = open_file();
		commits_coming = commits;
		CHECK_EQUAL_INT(meta_page_read_either(fd, path, &facts, &faults, &failure), 0);
		CHECK_EQUAL_UINT(commits_coming, 0);
		CHECK(!faults.metas[0] && !faults.metas[1]);
		CHECK_EQUAL_UINT(facts.commit, meta_page_newest_commit(fd, PAGE));
		commits_coming = commits;
		CHECK_EQUAL_INT(meta_page_read(fd, path, &facts, &failure), 0);
		CHECK_EQUAL_UINT(facts.commit, meta_page_newest_commit(fd, PAGE));
		close(fd);
	}
}

/* If each read of the meta pages returns different bytes, the number of reads is bounded. */
static void meta_pages_that_never_stand_still_are_read_all_the_same(void)
{
	unsigned many = 100000;

	make_file(10);
	commits_coming = many;
	CHECK(look(&(struct meta_page){ 0 }) <= 0);
	CHECK(commits_coming > 0 && commits_coming < many - 100);
	commits_coming = 0;
}

/* --- damaged files --- */

/* Each word of the two meta pages is damaged in turn. */
static void damaged_metas_never_crash(void)
{
	static uint8_t metas[2 * PAGE];
	int fd;
	int opened = 0;

	make_file(10);
	fd = open_file();
	CHECK(pread(fd, metas, sizeof metas, 0) == sizeof metas);
	for (int i = 0; i < 1000; i++) {
		size_t at = check_random_below(152) + (check_random_below(2) ? PAGE : 0);
		uint8_t byte = metas[at] ^ (uint8_t)(1u << check_random_below(8));
		int err;

		CHECK(pwrite(fd, &byte, 1, (off_t)at) == 1);
		err = meta_page_read(fd, path, &(struct meta_page){ 0 }, &failure);
		if (!err)
			err = walk();
		opened += !err;
		CHECK(err <= 0);
		CHECK(pwrite(fd, metas + at, 1, (off_t)at) == 1);
	}
	close(fd);
	CHECK(opened < 1000);
	CHECK_EQUAL_INT(walk(), 0);
}

/* The page audit must not crash for any damage. */
static void a_walk_survives_any_damage(void)
{
	uint64_t whole;
	int fd, found = 0;

	make_file(20);
	whole = size_of_file();
	fd = open_file();
	for (int i = 0; i < 2000; i++) {
		off_t at = (off_t)(2 * PAGE + check_random_below(whole - 2 * PAGE));
		uint8_t before[64], after[64];
		size_t len = check_random_below(4) ? 1 : sizeof before;
		ssize_t there = pread(fd, before, len, at);

		CHECK(there > 0);
		check_random_bytes(after, (size_t)there);
		CHECK(pwrite(fd, after, (size_t)there, at) == there);
		found += walk() != 0;
		CHECK(pwrite(fd, before, (size_t)there, at) == there);
	}
	close(fd);
	CHECK_EQUAL_INT(walk(), 0);
	CHECK(found > 0);
}

int main(void)
{
	snprintf(path, sizeof path, "%s", store_path("pages.tide"));
	a_whole_file_is_sound();
	what_is_no_database_is_refused();
	files_of_other_machines_are_recognized();
	a_file_of_lmdb_1_is_named();
	a_cut_off_file_is_refused();
	a_short_file_that_lacks_nothing_opens();
	meta_pages_are_read_as_of_one_moment();
	meta_pages_that_never_stand_still_are_read_all_the_same();
	damaged_metas_never_crash();
	a_walk_survives_any_damage();
	return 0;
}
