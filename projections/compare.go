package projections

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"

	"github.com/chatkitd/chatkitd"
)

const (
	maxDiffs = 10  // differences that are kept
	maxValue = 512 // bytes of a value that a difference shows
)

// compare holds the new tables against the old ones where both are at one
// position. The old ones stand still for no longer than it takes to get a snapshot
// of both. A difference does not stop the rebuild: the new tables are the truth.
func (p *part) compare(ctx context.Context) error {
	if err := p.meet(ctx, p.at); err != nil {
		return err
	}
	snapshot, old, err := p.snapshot(ctx)
	p.work.Unlock()
	if err != nil {
		return err
	}
	defer func() { _ = snapshot.Rollback() }() // it has only read
	p.tell(chatkitd.RebuildCompare)
	c := &comparison{ctx: ctx, tx: snapshot, old: old, new: p.next, sum: sha256.New()}
	for _, t := range p.Tables() {
		if err := c.table(t); err != nil {
			return fmt.Errorf("compare %s: %w", t.name, err)
		}
	}
	c.result.Equal = len(c.result.Differences) == 0
	c.result.Hash = hex.EncodeToString(c.sum.Sum(nil))
	p.note(func(st *RebuildState) { st.Compare = &c.result })
	if d := c.result.Differences; len(d) > 0 {
		p.b.s.log.WarnContext(ctx, "a rebuilt read model differs from the one that served", "projection", p.Name(),
			"differences", len(d)+c.result.More, "table", d[0].Table, "key", d[0].Key, "was", d[0].Old, "is", d[0].New)
	}
	return nil
}

// snapshot begins a transaction that sees both generations as they are now. The
// caller holds p.work.
func (p *part) snapshot(ctx context.Context) (*sql.Tx, generation, error) {
	if p.position != p.at() {
		return nil, 0, fmt.Errorf("the new tables are at %s, the old ones at %s", p.position, p.at())
	}
	tx, err := p.b.s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, err
	}
	var n int // SQLite takes the snapshot with the first read
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM projections").Scan(&n); err != nil {
		return nil, 0, errors.Join(err, tx.Rollback())
	}
	return tx, p.view.g, nil
}

// comparison goes through two generations side by side, in the order of their
// keys, with a row of each in memory.
type comparison struct {
	ctx      context.Context //nolint:containedctx // it is the life of the comparison
	tx       *sql.Tx
	old, new generation
	sum      hash.Hash
	result   chatkitd.CompareResult
	buf      []byte
}

func (c *comparison) table(t table) (err error) {
	names, keyed, err := c.columns(c.new.sql(t.name + "_{g}"))
	if err != nil {
		return err
	}
	was, err := c.open(t, c.old, names, keyed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, was.rows.Close()) }()
	is, err := c.open(t, c.new, names, keyed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, is.rows.Close()) }()
	c.sum.Write([]byte(t.name + "\n"))
	err = errors.Join(was.next(), is.next())
	for err == nil && (was.row != nil || is.row != nil) {
		order := compareKeys(was, is, keyed)
		if order >= 0 {
			c.hash(is.row)
			c.result.Rows++
		}
		switch {
		case order < 0:
			c.differ(t.name, was, nil)
			err = was.next()
		case order > 0:
			c.differ(t.name, nil, is)
			err = is.next()
		default:
			if !slices.EqualFunc(was.row, is.row, sameValue) {
				c.differ(t.name, was, is)
			}
			err = errors.Join(was.next(), is.next())
		}
	}
	return err
}

// columns returns the names of a table's columns, those of the primary key first.
func (c *comparison) columns(name string) (names []string, keyed int, err error) {
	rows, err := c.tx.QueryContext(c.ctx, "SELECT name, pk > 0 FROM pragma_table_info(?) ORDER BY pk = 0, pk, cid", name)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	for rows.Next() {
		var column string
		var key bool
		if err := rows.Scan(&column, &key); err != nil {
			return nil, 0, err
		}
		names = append(names, column)
		if key {
			keyed++
		}
	}
	return names, keyed, rows.Err()
}

// cursor is a table in the order of its primary key.
type cursor struct {
	rows         *sql.Rows
	names        []string
	keyed        int
	row          []any // nil at the end
	values, dest []any
}

