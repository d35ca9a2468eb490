package tools

import (
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
)

// EndOfDay returns the instant that stands for "some time on that day": 23:59 in
// the person's time zone. A task that is due today is thus not overdue before
// the day is, sorts behind those of the day that have a time, and is shown
// without one.
func EndOfDay(t time.Time, loc *time.Location) time.Time {
	y, m, d := t.In(loc).Date()
	return time.Date(y, m, d, 23, 59, 0, 0, loc)
}

// DayOnly reports whether t is what [EndOfDay] makes of its day.
func DayOnly(t time.Time, loc *time.Location) bool { return t.Equal(EndOfDay(t, loc)) }

var dueLayouts = []string{
	"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04",
}

// ParseDue reads a due date: RFC 3339, the same without zone (then in loc), or a
// date alone (then [EndOfDay]).
func ParseDue(s string, loc *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		for _, layout := range dueLayouts {
			if t, err = time.ParseInLocation(layout, s, loc); err == nil {
				break
			}
		}
	}
	if err != nil {
		if t, err = time.ParseInLocation(time.DateOnly, s, loc); err == nil {
			t = EndOfDay(t, loc)
		}
	}
	if err != nil {
		return time.Time{}, chatkitd.Errorf(chatkitd.CodeInvalid,
			"%q is not a date: give 2026-11-24, 2026-11-24T17:00 or 2026-11-24T17:00:00+01:00", clip(s, 40))
	}
	if y := t.Year(); y < 1970 || y > 9999 {
		return time.Time{}, chatkitd.Errorf(chatkitd.CodeInvalid, "the year of %q is out of range", clip(s, 40))
	}
	return t, nil
}
