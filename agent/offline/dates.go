package offline

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd/tools"
)

const (
	weekdayNames = `monday|mon|tuesday|tues|tue|wednesday|weds|wed|thursday|thurs|thur|thu|friday|fri|saturday|sat|sunday|sun`
	monthNames   = `january|jan|february|feb|march|mar|april|apr|may|june|jun|july|jul|august|aug|september|sept|sep|october|oct|november|nov|december|dec`
	numberWords  = `\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|half an?|a couple of|a few`
	// lead is what may stand before a date and goes with it.
	lead = `(?:^|[\s,(])(?:(?:that is |which is |it'?s )?due |starting )?(?:by |on |for |until |till |before |from )?(?:the )?`
	// tail is what must stand behind a date.
	tail = `(?:$|[\s,.;:!?)])`
)

var numbers = map[string]int{
	"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
	"a couple of": 2, "a few": 3,
}

// dayRule reads one way to name a day.
type dayRule struct {
	re *regexp.Regexp
	// day returns the day, an hour if the words say one (else -1), and whether
	// the words are a date after all.
	day func(p *dateParser, g []string) (time.Time, int, bool)
}

// dateParser finds dates in words.
type dateParser struct {
	now   time.Time // in the person's zone
	today time.Time // midnight
}

func newDateParser(now time.Time) *dateParser {
	return &dateParser{now, midnight(now, 0)}
}

// midnight returns the start of the day that is n days after t's.
func midnight(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d+n, 0, 0, 0, 0, t.Location())
}

func rule(re string, day func(p *dateParser, g []string) (time.Time, int, bool)) dayRule {
	return dayRule{regexp.MustCompile(`(?i)` + lead + `(?:` + re + `)` + tail), day}
}

// fixed is a rule for words that are n days from now.
func fixed(re string, n, hour int) dayRule {
	return rule(re, func(p *dateParser, _ []string) (time.Time, int, bool) { return midnight(p.now, n), hour, true })
}

