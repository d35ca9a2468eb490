package actors

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// An idempotency key is remembered for 24 h (chatkit-protocol: section 6), and
// of one stream at most maxKeys are, the youngest.
const (
	keyLifetime = 24 * time.Hour
	maxKeys     = 16_384
)

// keyring remembers what was done under which idempotency key, oldest first.
type keyring[R any] struct {
	byKey map[string]keyUse[R]
	order []string
}

type keyUse[R any] struct {
	fingerprint string
	at          time.Time
	result      R
}

// remember notes the result of a command; the last one under a key counts. Time
// comes from the events, so that a reload forgets the same.
func (k *keyring[R]) remember(key string, use keyUse[R]) {
	if k.byKey == nil {
		k.byKey = make(map[string]keyUse[R])
	}
	if _, ok := k.byKey[key]; !ok {
		k.order = append(k.order, key)
	}
	k.byKey[key] = use
	for len(k.order) > 0 {
		oldest := k.order[0]
		if len(k.order) <= maxKeys && use.at.Sub(k.byKey[oldest].at) < keyLifetime {
			break
		}
		delete(k.byKey, oldest)
		k.order[0] = ""
		k.order = k.order[1:]
	}
}

func (k *keyring[R]) find(key string, now time.Time) (keyUse[R], bool) {
	use, ok := k.byKey[key]
	if !ok || now.Sub(use.at) >= keyLifetime {
		return keyUse[R]{}, false
	}
	return use, true
}

// fingerprint tells two commands apart that came with the same key.
func fingerprint(cmd any) (string, error) {
	b, err := json.Marshal(cmd)
	if err != nil {
		return "", fmt.Errorf("fingerprint of a %T: %w", cmd, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%T ", cmd)
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
