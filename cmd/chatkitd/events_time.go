package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

const timeHelp = `A TIME is "2026-11-23 10:00", "monday 10:00", "yesterday 9:30", "10:00", "now",
"-2h" (two hours ago; also m, s, d and w), or RFC 3339. What names no date is the
last time that it was so: never in the future.`

// moment is a time as it was written; it is read once the zone is known.
type moment struct{ text string }

// Decode implements kong.MapperValue. It takes the next word whatever it looks
// like: "-2h" is no flag.
func (m *moment) Decode(ctx *kong.DecodeContext) error {
	token := ctx.Scan.Pop()
	m.text = strings.TrimSpace(token.String())
	if token.IsEOL() || m.text == "" || strings.HasPrefix(m.text, "--") {
		return errors.New("give a time, such as \"2026-11-23 10:00\"")
	}
	return nil
}

// at returns the time that is meant, zero when none was given.
func (m moment) at(flag string, now time.Time, zone *time.Location) (time.Time, error) {
	if m.text == "" {
		return time.Time{}, nil
	}
	t, err := parseTime(m.text, now.In(zone))
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", flag, err)
	}
	return t, nil
}

func zoneOf(utc bool) *time.Location {
	if utc {
		return time.UTC
	}
	return time.Local
}

var ago = regexp.MustCompile(`^-(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)$`)

// parseTime reads a time as people write it, in the zone of now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	lower := strings.ToLower(s)
	if lower == "now" {
		return now, nil
	}
	if m := ago.FindStringSubmatch(lower); m != nil {
		n, err := strconv.ParseFloat(m[1], 64)
		unit := map[string]time.Duration{
			"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
		}[m[2]]
		if back := n * float64(unit); err == nil && back < 100*365*24*float64(time.Hour) {
			return now.Add(-time.Duration(back)), nil
		}
		return time.Time{}, fmt.Errorf("%q is too long ago", s)
	}
	for _, layout := range []string{
		"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15:04:05.999999999",
	} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	if t, ok := recently(strings.Fields(lower), now); ok {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write 2026-11-23 10:00, \"monday 10:00\", 10:00, -2h, or 2026-11-23T10:00:00Z", s)
}

// recently reads a time that names no date: "[day] [clock]".
func recently(words []string, now time.Time) (time.Time, bool) {
	if len(words) == 0 || len(words) > 2 {
		return time.Time{}, false
	}
	clock, hasClock := clockOf(words[len(words)-1])
	if !hasClock && len(words) == 2 {
		return time.Time{}, false
	}
	on := func(daysAgo int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()-daysAgo,
			int(clock.Hours()), int(clock.Minutes())%60, int(clock.Seconds())%60, 0, now.Location())
	}
	if hasClock && len(words) == 1 {
		if t := on(0); !t.After(now) {
			return t, true
		}
		return on(1), true
	}
	switch words[0] {
	case "today":
		return on(0), true
	case "yesterday":
		return on(1), true
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		name := strings.ToLower(day.String())
		if words[0] != name && words[0] != name[:3] {
			continue
		}
		back := (int(now.Weekday()) - int(day) + 7) % 7
		t := on(back)
		if t.After(now) {
			t = on(back + 7)
		}
		return t, true
	}
	return time.Time{}, false
}

func clockOf(s string) (time.Duration, bool) {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second, true
		}
	}
	return 0, false
}
