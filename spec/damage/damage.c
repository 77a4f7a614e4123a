/* damage.c - damages database files and checks the report of tide_check_file.
 *
 *     damage                     TRIALS=n: number of trials; SEED=n repeats a run, TRIAL=n one
 *                                of its trials; SHOW=1 prints damage without a finding
 *
 * Databases of several shapes are created once. A trial damages one of them in one way, calls
 * tide_check_file and checks the report:
 *
 *     - the call returns, for any bytes: no signal, no endless loop
 *     - every row with a changed byte is named, by its position and, if its key is
 *       intact, by table and key, or it is in a range that is reported as lost
 *     - if only unused bytes have changed, the report has no findings
 *
 * An old version of a page has correct checksums and is detected only by its
 * contradictions to other rows. These trials are counted, but need no finding.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "damage/check_output.h"
#include "lmdb_file/audit.h"
#include "unit/consuming.h"
#include "unit/expiring.h"

#define PAGE 4096u
#define WORKERS 2
#define HANG_SECONDS 20
#define DAMAGES 9

/* --- databases to damage --- */

/* A row's bytes in the file, its position and name, and the pages above it. */
struct row {
	int tree;
	uint64_t page;
	int index;
	uint64_t at, len, key_len;
	char *name;                  /* table and key, as the check prints them */
	uint64_t above[8];
};

struct base {
	const char *what;
	uint8_t *bytes;
	uint64_t len;
	uint8_t *older;              /* an earlier version of the file */
	uint64_t older_len;
	uint8_t *uses;               /* use of each byte */
	struct row *rows;
	size_t count, cap;
};

enum use { NOTHING, ROW, STRUCTURE };

static struct base bases[8];
static size_t base_count;
static char directory[4200];

static uint8_t *read_file(const char *path, uint64_t *len)
{
	int fd = open(path, O_RDONLY);
	off_t end = lseek(fd, 0, SEEK_END);
	uint8_t *bytes = malloc((size_t)end + 1);

	CHECK(fd >= 0 && end > 0 && bytes);
	CHECK(pread(fd, bytes, (size_t)end, 0) == end);
	close(fd);
	*len = (uint64_t)end;
	return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, uint64_t len)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len);
	close(fd);
}

/* --- databases --- */

struct shape {
	const char *what;
	int tables, items, commits, rewrites;
	size_t value_most, key_least, key_most;
	uint64_t keep;               /* number of records that each stream keeps; 0: all */
	int big_one_in;              /* one of big_one_in items is 50 times as large */
	bool expires;                /* the tables have time to live; most items expire in 2100 */
	int steps;                   /* random steps of consumers after each call of fill */
};

static const struct shape shapes[] = {
	{ "small", 1, 12, 6, 4, 60, 1, 8, 0, 0, false, 0 },
	{ "streams", 5, 80, 40, 3, 150, 1, 20, 0, 0, false, 0 },
	{ "trimmed", 3, 120, 120, 5, 120, 1, 20, 30, 0, false, 0 },
	{ "large items", 2, 20, 12, 1, 300, 1, 20, 0, 4, false, 0 },
	{ "long keys", 2, 70, 20, 1, 30, 350, 1000, 0, 0, false, 0 },
	{ "expiring", 3, 80, 40, 3, 100, 1, 20, 0, 0, true, 0 },
	{ "consumers", 2, 60, 40, 3, 100, 1, 20, 40, 8, false, 120 },
};

#define EXPIRY_MS UINT64_C(4102444800000)    /* the year 2100 */

static char *random_text(size_t least, size_t most)
{
	static char text[100000];
	size_t len = least + check_random_below(most - least + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + check_random_below(26));
	text[len] = '\0';
	return text;
}

static void put_one(struct tide *tide, struct tide_table *table, const struct shape *shape)
{
	unsigned i = (unsigned)check_random_below((uint64_t)shape->items);
	size_t len = shape->key_least + i * 37 % (shape->key_most - shape->key_least + 1);
	size_t most = shape->value_most;
	char key[1100];
	char partition[32];

	snprintf(partition, sizeof partition, "p%u", i % 5);
	memset(key, 'k', len);
	snprintf(key + len, sizeof key - len, "%u", i);
	if (shape->big_one_in && i % (unsigned)shape->big_one_in == 0)
		most *= 50;
	if (check_random_below(6) == 0) {
		struct builder builder = { 0 };
		struct tide_change change;
		struct failure failure;

		MUST(tide_delete(tide, table, item_of(&builder, partition, key, NULL), &change,
			&failure), failure);
		builder_release(&builder);
		return;
	}
	put_expiring(tide, table, partition, key, random_text(1, most),
		shape->expires && i % 4 ? EXPIRY_MS + i : 0);
}