var dayRules = []dayRule{
	rule(`(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::\d{2})?Z?)?`, func(p *dateParser, g []string) (time.Time, int, bool) {
		t, ok := p.date(atoi(g[1]), time.Month(atoi(g[2])), atoi(g[3]))
		return t, clock(g[4], g[5]), ok
	}),
	rule(`(\d{1,2})\.(\d{1,2})(?:(\.)(\d{4})?)?`, func(p *dateParser, g []string) (time.Time, int, bool) {
		if g[3] == "" && !led(g[0]) {
			return time.Time{}, -1, false // "2.5 litres"
		}
		t, ok := p.coming(atoi(g[4]), time.Month(atoi(g[2])), atoi(g[1]))
		return t, -1, ok
	}),
	rule(`(\d{1,2})(?:st|nd|rd|th)?(?: of)? (`+monthNames+`)\.?(?:,? (\d{4}))?`, func(p *dateParser, g []string) (time.Time, int, bool) {
		t, ok := p.coming(atoi(g[3]), month(g[2]), atoi(g[1]))
		return t, -1, ok
	}),
	rule(`(`+monthNames+`)\.? (?:the )?(\d{1,2})(?:st|nd|rd|th)?(?:,? (\d{4}))?`, func(p *dateParser, g []string) (time.Time, int, bool) {
		t, ok := p.coming(atoi(g[3]), month(g[1]), atoi(g[2]))
		return t, -1, ok
	}),
	fixed(`day after tomorrow`, 2, -1),
	rule(`(?:tomorrow|tmrw|tmr|tomm?orr?ow)(?:'s)?( morning| noon| afternoon| evening| night)?`, func(p *dateParser, g []string) (time.Time, int, bool) {
		return midnight(p.now, 1), partOfDay(g[1]), true
	}),
	fixed(`tonight`, 0, 20*60),
	rule(`(?:today(?:'s)?|this)( morning| noon| afternoon| evening| night)`, func(p *dateParser, g []string) (time.Time, int, bool) {
		return p.today, partOfDay(g[1]), true
	}),
	fixed(`today|by the end of (?:the )?day|end of (?:the )?day|eod`, 0, -1),
	fixed(`yesterday`, -1, -1),
	rule(`in (`+numberWords+`) (minute|min|hour|hr|h|day|week|month|year)s?(?: time)?|(`+numberWords+`) (minute|hour|day|week|month|year)s? from (?:now|today)`,
		func(p *dateParser, g []string) (time.Time, int, bool) {
			n, unit := g[1], g[2]
			if n == "" {
				n, unit = g[3], g[4]
			}
			return p.from(strings.ToLower(n), strings.ToLower(unit))
		}),
	rule(`(?:the )?(?:(next|this|coming|following) )?(`+weekdayNames+`)(?: next week)?( morning| noon| afternoon| evening| night)?`, (*dateParser).weekday),
	rule(`next week`, func(p *dateParser, _ []string) (time.Time, int, bool) { return midnight(p.monday(), 7), -1, true }),
	rule(`this weekend|(?:at |on )?the weekend|(?:the )?weekend`, func(p *dateParser, _ []string) (time.Time, int, bool) {
		return midnight(p.now, (int(time.Saturday)-int(p.now.Weekday())+7)%7), -1, true
	}),
	rule(`(?:the )?end of (?:the |this )?week|this week`, func(p *dateParser, _ []string) (time.Time, int, bool) {
		friday := midnight(p.monday(), 4)
		if friday.Before(p.today) {
			friday = midnight(p.monday(), 6)
		}
		return friday, -1, true
	}),
	rule(`(?:the )?end of (?:the |this )?month|this month`, func(p *dateParser, _ []string) (time.Time, int, bool) {
		y, m, _ := p.now.Date()
		return time.Date(y, m+1, 0, 0, 0, 0, 0, p.now.Location()), -1, true
	}),
	rule(`next month`, func(p *dateParser, _ []string) (time.Time, int, bool) {
		y, m, _ := p.now.Date()
		return time.Date(y, m+1, 1, 0, 0, 0, 0, p.now.Location()), -1, true
	}),
	rule(`(\d{1,2})(?:st|nd|rd|th)`, func(p *dateParser, g []string) (time.Time, int, bool) {
		if !strings.Contains(strings.ToLower(g[0]), "the ") || !led(g[0]) && !strings.HasSuffix(g[0], "$") {
			return time.Time{}, -1, false // "2nd edition" is no date
		}
		y, m, d := p.now.Date()
		if atoi(g[1]) < d {
			m++
		}
		t, ok := p.date(y, m, atoi(g[1]))
		return t, -1, ok
	}),
}

// timeRE finds a time of day.
var timeRE = regexp.MustCompile(`(?i)(?:^|[\s,(])(?:(?:due |by |for |until |till |before )?(at|by|@|around|from) ?)?(?:(\d{1,2})(?:[:.](\d{2}))? ?(a\.?m\.?|p\.?m\.?)|(\d{1,2}):(\d{2})(?: ?h)?|(\d{1,2})(?: ?o'?clock)?|(noon|midday|midnight)|in the (morning|afternoon|evening))` + tail)

// find cuts the due date out of s and returns what is left of it. Without a date
// ok is false and s is returned as it came.
func (p *dateParser) find(s string) (rest string, due time.Time, ok bool) {
	rest, day, minute, dated := p.findDay(s)
	rest2, m, timed := p.findTime(rest, dated)
	if timed && minute < 0 {
		rest, minute = rest2, m
	}
	switch {
	case !dated && !timed:
		return s, time.Time{}, false
	case dated && minute < 0:
		return rest, tools.EndOfDay(day, p.now.Location()), true
	case dated && minute >= exact:
		return rest, day, true
	case !dated:
		day = p.today
		if due = at(day, minute); !due.After(p.now) {
			due = at(midnight(p.now, 1), minute)
		}
		return rest, due, true
	}
	return rest, at(day, minute), true
}

// exact is the "minute of the day" of a rule that returns an instant.
const exact = 1 << 20

func at(day time.Time, minute int) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, 0, minute, 0, 0, day.Location())
}

