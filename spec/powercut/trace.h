/* trace.h - everything that reaches a database's files, in order.
 *
 * The trace lies in memory that processes share, so that one may write it, die
 * in the middle, and others read it. A file is known by its number, in the
 * order of their making, for names come and go.
 */
#ifndef POWERCUT_TRACE_H
#define POWERCUT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names that a database has in its directory. */
enum name { NAME_DATA, NAME_NEW, NAME_LOCK, NAME_WAKE, NAMES };
extern const char *const name_suffix[NAMES];

#define NO_FILE (-1)
#define FILES_MAX 64

enum deed_kind {
	DEED_MAKE,        /* name now stands for the new file */
	DEED_RENAME,      /* to stands for what name stood for, name for nothing */
	DEED_UNLINK,
	DEED_WRITE,       /* len bytes of file at `at` */
	DEED_SIZE,        /* the file is len bytes long, */
	DEED_GROW,        /* or at least that */
	DEED_FLUSH,       /* fdatasync or fsync of the file has returned */
	DEED_FLUSH_FAILED, /* it has not, and says so; nothing is tried again */
	DEED_FLUSH_PART,  /* a write through an O_DSYNC descriptor has returned */
	DEED_FLUSH_NAMES, /* fsync of the directory has returned */
	DEED_MARK,        /* the program that writes knows something */
};

/* What the program knows at a moment. */
struct mark {
	bool exists;           /* the database's creation is acknowledged */
	uint64_t commit;       /* the last commit that can be seen, */
	uint64_t digest;       /* all it shows, */
	uint64_t sequence;     /* and the last sequence number that was handed out */
	uint64_t promised;     /* the last commit that a power cut may not take back */
};

struct deed {
	enum deed_kind kind;
	enum name name, to;
	int file;
	uint64_t at, len;
	const uint8_t *bytes;
	struct mark mark;
};

struct trace {
	struct deed *deeds;
	size_t count, max;
	uint8_t *bytes;        /* what deeds have written */
	size_t used, buf;
	int files;             /* made so far */
	int named[NAMES];      /* which file a name stands for now, or NO_FILE */
	bool full;             /* something did not fit: the trace is worth nothing */
	char strange[128];     /* a call that the model has no deed for */
	uint64_t calls;        /* that were traced; one of them may kill */
};

struct trace *trace_new(void);
void trace_free(struct trace *trace);

/* Empty, with the files that are there before it begins. */
void trace_clear(struct trace *trace, const int named[NAMES], int files);

/* From now on this process's calls on path and its kin are traced. The process
 * ends at once, as if killed, before the kill_at-th of them (0: never), and the
 * fail_at-th flush of a file fails (0: none does). */
void trace_begin(struct trace *trace, const char *path, uint64_t kill_at, uint64_t fail_at);
void trace_end(void);
bool trace_flush_has_failed(void);

/* Adds what the program knows, and what it has written through maps since. */
void trace_mark(const struct mark *mark);

#endif