static void fill(struct tide *tide, struct tide_table *tables, const struct shape *shape)
{
	int each = shape->items * shape->rewrites / shape->commits + 1;

	for (int i = 0; i < shape->commits; i++) {
		begin(tide);
		for (int j = 0; j < each; j++)
			put_one(tide, &tables[check_random_below((uint64_t)shape->tables)],
				shape);
		commit(tide);
	}
}

static void consume(struct tide *tide, const struct shape *shape)
{
	struct dice dice = dice_for(check_random(), 0, 0, 0);
	struct failure failure;

	for (int i = 0; i < shape->steps; i++)
		MUST(consume_step(tide, &dice, &failure), failure);
}

static void trim(struct tide *tide)
{
	struct failure failure;
	struct tide_swept swept = { 0 };
	bool more = true;

	while (more)
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
}

static void make_base(const struct shape *shape)
{
	struct base *base = &bases[base_count++];
	const char *path = tide_path("base.tide");
	struct tide_table tables[8];
	struct tide *tide;

	remove(path);
	tide = open_tide(path);
	for (int i = 0; i < shape->tables; i++) {
		struct tide_table_spec spec = spec_of("");
		struct failure failure;
		char name[24];

		snprintf(name, sizeof name, "table%d", i);
		spec.name = slice_of_text(name);
		spec.view = (uint8_t)(i == 0 ? VIEW_NEW_AND_OLD_IMAGES : 1 + i % 4);
		spec.retention.max_count = shape->keep;
		spec.ttl = slice_of_text(shape->expires ? "e" : "");
		MUST(tide_create_table(tide, &spec, &failure), failure);
		tables[i] = table_named(name);
	}
	fill(tide, tables, shape);
	consume(tide, shape);
	tide_close(tide);
	base->older = read_file(path, &base->older_len);
	tide = open_tide(path);
	fill(tide, tables, shape);
	consume(tide, shape);
	trim(tide);
	tide_close(tide);
	base->what = shape->what;
	base->bytes = read_file(path, &base->len);
}

/* --- the use of each byte --- */

struct map {
	struct base *base;
	int fd;
	struct meta_page facts;
	int tree;
	uint64_t above[8];
};

static void use_bytes(struct base *base, uint64_t at, uint64_t len, enum use use)
{
	CHECK(at + len <= base->len);
	memset(base->uses + at, (int)use, len);
}

static void add_row(struct map *map, const struct tree_page *page, unsigned index,
	const struct page_node *node)
{
	struct base *base = map->base;
	struct row *row;

	if (base->count == base->cap) {
		base->cap = base->cap ? 2 * base->cap : 256;
		base->rows = realloc(base->rows, base->cap * sizeof *base->rows);
		CHECK(base->rows != NULL);
	}
	row = &base->rows[base->count++];
	*row = (struct row){ .tree = map->tree, .page = page->number, .index = (int)index };
	row->at = page->number * PAGE + node->at;
	row->len = 8 + node->key.len + node->value.len;
	row->key_len = node->key.len;
	memcpy(row->above, map->above, sizeof row->above);
	use_bytes(base, row->at, row->len, ROW);
}

static void map_page(struct map *map, uint64_t number, int depth)
{
	uint8_t bytes[PAGE];
	struct tree_page page = { .bytes = bytes };

	CHECK(depth < 7);
	CHECK(page_read(&page, map->fd, &map->facts, number, false) == NULL);
	map->above[depth] = number;
	use_bytes(map->base, number * PAGE, 16 + 2 * page.count, STRUCTURE);
	for (unsigned i = 0; i < page.count; i++) {
		struct page_node node;

		CHECK(page_node(&page, i, &node));
		if (page.is_leaf && !node.is_tree && map->tree < TREE_COUNT)
			add_row(map, &page, i, &node);
		else
			use_bytes(map->base, number * PAGE + node.at, node.bytes, STRUCTURE);
		if (page.is_leaf && node.is_big)
			use_bytes(map->base, node.page * PAGE, 16 + node.value_bytes, STRUCTURE);
		if (!page.is_leaf)
			map_page(map, node.page, depth + 1);
	}
	map->above[depth] = 0;
}