func (p *dateParser) findDay(s string) (rest string, day time.Time, minute int, ok bool) {
	if !mayDate(s) {
		return s, time.Time{}, -1, false
	}
	for _, r := range dayRules {
		for from := 0; from < len(s); {
			loc := r.re.FindStringSubmatchIndex(s[from:])
			if loc == nil {
				break
			}
			g := make([]string, len(loc)/2)
			for i := range g {
				if loc[2*i] >= 0 {
					g[i] = s[from+loc[2*i] : from+loc[2*i+1]]
				}
			}
			g[0] = surround(s, from+loc[0], from+loc[1])
			if day, minute, ok = r.day(p, g); ok {
				return cut(s, from+loc[0], from+loc[1]), day, minute, true
			}
			from += max(loc[1]-1, loc[0]+1)
		}
	}
	return s, time.Time{}, -1, false
}

// dateWords are those without which there is no day in a text without digits.
var dateWords = set(strings.ReplaceAll(weekdayNames+"|"+monthNames+"|day|today|tonight|tmrw|tmr|yesterday|in|this|next|weekend|end|eod|from|week|month", "|", " "))

// mayDate saves most texts the twenty patterns.
func mayDate(s string) bool {
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool {
		return r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z' && r < utf8.RuneSelf
	}) {
		if word = strings.ToLower(word); word[0] <= '9' || dateWords[word] || strings.HasPrefix(word, "tom") {
			return true
		}
	}
	return false
}

// surround marks with "^" and "$" whether a match touches the ends of s, which
// tells "… friday" from "watch friday night lights".
func surround(s string, from, to int) string {
	m := s[from:to]
	if strings.TrimSpace(s[:from]) == "" {
		m = "^" + m
	}
	if rest := strings.TrimSpace(s[to:]); rest == "" || strings.ContainsAny(s[to-1:to], ",.;:!?)") || timeBehind(s[to-1:min(len(s), to+20)]) {
		m += "$"
	}
	return m
}

func timeBehind(s string) bool {
	m := timeRE.FindStringIndex(s)
	return m != nil && m[0] == 0
}

// cut removes s[from:to], leaving the one space that is needed. A punctuation
// mark that ended the match stays.
func cut(s string, from, to int) string {
	keep := ""
	if last := s[to-1]; strings.IndexByte(",.;:!?)", last) >= 0 {
		keep = string(last)
	}
	left := strings.TrimRight(s[:from], " ,")
	if strings.HasPrefix(s[from:], "(") {
		keep = strings.TrimPrefix(keep, ")")
	}
	return strings.TrimSpace(left + keep + " " + strings.TrimLeft(s[to:], " "))
}

// findTime cuts a time of day out of s. A number alone is a time only behind
// "at".
func (p *dateParser) findTime(s string, dated bool) (rest string, minute int, ok bool) {
	for from := 0; from < len(s); {
		loc := timeRE.FindStringSubmatchIndex(s[from:])
		if loc == nil {
			return s, 0, false
		}
		g := func(i int) string {
			if loc[2*i] < 0 {
				return ""
			}
			return strings.ToLower(s[from+loc[2*i] : from+loc[2*i+1]])
		}
		switch {
		case g(4) != "":
			h := atoi(g(2)) % 12
			if strings.HasPrefix(g(4), "p") {
				h += 12
			}
			minute, ok = h*60+atoi(g(3)), atoi(g(2)) >= 1 && atoi(g(2)) <= 12 && atoi(g(3)) < 60
		case g(5) != "":
			minute = clock(g(5), g(6))
			ok = minute >= 0
		case g(7) != "" && (g(1) == "at" || g(1) == "@" || g(1) == "by") && (dated || strings.Trim(s[from+loc[1]:], " .!?)") == ""):
			h := atoi(g(7))
			if h >= 1 && h <= 7 {
				h += 12 // nobody means five in the morning without saying so
			}
			minute, ok = h*60, h < 24
		case g(8) != "":
			minute, ok = 12*60, true
			if g(8) == "midnight" {
				minute = 24*60 - 1
			}
		case g(9) != "":
			minute, ok = partOfDay(g(9)), true
		}
		if ok {
			return cut(s, from+loc[0], from+loc[1]), minute, true
		}
		from += max(loc[1]-1, loc[0]+1)
	}
	return s, 0, false
}

