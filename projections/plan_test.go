package projections

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd"
)

// wholeTable matches the scan of a table of ours; the index of open turns holds
// nothing but what is asked for.
var wholeTable = regexp.MustCompile(`SCAN (task|thread|item)\w+( USING (COVERING )?INDEX (task|item|threads_user|thread_items)\w*)?\n`)

// plan returns how SQLite carries out a statement.
func plan(t *testing.T, m *model, text string) string {
	t.Helper()
	rows, err := m.view.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer func() { _ = rows.Close() }()
	var b strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNoScan checks that no statement reads a whole table, and that a page of
// tasks without filters costs no more than the page.
func TestNoScan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open()
	check := func(m *model, text string) string {
		t.Helper()
		plan := plan(t, m, text)
		if wholeTable.MatchString(plan) {
			t.Errorf("%s\nscans a table:\n%s", text, plan)
		}
		return plan
	}
	for _, m := range s.models {
		for _, text := range m.Statements() {
			check(m, text)
		}
	}
	for _, desc := range []bool{false, true} {
		p := page{desc: desc}
		for m, texts := range map[*model][]string{
			s.threads: {listThreads, findThread, "SELECT id FROM threads WHERE turn <> '' ORDER BY num"},
			s.items:   {listItems, findItem, findItemThread},
		} {
			for _, text := range texts {
				column := map[string]string{listThreads: "num", listItems: "seq"}[text]
				if column != "" {
					rest, _ := p.beyond(column)
					text += rest
				}
				plan := check(m, text)
				if column != "" && strings.Contains(plan, "TEMP B-TREE") {
					t.Errorf("%s\nsorts:\n%s", text, plan)
				}
			}
		}
	}
	for _, text := range []string{findTask, findExact, findPart} {
		check(s.tasks, text)
	}
	for _, f := range taskFilters() {
		q, err := taskQueryOf(1, f)
		if err != nil {
			t.Fatal(err)
		}
		check(s.tasks, q.count())
		for _, keyed := range []bool{true, !q.order.nullable} {
			for _, after := range []*mark{nil, {key: int64(1), num: 1}} {
				text, _ := q.page(after, keyed, 10)
				plan := check(s.tasks, text)
				if q.filtered() {
					continue
				}
				index := map[string]string{"title_folded": "title"}[q.order.column]
				if index == "" {
					index = q.order.column
				}
				if strings.Contains(plan, "TEMP B-TREE") || strings.Count(plan, "USING INDEX tasks_"+index) != len(q.done) {
					t.Errorf("%+v\n%s\ndoes not walk its index:\n%s", f, text, plan)
				}
			}
		}
	}
	if plan := check(s.tasks, findPart); !strings.Contains(plan, "COVERING INDEX tasks_title") {
		t.Errorf("a search by title reads the rows:\n%s", plan)
	}
}

// taskFilters are all shapes of a filter.
func taskFilters() []chatkitd.TaskFilter {
	var all []chatkitd.TaskFilter
	for _, f := range []chatkitd.TaskFilter{{}, {Query: "x"}, {Tag: "x"}, {Priority: "low"}, {Query: "x", Tag: "x", Priority: "low"}} {
		for _, f.Sort = range chatkitd.TaskSorts {
			for _, f.Status = range []string{"", chatkitd.TaskPending, chatkitd.TaskCompleted} {
				all = append(all, f)
			}
		}
	}
	return all
}