static void map_tree(struct map *map, int tree, uint64_t root)
{
	map->tree = tree;
	if (root != TREE_NO_ROOT)
		map_page(map, root, 0);
}

static void map_base(struct base *base, const char *path)
{
	struct map map = { .base = base, .fd = open(path, O_RDONLY) };
	struct tree_root trees[TREE_COUNT];
	struct failure failure;
	bool lost[TREE_COUNT];

	base->uses = calloc(1, base->len);
	CHECK(base->uses && map.fd >= 0);
	MUST(meta_page_read(map.fd, path, &map.facts, &failure), failure);
	CHECK_EQUAL_UINT(map.facts.page_bytes, PAGE);
	CHECK_EQUAL_INT(audit_trees(trees, lost, map.fd, &map.facts, NULL), 0);
	use_bytes(base, 0, 152, STRUCTURE);
	use_bytes(base, PAGE, 152, STRUCTURE);
	map_tree(&map, AUDIT_FREE_LIST, map.facts.free_list.root);
	for (int i = 0; i < TREE_COUNT; i++)
		map_tree(&map, i, trees[i].root);
	close(map.fd);
}

/* --- the report of the check --- */

/* Returns true if the line names the row: by its position, and also by its name
 * if the key is intact. */
static bool names_row(const struct line *line, const struct row *row, bool key_is_whole)
{
	bool above = false;

	if (line->tree != row->tree)
		return false;
	for (int i = 0; i < 8; i++)
		above |= row->above[i] && row->above[i] == line->page;
	if (line->range && line->row < 0)
		return above || line->page == 0;     /* page 0: the whole tree */
	return line->page == row->page && line->row == row->index && (!key_is_whole ||
		!row->name || (strlen(row->name) == line->name_len &&
		memcmp(row->name, line->name, line->name_len) == 0));
}

static bool is_named(const struct check_output *output, const struct row *row, bool key_is_whole)
{
	const char *at = (const char *)output->text.data;
	struct line line;

	while (at && (at = read_line(output, at, &line)))
		if (names_row(&line, row, key_is_whole))
			return true;
	return false;
}

/* Returns true for rows that names are read from: rows of meta and nodes of
 * long keys. */
static bool contains_names(const struct row *row)
{
	return row->tree <= TREE_CATALOG || row->key_len == STORE_KEY_MAX;
}

/* Reads the names of all other rows from a report of the check: breaks all
 * their checksums at once. */
static void read_names(struct base *base, const char *path)
{
	struct check_output output;
	const char *at;
	struct line line;
	uint8_t *broken = malloc(base->len);

	CHECK(broken != NULL);
	memcpy(broken, base->bytes, base->len);
	for (size_t i = 0; i < base->count; i++)
		if (!contains_names(&base->rows[i]))
			broken[base->rows[i].at + 8 + base->rows[i].key_len] ^= 1;
	write_file(path, broken, base->len);
	check_file(&output, path);
	at = (const char *)output.text.data;
	while (at && (at = read_line(&output, at, &line)))
		for (size_t i = 0; i < base->count; i++) {
			struct row *row = &base->rows[i];

			if (!row->name && line.row == row->index && line.page == row->page &&
					line.tree == row->tree)
				row->name = strndup(line.name, line.name_len);
		}
	for (size_t i = 0; i < base->count; i++)
		if (!contains_names(&base->rows[i]) && (!base->rows[i].name ||
				strlen(base->rows[i].name) < 3)) {
			print_output(&output);
			fprintf(stderr, "%s: a row of %s has no name\n", base->what,
				tree_name((enum tree)base->rows[i].tree));
			exit(1);
		}
	buffer_release(&output.text);
	free(broken);
}

/* --- damage --- */