func (p *dateParser) weekday(g []string) (time.Time, int, bool) {
	whole := strings.ToLower(g[0])
	led := g[1] != "" || led(whole)
	if !led && !strings.HasPrefix(whole, "^") && !strings.HasSuffix(whole, "$") {
		return time.Time{}, -1, false // "watch friday night lights"
	}
	if len(g[2]) <= 3 && strings.HasPrefix(whole, "^") && !led && !strings.HasSuffix(whole, "$") {
		return time.Time{}, -1, false // "sun cream", "sat nav"
	}
	want := time.Sunday
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String()[:3], g[2][:3]) {
			want = d
		}
	}
	n := (int(want) - int(p.now.Weekday()) + 7) % 7
	if n == 0 {
		n = 7
	}
	day := midnight(p.now, n)
	if strings.EqualFold(g[1], "next") || strings.Contains(whole, "next week") {
		day = midnight(p.monday(), 7+(int(want)+6)%7)
	}
	return day, partOfDay(g[3]), true
}

// led reports whether a match begins with a word that leads to a date.
func led(match string) bool {
	first, _, _ := strings.Cut(strings.ToLower(strings.TrimLeft(match, "^ ,(")), " ")
	return slices.Contains([]string{"on", "by", "for", "due", "until", "till", "before", "starting"}, first)
}

// monday returns the Monday of this week.
func (p *dateParser) monday() time.Time { return midnight(p.now, -(int(p.now.Weekday())+6)%7) }

// from returns the time that lies n units ahead.
func (p *dateParser) from(n, unit string) (time.Time, int, bool) {
	half := strings.HasPrefix(n, "half")
	k, known := numbers[n]
	if !known {
		k = atoi(n)
	}
	switch unit {
	case "minute", "min":
		return p.now.Add(time.Duration(k) * time.Minute).Truncate(time.Minute), exact, !half
	case "hour", "hr", "h":
		d := time.Duration(k) * time.Hour
		if half {
			d = 30 * time.Minute
		}
		return p.now.Add(d).Truncate(time.Minute), exact, true
	case "day":
		return midnight(p.now, k), -1, !half
	case "week":
		return midnight(p.now, 7*k), -1, !half
	case "month":
		return p.today.AddDate(0, k, 0), -1, !half
	case "year":
		return p.today.AddDate(k, 0, 0), -1, !half
	}
	return time.Time{}, -1, false
}

// coming returns a day of this year, or of the next when it is over. Year 0
// means that none was said.
func (p *dateParser) coming(y int, m time.Month, d int) (time.Time, bool) {
	if y != 0 {
		return p.date(y, m, d)
	}
	t, ok := p.date(p.now.Year(), m, d)
	if ok && t.Before(p.today) || !ok {
		return p.date(p.now.Year()+1, m, d)
	}
	return t, ok
}

// date returns a day that exists.
func (p *dateParser) date(y int, m time.Month, d int) (time.Time, bool) {
	t := time.Date(y, m, d, 0, 0, 0, 0, p.now.Location())
	return t, y >= 1970 && m >= time.January && m <= time.December && t.Day() == d && t.Month() == m
}

// clock returns the minute of the day, or -1.
func clock(h, m string) int {
	if h == "" || atoi(h) > 23 || atoi(m) > 59 {
		return -1
	}
	return atoi(h)*60 + atoi(m)
}

func partOfDay(s string) int {
	switch strings.TrimSpace(strings.ToLower(s)) {
	case "morning":
		return 9 * 60
	case "noon":
		return 12 * 60
	case "afternoon":
		return 15 * 60
	case "evening":
		return 18 * 60
	case "night":
		return 20 * 60
	}
	return -1
}

func month(s string) time.Month {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(m.String()[:3], s[:3]) {
			return m
		}
	}
	return 0
}

// atoi reads digits that a pattern has checked; nothing is 0.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
