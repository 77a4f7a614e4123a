/* judge.h - opens what a power cut has left, and holds it against the promises. */
#ifndef POWERCUT_JUDGE_H
#define POWERCUT_JUDGE_H

#include "powercut/disk.h"
#include "tide.h"

#define VERDICT_MAP(X) \
	X(FINE, "fine") \
	X(LOST, "lost what was promised") \
	X(REFUSED, "can't be opened") \
	X(DAMAGED, "damaged") \
	X(OTHER, "shows what it never was") \
	X(REUSED, "gives sequence numbers again") \
	X(KILLED, "killed who opened it") \
	X(HUNG, "kept who opened it for ever")

enum verdict {
#define VERDICT_ENUM(name, text) VERDICT_##name,
	VERDICT_MAP(VERDICT_ENUM)
#undef VERDICT_ENUM
	VERDICTS
};

const char *verdict_text(enum verdict verdict);

/* Every commit of a trace, and all that it showed. */
struct history {
	uint64_t first, count;
	uint64_t *digests;           /* 0: nobody looked */
};

void history_read(struct history *history, const struct trace *trace);
void history_release(struct history *history);
uint64_t history_digest(const struct history *history, uint64_t commit);

struct trial {
	const char *path;            /* where the image is put */
	const struct image *image;
	const struct history *history;
	struct mark mark;            /* what was known when the power went */
	enum durability durability;
	struct dice dice;
	uint64_t commit;             /* out: the last one in the image, 0: none */
	char message[400];           /* out */
};

/* The last commit that an image holds. */
uint64_t image_commit(const struct image *image);

/* Writes an image to path and its kin; what the names stood for is gone. */
void image_install(const struct image *image, const char *path);

enum verdict judge(struct trial *trial);

#endif