struct trial {
	const struct base *base;
	uint8_t *bytes;              /* the whole damaged file */
	uint64_t len;
	uint64_t at, end;            /* the changed range */
};

static void touch(struct trial *trial, uint64_t at, uint64_t len)
{
	if (at < trial->at)
		trial->at = at;
	if (at + len > trial->end)
		trial->end = at + len;
}

static uint64_t some_page(const struct trial *trial)
{
	return check_random_below(trial->base->len / PAGE);
}

static void a_bit(struct trial *trial)
{
	uint64_t at = check_random_below(trial->len);

	trial->bytes[at] ^= (uint8_t)(1u << check_random_below(8));
	touch(trial, at, 1);
}

static void a_bit_of_a_page_header(struct trial *trial)
{
	uint64_t at = some_page(trial) * PAGE + check_random_below(40);

	trial->bytes[at] ^= (uint8_t)(1u << check_random_below(8));
	touch(trial, at, 1);
}

static void a_bit_of_a_row(struct trial *trial)
{
	const struct row *row = &trial->base->rows[check_random_below(trial->base->count)];
	uint64_t at = row->at + check_random_below(row->len);

	trial->bytes[at] ^= (uint8_t)(1u << check_random_below(8));
	touch(trial, at, 1);
}

static void a_bit_of_a_row_header(struct trial *trial)
{
	const struct row *row = &trial->base->rows[check_random_below(trial->base->count)];
	uint64_t at = row->at + check_random_below(8);

	trial->bytes[at] ^= (uint8_t)(1u << check_random_below(8));
	touch(trial, at, 1);
}

static void a_block_of_noise(struct trial *trial)
{
	uint64_t at = check_random_below(trial->len / 512) * 512;

	check_random_bytes(trial->bytes + at, 512);
	touch(trial, at, 512);
}

static void a_block_of_zeros(struct trial *trial)
{
	uint64_t len = check_random_below(2) ? 512 : PAGE;
	uint64_t at = check_random_below(trial->len / len) * len;

	memset(trial->bytes + at, 0, len);
	touch(trial, at, len);
}

static void two_pages_swapped(struct trial *trial)
{
	uint64_t a = some_page(trial) * PAGE, b = some_page(trial) * PAGE;
	uint8_t buf[PAGE];

	memcpy(buf, trial->bytes + a, PAGE);
	memcpy(trial->bytes + a, trial->bytes + b, PAGE);
	memcpy(trial->bytes + b, buf, PAGE);
	touch(trial, a, PAGE);
	touch(trial, b, PAGE);
}

static void a_truncation(struct trial *trial)
{
	trial->len = check_random_below(4) ? some_page(trial) * PAGE
		: check_random_below(trial->len);
	touch(trial, trial->len, trial->base->len - trial->len);
}

static void an_older_page(struct trial *trial)
{
	uint64_t at = check_random_below(trial->base->older_len / PAGE) * PAGE;

	if (at + PAGE > trial->len)
		return;
	memcpy(trial->bytes + at, trial->base->older + at, PAGE);
	touch(trial, at, PAGE);
}

static const struct {
	const char *name;
	void (*damage)(struct trial *trial);
	bool is_silent;              /* the checksums stay correct */
} damages[DAMAGES] = {
	{ "a bit", a_bit, false },
	{ "a bit of a page header", a_bit_of_a_page_header, false },
	{ "a bit of a row", a_bit_of_a_row, false },
	{ "a bit of a row header", a_bit_of_a_row_header, false },
	{ "512 bytes of noise", a_block_of_noise, false },
	{ "a block of zeros", a_block_of_zeros, false },
	{ "two pages swapped", two_pages_swapped, false },
	{ "truncated", a_truncation, false },
	{ "an older page", an_older_page, true },
};

/* --- trials --- */

struct count {
	uint64_t trials, harmful, found, rows, named;
};

/* Memory shared by the workers. */
struct board {
	uint64_t trial[WORKERS];
	struct count counts[WORKERS][DAMAGES];
};

static struct board *board;
static uint64_t run_seed;

static uint8_t byte_of(const struct trial *trial, uint64_t at)
{
	return at < trial->len ? trial->bytes[at] : 0;
}

/* Returns the most important use that any of the changed bytes has. */
static enum use use_of_change(const struct trial *trial)
{
	enum use use = NOTHING;

