/* floors.h - for each stream of a feed, the newest record that had expired when the feed was
 * started. Records that had expired by then are not reported as TRIMMED. */
#ifndef STREAM_FLOORS_H
#define STREAM_FLOORS_H

#include <stddef.h>
#include <stdint.h>

struct floor {
	uint32_t stream;
	uint64_t hidden;             /* newest expired record */
	uint64_t last;               /* newest record */
};

/* A zeroed object is empty. */
struct floors {
	struct floor *all;           /* ascending by stream */
	size_t count, cap;
};

/* Appends the floor of a stream with a greater id. Returns 0 or NO_MEMORY. */
int floors_add(struct floors *floors, struct floor floor);

/* Returns the newest expired record of a stream; 0 if it has no floor. */
uint64_t floors_hidden(const struct floors *floors, uint32_t stream);

void floors_release(struct floors *floors);

#endif
