/* judge.h - opens a database that a power cut left and compares it with the promises. */
#ifndef POWERCUT_JUDGE_H
#define POWERCUT_JUDGE_H

#include "powercut/disk.h"
#include "tide.h"

#define VERDICT_MAP(X) \
	X(FINE, "fine") \
	X(LOST, "lost a promised commit") \
	X(REFUSED, "can't be opened") \
	X(DAMAGED, "damaged") \
	X(OTHER, "with contents of no commit") \
	X(REUSED, "reused a sequence number") \
	X(KILLED, "crashed") \
	X(HUNG, "timed out")

enum verdict {
#define VERDICT_ENUM(name, text) VERDICT_##name,
	VERDICT_MAP(VERDICT_ENUM)
#undef VERDICT_ENUM
	VERDICTS
};

const char *verdict_text(enum verdict verdict);

/* The digests of all commits of a trace. */
struct history {
	uint64_t first, count;
	uint64_t *digests;           /* by commit number; 0 if unknown */
};

void history_read(struct history *history, const struct trace *trace);
void history_release(struct history *history);
uint64_t history_digest(const struct history *history, uint64_t commit);

struct trial {
	const char *path;            /* path that the image is written to */
	const struct image *image;
	const struct history *history;
	struct mark mark;            /* what the writer knew before the power cut */
	enum durability durability;
	struct dice dice;
	uint64_t commit;             /* result: the last commit in the image, 0 if none */
	char message[400];           /* result: the reason of the verdict */
};

/* Returns the last commit in an image, 0 if none. */
uint64_t image_commit(const struct image *image);

/* Writes the files of an image to path, and removes the files that have no name in the image. */
void image_install(const struct image *image, const char *path);

enum verdict judge(struct trial *trial);

#endif
