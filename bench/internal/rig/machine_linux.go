package rig

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is what the processors have done so far.
type machine struct {
	at        time.Time
	all, ours time.Duration // by every process, and by this one and its children that have ended
}

// tick is the unit of /proc/stat, which is the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// now reads the counters; those that cannot be read stay 0.
func now() machine {
	m := machine{at: time.Now()}
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		const idle, iowait, steal = 4, 5, 8
		if err != nil || i == idle || i == iowait || i > steal {
			continue
		}
		m.all += time.Duration(n) * tick
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			m.ours += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return m
}
