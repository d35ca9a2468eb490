package eventstoredb

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outage
		fail := func(every, during time.Duration) {
			for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(every) {
				o.failed(t.Context())
			}
		}
		want := func(when string, long bool) {
			t.Helper()
			if o.long() != long {
				t.Errorf("%s: long is %v", when, !long)
			}
		}
		want("at first", false)
		fail(100*time.Millisecond, patience)
		want("after a change of leader", false)
		fail(100*time.Millisecond, time.Second)
		want("after more than that", true)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		o.over()
		want("after an answer", false)
		o.failed(gone)
		time.Sleep(2 * patience)
		want("when only a caller left", false)
		fail(patience/2, 3*patience)
		want("with few who try", true)
		time.Sleep(2 * patience)
		want("when nobody has tried for a while", false)
		fail(time.Second, 2*time.Second)
		want("when it fails again after that", false)
	})
}
