/* test_audit.c - audit.h: no findings in undamaged files, and the right ones in damaged files. */
#include "lmdb_file/audit.h"
#include "unit/stores.h"

#define PAGE 4096

static struct failure failure;
static char path[4200];

struct seen {
	uint64_t findings, rows;
	char first[200];
};

static void take(void *context, const struct finding *finding)
{
	struct seen *seen = context;

	if (!seen->findings++)
		snprintf(seen->first, sizeof seen->first, "%s", finding->what);
	CHECK(finding->what && finding->tree >= 0 && finding->tree <= AUDIT_FREE_LIST);
}

static int take_row(void *context, const struct audit_row *row)
{
	struct seen *seen = context;

	seen->rows += 1 + 0 * (row->key.data[0] + row->value.len);
	return 0;
}

static int audit(struct audit *audit, struct seen *seen)
{
	struct audit_callbacks told = { take, take_row, seen };
	struct meta_page facts;
	struct meta_faults faults;
	int fd = open(path, O_RDONLY);
	int err;

	*seen = (struct seen){ 0 };
	CHECK(fd >= 0);
	MUST(meta_page_read_either(fd, path, &facts, &faults, &failure), failure);
	err = audit_file(audit, fd, &facts, &told);
	CHECK(err == 0 || err == ERR_CORRUPT);
	CHECK((err != 0) == (seen->findings > 0));
	close(fd);
	return err;
}

static void fill(unsigned commits)
{
	struct store *store;

	remove(path);
	store = open_small(path);
	fill_at_random(store, commits);
	store_close(store);
}

static void a_whole_file_has_no_findings(void)
{
	for (int i = 0; i < 25; i++) {
		struct audit whole;
		struct seen seen;
		uint64_t rows = 0;

		fill((unsigned)check_random_below(60));
		audit(&whole, &seen);
		if (seen.findings)
			fprintf(stderr, "%s\n", seen.first);
		CHECK_EQUAL_UINT(seen.findings, 0);
		CHECK_EQUAL_UINT(whole.pages_leaked, 0);
		for (int tree = 0; tree < TREE_COUNT; tree++)
			rows += whole.trees[tree].rows;
		CHECK_EQUAL_UINT(seen.rows + TREE_COUNT - 1, rows);
	}
}

static void put_at(uint64_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0 && pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len);
	close(fd);
}

/* Overwrites bytes of a page. Returns the first finding; restores the bytes. */
static const char *found_after(uint64_t at, const void *bytes, size_t len)
{
	static struct seen seen;
	struct audit result;
	uint8_t old[64];
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0 && pread(fd, old, len, (off_t)at) == (ssize_t)len);
	close(fd);
	put_at(at, bytes, len);
	audit(&result, &seen);
	put_at(at, old, len);
	return seen.findings ? seen.first : "";
}

static void each_fault_is_called_by_its_name(void)
{
	struct meta_page facts;
	struct tree_root trees[TREE_COUNT];
	bool lost[TREE_COUNT];
	uint64_t root, number = 77, none = 1 << 20;
	uint16_t zero = 0, flags = 3, low = 14;
	int fd;

	fill(80);
	fd = open(path, O_RDONLY);
	MUST(meta_page_read(fd, path, &facts, &failure), failure);
	CHECK_EQUAL_INT(audit_trees(trees, lost, fd, &facts, NULL), 0);
	close(fd);
	root = trees[TREE_ITEMS].root * PAGE;
	CHECK(trees[TREE_ITEMS].depth >= 2);
	CHECK_EQUAL_STRING(found_after(root, &number, 8), "has the number of another page");
	CHECK_EQUAL_STRING(found_after(root + 10, &flags, 2), "has damaged flags");
	CHECK_EQUAL_STRING(found_after(root + 12, &low, 2),
		"has a damaged header: its nodes can't be located");
	CHECK_EQUAL_STRING(found_after(root + 14, &zero, 2), "has a damaged header");
	CHECK_EQUAL_STRING(found_after(root + 16, &zero, 2),
		"has a damaged pointer to another page");
	(void)none;
}

/* Checks the first finding: "tree meta of PATH " and this text. */
static void first_is(const char *expected)
{
	static const char subject[] = "tree meta of ";
	struct meta_page facts;
	int fd = open(path, O_RDONLY);

	MUST(meta_page_read(fd, path, &facts, &failure), failure);
	CHECK_EQUAL_INT(audit_first(fd, path, &facts, NULL, &failure), ERR_CORRUPT);
	CHECK(strncmp(failure.message, subject, strlen(subject)) == 0);
	CHECK_EQUAL_STRING(failure.message + strlen(subject) + strlen(path), expected);
	close(fd);
}

/* Wrong counts in a tree's descriptor are reported with the number. */
static void wrong_counts_are_reported(void)
{
	struct meta_page facts;
	uint64_t meta, wrong, none = 0;
	char expected[200];
	int fd;

	fill(10);
	fd = open(path, O_RDONLY);
	MUST(meta_page_read(fd, path, &facts, &failure), failure);
	close(fd);
	meta = (facts.commit & 1) * PAGE + 40 + TREE_ROOT_BYTES;    /* TREE_META is there */
	wrong = facts.trees.rows + 1;
	put_at(meta + 32, &wrong, sizeof wrong);
	snprintf(expected, sizeof expected,
		" has another number of rows than its descriptor says: %" PRIu64, wrong);
	first_is(expected);
	put_at(meta + 32, &facts.trees.rows, sizeof wrong);
	put_at(meta + 16, &none, sizeof none);
	first_is(" has other numbers of pages than its descriptor says; leaf pages: 0");
	put_at(meta + 16, &facts.trees.leaf_pages, sizeof none);
}

/* A branch refers to its own page, to its parent, or to another tree. */
static void circles_end(void)
{
	struct audit whole;
	struct seen seen;

	fill(120);
	for (int i = 0; i < 400; i++) {
		struct meta_page facts;
		uint8_t bytes[PAGE], child[6];
		struct tree_page page = { .bytes = bytes };
		struct page_node node;
		int fd = open(path, O_RDONLY);
		uint64_t number, to;

		MUST(meta_page_read(fd, path, &facts, &failure), failure);
		number = 2 + check_random_below(facts.file_pages - 2);
		if (page_read(&page, fd, &facts, number, false) || page.is_leaf ||
				!page_node(&page, (unsigned)check_random_below(page.count),
				&node)) {
			close(fd);
			continue;
		}
		close(fd);
		to = check_random_below(2) ? number : 2 + check_random_below(facts.file_pages);
		memcpy(child, &to, 4);
		memcpy(child + 4, (uint8_t *)&to + 4, 2);
		found_after(number * PAGE + node.at, child, sizeof child);
	}
	audit(&whole, &seen);
	CHECK_EQUAL_UINT(seen.findings, 0);
}

int main(void)
{
	snprintf(path, sizeof path, "%s", store_path("audit.tide"));
	a_whole_file_has_no_findings();
	each_fault_is_called_by_its_name();
	wrong_counts_are_reported();
	circles_end();
	return 0;
}