	for (uint64_t at = trial->at; at < trial->end; at++)
		if ((at >= trial->len || trial->bytes[at] != trial->base->bytes[at]) &&
				trial->base->uses[at] > (uint8_t)use)
			use = (enum use)trial->base->uses[at];
	return use;
}

static bool has_changed(const struct trial *trial, uint64_t at, uint64_t len)
{
	for (; len; len--, at++)
		if (at >= trial->len || byte_of(trial, at) != trial->base->bytes[at])
			return true;
	return false;
}

static void fail_trial(uint64_t number, const char *damage, const struct trial *trial,
	const struct check_output *output, const struct row *row)
{
	const char *kept = "/tmp/damaged.tide";

	write_file(kept, trial->bytes, trial->len);
	fprintf(stderr, "SEED=%" PRIu64 " TRIAL=%" PRIu64 ": %s, %s, bytes %" PRIu64 " to %"
		PRIu64 " (page %" PRIu64 "): ", run_seed, number, trial->base->what, damage,
		trial->at, trial->end, trial->at / PAGE);
	if (row)
		fprintf(stderr, "row %d of page %" PRIu64 " of %s is not named: %s\n", row->index,
			row->page, tree_name((enum tree)row->tree), row->name ? row->name : "");
	else
		fprintf(stderr, "a finding, but only unused bytes have changed\n");
	print_output(output);
	fprintf(stderr, "file saved as %s\n", kept);
	exit(1);
}

static void judge_rows(uint64_t number, unsigned damage, const struct trial *trial,
	const struct check_output *output, struct count *count)
{
	/* Every row counts as named if the file was refused, or if a meta page
	 * was damaged and the previous commit was read. */
	bool is_total = output->err != 0 || has_changed(trial, 0, 152) ||
		has_changed(trial, PAGE, 152);

	for (size_t i = 0; i < trial->base->count; i++) {
		const struct row *row = &trial->base->rows[i];
		bool whole;

		if (row->at + row->len <= trial->at || row->at >= trial->end ||
				!has_changed(trial, row->at, row->len))
			continue;
		whole = !has_changed(trial, row->at, 8 + row->key_len);
		count->rows++;
		if (is_total || is_named(output, row, whole && use_of_change(trial) == ROW))
			count->named++;
		else if (!damages[damage].is_silent)
			fail_trial(number, damages[damage].name, trial, output, row);
	}
}

/* A worker's copy of one database. Only the bytes that a trial changed are
 * written, and restored after it. */
struct workspace {
	char path[4300];
	uint8_t *bytes;
};

static void open_workspaces(struct workspace *workspaces, unsigned worker)
{
	for (size_t i = 0; i < base_count; i++) {
		workspaces[i].bytes = malloc(bases[i].len);
		CHECK(workspaces[i].bytes != NULL);
		memcpy(workspaces[i].bytes, bases[i].bytes, bases[i].len);
		snprintf(workspaces[i].path, sizeof workspaces[i].path, "%s/worker%u-%zu.tide",
			directory, worker, i);
		write_file(workspaces[i].path, bases[i].bytes, bases[i].len);
	}
}

static void write_change(const struct trial *trial, const char *path)
{
	uint64_t end = trial->end < trial->len ? trial->end : trial->len;
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)trial->len) == 0);
	if (trial->at < end)
		CHECK(pwrite(fd, trial->bytes + trial->at, end - trial->at, (off_t)trial->at) ==
			(ssize_t)(end - trial->at));
	close(fd);
}

static void restore(struct trial *trial, const char *path)
{
	trial->len = trial->base->len;
	if (trial->at < trial->end)
		memcpy(trial->bytes + trial->at, trial->base->bytes + trial->at,
			trial->end - trial->at);
	write_change(trial, path);
}

