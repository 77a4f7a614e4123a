/* dice.h - pseudo-random numbers: splitmix64. */
#ifndef CALLS_DICE_H
#define CALLS_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint64_t dice_roll(struct dice *dice)
{
	return dice_mix(dice->state += 0x9e3779b97f4a7c15u);
}

/* Returns a number in 0 .. limit - 1; limit must be at least 1. */
static inline uint64_t dice_below(struct dice *dice, uint64_t limit)
{
	return dice_roll(dice) % limit;
}

static inline bool dice_one_in(struct dice *dice, uint64_t n)
{
	return dice_below(dice, n) == 0;
}

/* Returns a generator that depends only on seed, a, b and c, not on numbers
 * drawn from other generators. */
static inline struct dice dice_for(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t state = dice_mix(seed + 0x9e3779b97f4a7c15u);

	state = dice_mix(state ^ (a + 0x632be59bd9b4e019u));
	state = dice_mix(state ^ (b + 0xe703779fe9f0cf1du));
	return (struct dice){ dice_mix(state ^ (c + 0x8a5cd789635d2dffu)) };
}

#endif
