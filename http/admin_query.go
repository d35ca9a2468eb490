package http

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/http/auth"
)

// query reads the parameters of an operator's question. A mistyped filter must
// not answer with more than was asked for, so unknown names are refused, and so
// are names that are given twice. It keeps the first mistake.
type query struct {
	values map[string][]string
	err    error
}

// readQuery reads the query, in which known are the names that may be there.
func readQuery(c *fiber.Ctx, known ...string) *query {
	q := &query{values: make(map[string][]string)}
	for key, value := range c.Context().QueryArgs().All() {
		name := string(key)
		if !slices.Contains(known, name) {
			q.fail("there is no parameter %s here: use %s", strconv.Quote(name), strings.Join(known, ", "))
		}
		q.values[name] = append(q.values[name], string(value))
	}
	return q
}

// asked is the query as the audit log keeps it.
func (q *query) asked() map[string]any {
	m := make(map[string]any, len(q.values))
	for name, vs := range q.values {
		if m[name] = vs; len(vs) == 1 {
			m[name] = vs[0]
		}
	}
	return m
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = invalid(format, args...)
	}
}

func (q *query) has(name string) bool { return len(q.values[name]) > 0 }

// text returns the one value of a parameter, or "".
func (q *query) text(name string) string {
	switch vs := q.values[name]; len(vs) {
	case 0:
		return ""
	case 1:
		if vs[0] == "" {
			q.fail("%s is empty: leave it out or give it a value", name)
		}
		return vs[0]
	default:
		q.fail("%s is given %d times: give it once", name, len(vs))
		return ""
	}
}

// list returns the values of a parameter that may be repeated.
func (q *query) list(name string) []string {
	if slices.Contains(q.values[name], "") {
		q.fail("%s is empty: leave it out or give it a value", name)
	}
	return q.values[name]
}

func (q *query) user(name string) chatkitd.UserID {
	v := q.text(name)
	if v != "" && !auth.ValidUser(v) {
		q.fail("%s must be the id of a user, at most %d bytes of printable text", name, chatkitd.MaxUserID)
	}
	return chatkitd.UserID(v)
}

func (q *query) thread(name string) chatkitd.ThreadID {
	v := q.text(name)
	if v != "" && !chatkitd.ValidID(v) {
		q.fail("%s must be the id of a thread, such as thr_06f…", name)
	}
	return chatkitd.ThreadID(v)
}

func (q *query) position(name string) chatkitd.Position {
	v := q.text(name)
	if v == "" {
		return chatkitd.Position{}
	}
	pos, err := chatkitd.ParsePosition(v)
	if err != nil {
		q.fail("%s must be a position in the log, such as 4711", name)
	}
	return pos
}

// number returns a number, or nil.
func (q *query) number(name string) *uint64 {
	v := q.text(name)
	if v == "" {
		return nil
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		q.fail("%s must be a whole number from 0 on", name)
	}
	return &n
}

// limit returns the size of a page: one over most is cut to it, none is 0.
func (q *query) limit(name string, most int) int {
	v := q.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		q.fail("%s must be a number from 1 to %d", name, most)
	}
	return min(n, most)
}

func (q *query) time(name string) time.Time {
	v := q.text(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		q.fail("%s must be a time such as 2026-11-23T10:00:00Z or 2026-11-23T10:00:00%%2B01:00 (a + is written %%2B in an address)", name)
	}
	return t
}

func (q *query) flag(name string) bool {
	v := q.text(name)
	b, err := strconv.ParseBool(v)
	if v != "" && err != nil {
		q.fail("%s must be true or false", name)
	}
	return b
}

// newest reads the order of a list, which has two spellings.
func (q *query) newest() bool {
	newest := q.flag("newest")
	switch order := q.text("order"); {
	case order == "":
	case order != "asc" && order != "desc":
		q.fail("order must be asc, the oldest first, or desc, the newest first")
	case q.has("newest") && newest != (order == "desc"):
		q.fail("order and newest contradict each other: give one of them")
	default:
		newest = order == "desc"
	}
	return newest
}

// atMostOne refuses parameters that exclude each other.
func (q *query) atMostOne(names ...string) {
	var given []string
	for _, n := range names {
		if q.has(n) {
			given = append(given, n)
		}
	}
	if len(given) > 1 {
		q.fail("%s exclude each other: give one of them", strings.Join(given, " and "))
	}
}

// none refuses parameters that make no sense here.
func (q *query) none(why string, names ...string) {
	for _, n := range names {
		if q.has(n) {
			q.fail("%s %s", n, why)
		}
	}
}
