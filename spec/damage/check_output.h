/* check_output.h - parses the report of a check line by line. */
#ifndef DAMAGE_CHECK_OUTPUT_H
#define DAMAGE_CHECK_OUTPUT_H

#include "lmdb_file/audit.h"
#include "unit/tides.h"

struct check_output {
	struct buffer text;
	uint64_t problems;
	int err;
};

static inline void check_file(struct check_output *output, const char *path)
{
	struct report report = { 0 };
	struct failure failure = { 0 };

	output->err = tide_check_file(path, &report, &failure);
	CHECK(output->err <= 0);
	output->problems = report.problems;
	output->text = report.text;
}

struct line {
	int tree;
	uint64_t page;
	int row;
	bool range;
	const char *name;            /* table, tab, key */
	size_t name_len;
};

static inline int tree_of_name(const char *name, size_t len)
{
	for (int i = 0; i < TREE_COUNT; i++)
		if (strlen(tree_name((enum tree)i)) == len &&
				memcmp(name, tree_name((enum tree)i), len) == 0)
			return i;
	return AUDIT_FREE_LIST;
}

/* Reads the line at `at`. Returns the start of the next line, NULL at the end. */
static inline const char *read_line(const struct check_output *output, const char *at,
	struct line *line)
{
	const char *end = (const char *)output->text.data + output->text.len;
	const char *fields[7];
	const char *newline;
	const char *place;
	size_t rest;

	if (at >= end)
		return NULL;
	newline = memchr(at, '\n', (size_t)(end - at));
	CHECK(newline != NULL);
	fields[0] = at;
	for (int i = 1; i < 6; i++) {
		const char *tab = memchr(fields[i - 1], '\t', (size_t)(newline - fields[i - 1]));

		CHECK(tab != NULL);
		fields[i] = tab + 1;
	}
	CHECK(memchr(fields[5], '\t', (size_t)(newline - fields[5])) == NULL);
	line->tree = tree_of_name(fields[1], (size_t)(fields[2] - fields[1] - 1));
	line->name = fields[2];
	line->name_len = (size_t)(fields[4] - fields[2] - 1);
	line->page = strtoull(fields[4], NULL, 10);
	rest = (size_t)(newline - fields[5]);
	line->range = memmem(fields[5], rest, "this affects the rows", 21);
	place = memmem(fields[5], rest, ", row ", 6);
	line->row = place ? atoi(place + 6) : -1;
	return newline + 1;
}

static inline void print_output(const struct check_output *output)
{
	fprintf(stderr, "err %d, %" PRIu64 " problems:\n%.*s", output->err, output->problems,
		(int)(output->text.len < 6000 ? output->text.len : 6000),
		output->text.data ? (const char *)output->text.data : "");
}

#endif
