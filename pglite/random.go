package pglite

// random is what random() goes on from, which setseed may have chosen: the 16
// bytes of prng_state and the flag prng_seed_set
// (src/backend/utils/adt/pseudorandomfuncs.c). All zero is a session that has
// not asked yet, whose first random() takes a seed from the system.
type random [randomSize]byte

const randomSize = 17

func (b *backend) saveRandom(r *random) { copy(r[:], b.inst.Bytes(randomAddr, randomSize)) }

func (b *backend) restoreRandom(r *random) { copy(b.inst.Bytes(randomAddr, randomSize), r[:]) }