static void judge(uint64_t number, unsigned damage, const struct trial *trial,
	const struct check_output *output, struct count *count)
{
	enum use use = use_of_change(trial);
	bool found = output->err || output->problems;

	count->trials++;
	if (use == NOTHING && found && trial->len == trial->base->len)
		fail_trial(number, damages[damage].name, trial, output, NULL);
	if (use == NOTHING)
		return;
	count->harmful++;
	count->found += found;
	if (!found && getenv("SHOW"))
		fprintf(stderr, "TRIAL=%" PRIu64 ": %s, %s, bytes %" PRIu64 " to %" PRIu64
			" (page %" PRIu64 " + %" PRIu64 "): no finding\n", number,
			trial->base->what, damages[damage].name, trial->at, trial->end,
			trial->at / PAGE, trial->at % PAGE);
	judge_rows(number, damage, trial, output, count);
}

static void run_trial(uint64_t number, struct count *counts, struct workspace *workspaces)
{
	struct trial trial = { .at = UINT64_MAX };
	struct check_output output = { 0 };
	struct workspace *workspace;
	unsigned damage;
	size_t which;

	*check_random_state() = run_seed * 1000003 + number;
	check_random();
	damage = (unsigned)check_random_below(DAMAGES);
	which = check_random_below(base_count);
	workspace = &workspaces[which];
	trial.base = &bases[which];
	trial.len = trial.base->len;
	trial.bytes = workspace->bytes;
	damages[damage].damage(&trial);
	write_change(&trial, workspace->path);
	check_file(&output, workspace->path);
	judge(number, damage, &trial, &output, &counts[damage]);
	buffer_release(&output.text);
	restore(&trial, workspace->path);
}

static void work(unsigned worker, uint64_t trials)
{
	struct workspace workspaces[8];

	open_workspaces(workspaces, worker);
	for (uint64_t i = worker; i < trials; i += WORKERS) {
		board->trial[worker] = i;
		alarm(HANG_SECONDS);
		run_trial(i, board->counts[worker], workspaces);
	}
	alarm(0);
	for (size_t i = 0; i < base_count; i++)
		free(workspaces[i].bytes);
}

static bool await_worker(unsigned worker, pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		fprintf(stderr, "SEED=%" PRIu64 " TRIAL=%" PRIu64 ": signal %d%s\n", run_seed,
			board->trial[worker], WTERMSIG(status),
			WTERMSIG(status) == SIGALRM ? ", timed out" : "");
	return status == 0;
}

static void print_counts(void)
{
	printf("%-24s %8s %8s %8s %9s %9s\n", "damage", "trials", "harmful", "found",
		"rows", "named");
	for (int i = 0; i < DAMAGES; i++) {
		struct count sum = { 0 };

		for (int w = 0; w < WORKERS; w++) {
			const struct count *one = &board->counts[w][i];

			sum.trials += one->trials;
			sum.harmful += one->harmful;
			sum.found += one->found;
			sum.rows += one->rows;
			sum.named += one->named;
		}
		printf("%-24s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n",
			damages[i].name, sum.trials, sum.harmful, sum.found, sum.rows, sum.named);
	}
}

static void make_bases(void)
{
	const char *path = tide_path("whole.tide");

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		struct base *base;
		struct check_output output;

		make_base(&shapes[i]);
		base = &bases[base_count - 1];
		write_file(path, base->bytes, base->len);
		check_file(&output, path);
		if (output.err || output.problems) {
			fprintf(stderr, "%s, undamaged:\n", base->what);
			print_output(&output);
			exit(1);
		}
		map_base(base, path);
		read_names(base, path);
		fprintf(stderr, "%s: %" PRIu64 " pages, %zu rows\n", base->what,
			base->len / PAGE, base->count);
	}
}

int main(void)
{
	const char *many = getenv("TRIALS");
	const char *one = getenv("TRIAL");
	uint64_t trials = many ? strtoull(many, NULL, 10) : 1000;
	pid_t workers[WORKERS];
	bool succeeded = true;

	run_seed = *check_random_state();
	snprintf(directory, sizeof directory, "%s", check_directory());
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	CHECK(board != MAP_FAILED);
	make_bases();
	if (one) {
		struct workspace workspaces[8];

		open_workspaces(workspaces, 0);
		run_trial(strtoull(one, NULL, 10), board->counts[0], workspaces);
		print_counts();
		return 0;
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		CHECK(workers[i] >= 0);
		if (workers[i] == 0) {
			work(i, trials);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < WORKERS; i++)
		succeeded &= await_worker(i, workers[i]);
	print_counts();
	return succeeded ? 0 : 1;
}