func (c *comparison) open(t table, g generation, names []string, keyed int) (*cursor, error) {
	// In the order of the primary key the rows lie on the disk: nothing is sorted.
	text := "SELECT " + strings.Join(names, ", ") + " FROM " + t.name + "_{g} ORDER BY " + strings.Join(names[:keyed], ", ")
	rows, err := c.tx.QueryContext(c.ctx, g.sql(text)) //nolint:sqlclosecheck,rowserrcheck // by table and next
	if err != nil {
		return nil, err
	}
	return &cursor{rows: rows, names: names, keyed: keyed}, nil
}

func (c *cursor) next() error {
	c.row = nil
	if !c.rows.Next() {
		return c.rows.Err()
	}
	if c.dest == nil {
		c.values, c.dest = make([]any, len(c.names)), make([]any, len(c.names))
		for i := range c.values {
			c.dest[i] = &c.values[i]
		}
	}
	if err := c.rows.Scan(c.dest...); err != nil {
		return err
	}
	c.row = c.values
	return nil
}

// compareKeys orders the rows of two cursors, of which one may be at its end.
func compareKeys(a, b *cursor, keyed int) int {
	switch {
	case a.row == nil:
		return 1
	case b.row == nil:
		return -1
	}
	for i := range keyed {
		if c := compareValues(a.row[i], b.row[i]); c != 0 {
			return c
		}
	}
	return 0
}

// compareValues orders as SQLite does: numbers, text, blobs.
func compareValues(a, b any) int {
	if c := cmp.Compare(kind(a), kind(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64)) //nolint:forcetypeassert // of one kind
	case float64:
		return cmp.Compare(a, b.(float64)) //nolint:forcetypeassert // of one kind
	case string:
		return strings.Compare(a, b.(string)) //nolint:forcetypeassert // of one kind
	case []byte:
		return bytes.Compare(a, b.([]byte)) //nolint:forcetypeassert // of one kind
	}
	return 0
}

func kind(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64:
		return 1
	case float64:
		return 2
	case string:
		return 3
	}
	return 4
}

func sameValue(a, b any) bool { return compareValues(a, b) == 0 }

// hash adds a row, each value with its kind and length: no two rows look alike.
func (c *comparison) hash(row []any) {
	b := c.buf[:0]
	for _, v := range row {
		b = append(b, byte(kind(v)))
		switch v := v.(type) {
		case int64:
			b = appendUint(b, uint64(v)) //nolint:gosec // its bits
		case float64:
			b = appendUint(b, math.Float64bits(v))
		case string:
			b = append(appendUint(b, uint64(len(v))), v...)
		case []byte:
			b = append(appendUint(b, uint64(len(v))), v...)
		}
	}
	c.buf = b
	c.sum.Write(b)
}

func appendUint(b []byte, n uint64) []byte {
	return append(b, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) //nolint:gosec // its bytes
}

// differ keeps a difference; a cursor is nil where the row is missing.
func (c *comparison) differ(name string, was, is *cursor) {
	if len(c.result.Differences) == maxDiffs {
		c.result.More++
		return
	}
	d := chatkitd.Diff{Table: name}
	if was != nil {
		d.Key, d.Old = was.key(), was.json()
	}
	if is != nil {
		d.Key, d.New = is.key(), is.json()
	}
	c.result.Differences = append(c.result.Differences, d)
}

func (c *cursor) key() string {
	parts := make([]string, c.keyed)
	for i := range parts {
		parts[i] = fmt.Sprint(c.row[i])
	}
	return strings.Join(parts, "/")
}

// json returns the row as an object. Long values are cut.
func (c *cursor) json() string {
	object := make(map[string]any, len(c.names))
	for i, name := range c.names {
		v := c.row[i]
		if b, ok := v.([]byte); ok {
			v = hex.EncodeToString(b)
		}
		if s, ok := v.(string); ok && len(s) > maxValue {
			v = strings.ToValidUTF8(s[:maxValue], "") + "…"
		}
		object[name] = v
	}
	text, err := json.Marshal(object)
	if err != nil {
		return fmt.Sprint(c.row...)
	}
	return string(text)
}
