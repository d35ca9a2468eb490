package projections

import "hash/maphash"

// keys is a Bloom filter of the keys that a build has written: it never denies one
// of them, and seldom takes another for one. With ten million keys it still spares
// 24 of 25 look-ups that would find nothing.
type keys struct {
	seed maphash.Seed
	bits []uint64
	mask uint64
}

const (
	leastBits = 1 << 13
	mostBits  = 1 << 26 // 8 MiB
	keyBits   = 16      // of each key that is expected
	keyProbes = 4
)

// newKeys makes a filter for so many keys, or about.
func newKeys(expected uint64) *keys {
	n := uint64(leastBits)
	for n < mostBits && n/keyBits < expected {
		n *= 2
	}
	return &keys{maphash.MakeSeed(), make([]uint64, n/64), n - 1}
}

// hash returns two numbers that are as good as independent.
func (k *keys) hash(n int, owner int64, key string) (uint64, uint64) {
	h := maphash.String(k.seed, key)
	h ^= (uint64(n)<<56 ^ uint64(owner)) * 0x9e3779b97f4a7c15 //nolint:gosec // any bits will do
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return h, h>>17 | 1
}

func (k *keys) add(n int, owner int64, key string) {
	h, step := k.hash(n, owner, key)
	for range keyProbes {
		bit := h & k.mask
		k.bits[bit/64] |= 1 << (bit % 64)
		h += step
	}
}

func (k *keys) has(n int, owner int64, key string) bool {
	h, step := k.hash(n, owner, key)
	for range keyProbes {
		bit := h & k.mask
		if k.bits[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
		h += step
	}
	return true
}
