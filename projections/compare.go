package projections

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

const (
	maxDiffs = 10  // differences that are kept
	maxValue = 512 // bytes of a value that a difference shows
)

// compare holds the new tables against the old ones where both are at one
// position. The old ones stand still for no longer than it takes to get a snapshot
// of them. A difference does not stop the rebuild: the new tables are the truth. A
// pause gives the snapshot back, for it keeps the old file's WAL from being reset;
// after it the comparison begins again.
func (p *part) compare(ctx context.Context) error {
	for {
		err := p.compareOnce(ctx)
		if old, ok := errors.AsType[*damagedError](err); ok {
			// Better ones are about to come in: nothing is lost but the comparison.
			p.lost = true
			p.b.s.log.WarnContext(ctx, "the tables that serve are damaged: there is nothing to compare with, and to go back to",
				"projection", p.Name(), "error", old.error)
			return nil
		}
		if !errors.Is(err, errHalted) {
			return err
		}
		if err := p.b.pace.gate(ctx); err != nil {
			return err
		}
	}
}

// damagedError says that the old tables cannot be read.
type damagedError struct{ error }

var errHalted = errors.New("the rebuild is paused")

func (p *part) compareOnce(ctx context.Context) (err error) {
	c := &comparison{part: p, sum: sha256.New()}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.open(ctx); err != nil {
		return err
	}
	if err := p.meet(ctx, p.model.at); err != nil {
		return err
	}
	err = c.begin()
	p.work.Unlock()
	if err != nil {
		return err
	}
	p.tell(chatkitd.RebuildCompare)
	t, err := p.b.pace.with(func(ctx context.Context) error {
		if p.b.paused() {
			return errHalted
		}
		return ctx.Err()
	}).begin(ctx)
	defer func() { t.end() }()
	if err != nil {
		return err
	}
	for _, table := range p.Tables() {
		if err := c.table(ctx, t, table); err != nil {
			return fmt.Errorf("compare %s: %w", table.name, err)
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

// comparison goes through two generations side by side, in the order of their
// keys, with a row of each in memory.
type comparison struct {
	part     *part
	old, new *sqlite.Conn
	sum      hash.Hash
	result   chatkitd.CompareResult
	buf      []byte
}

// open opens connections of its own to both files.
func (c *comparison) open(ctx context.Context) (err error) {
	o := sqlite.Options{ReadOnly: true, MMap: mapped}
	if c.old, err = sqlite.Connect(ctx, c.part.tables.path, o); err != nil {
		return err
	}
	c.new, err = sqlite.Connect(ctx, c.part.next.path, o)
	return err
}

// begin takes a snapshot of both files. The caller holds the model's work.
func (c *comparison) begin() error {
	if pos := c.part.model.at(); c.part.next.position != pos {
		return behind(c.part.next, pos)
	}
	for _, conn := range []*sqlite.Conn{c.old, c.new} {
		if err := conn.Exec("BEGIN"); err != nil {
			return err
		}
		if _, err := checkpointOf(conn); err != nil { // SQLite takes the snapshot with the first read
			return err
		}
	}
	return nil
}

// close gives the snapshots back.
func (c *comparison) close() error {
	var errs []error
	for _, conn := range []*sqlite.Conn{c.old, c.new} {
		if conn != nil {
			errs = append(errs, conn.Close())
		}
	}
	return errors.Join(errs...)
}

func (c *comparison) table(ctx context.Context, t *stint, table table) (err error) {
	names, keyed, err := columns(c.new, table.name)
	if err != nil {
		return err
	}
	was, err := openCursor(c.old, table, names, keyed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, was.stmt.Close()) }()
	is, err := openCursor(c.new, table, names, keyed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, is.stmt.Close()) }()
	c.sum.Write([]byte(table.name + "\n"))
	was.old = true
	err = errors.Join(was.next(), is.next())
	for err == nil && (was.row != nil || is.row != nil) {
		if err := t.step(ctx); err != nil {
			return err
		}
		order := compareKeys(was, is, keyed)
		if order >= 0 {
			c.hash(is.row)
			c.result.Rows++
		}
		switch {
		case order < 0:
			c.differ(table.name, was, nil)
			err = was.next()
		case order > 0:
			c.differ(table.name, nil, is)
			err = is.next()
		default:
			if !slices.EqualFunc(was.row, is.row, sameValue) {
				c.differ(table.name, was, is)
			}
			err = errors.Join(was.next(), is.next())
		}
	}
	return err
}

// columns returns the names of a table's columns, those of the primary key first.
func columns(conn *sqlite.Conn, table string) (names []string, keyed int, err error) {
	stmt, err := conn.Prepare("SELECT name, pk > 0 FROM pragma_table_info(?) ORDER BY pk = 0, pk, cid")
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	stmt.BindString(1, table)
	for {
		row, err := stmt.Step()
		if !row || err != nil {
			return names, keyed, err
		}
		names = append(names, stmt.Text(0))
		keyed += int(stmt.Int(1))
	}
}

// cursor is a table in the order of its primary key.
type cursor struct {
	stmt   *sqlite.Stmt
	names  []string
	keyed  int
	row    []value // nil at the end
	values []value
	old    bool // of the tables that serve
}

// value is a value of a row. Its bytes are SQLite's, until the next row.
type value struct {
	kind   sqlite.Kind
	number int64
	float  float64
	bytes  []byte
}

func openCursor(conn *sqlite.Conn, t table, names []string, keyed int) (*cursor, error) {
	// In the order of the primary key the rows lie on the disk: nothing is sorted.
	stmt, err := conn.Prepare("SELECT " + strings.Join(names, ", ") + " FROM " + t.name + " ORDER BY " + strings.Join(names[:keyed], ", "))
	if err != nil {
		return nil, err
	}
	return &cursor{stmt: stmt, names: names, keyed: keyed, values: make([]value, len(names))}, nil
}

func (c *cursor) next() error {
	c.row = nil
	found, err := c.stmt.Step()
	if c.old && sqlite.IsCorrupt(err) {
		return &damagedError{err}
	}
	if err != nil || !found {
		return err
	}
	for i := range c.values {
		v := value{kind: c.stmt.Kind(i)}
		switch v.kind {
		case sqlite.Integer:
			v.number = c.stmt.Int(i)
		case sqlite.Float:
			v.float = c.stmt.Float(i)
		case sqlite.Text, sqlite.Blob:
			v.bytes = c.stmt.Raw(i)
		case sqlite.Null:
		}
		c.values[i] = v
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
func compareValues(a, b value) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.number, b.number), cmp.Compare(a.float, b.float), bytes.Compare(a.bytes, b.bytes))
}

func sameValue(a, b value) bool { return compareValues(a, b) == 0 }

// hash adds a row, each value with its kind and length: no two rows look alike.
func (c *comparison) hash(row []value) {
	b := c.buf[:0]
	for _, v := range row {
		b = append(b, byte(v.kind))
		switch v.kind {
		case sqlite.Integer:
			b = binary.BigEndian.AppendUint64(b, uint64(v.number)) //nolint:gosec // its bits
		case sqlite.Float:
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(v.float))
		case sqlite.Text, sqlite.Blob:
			b = append(binary.BigEndian.AppendUint64(b, uint64(len(v.bytes))), v.bytes...)
		case sqlite.Null:
		}
	}
	c.buf = b
	c.sum.Write(b)
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
		parts[i] = fmt.Sprint(c.row[i].shown())
	}
	return strings.Join(parts, "/")
}

// json returns the row as an object.
func (c *cursor) json() string {
	object := make(map[string]any, len(c.names))
	for i, name := range c.names {
		object[name] = c.row[i].shown()
	}
	text, err := json.Marshal(object)
	if err != nil {
		return fmt.Sprint(object)
	}
	return string(text)
}

// shown returns the value for eyes. A long one is cut.
func (v value) shown() any {
	switch v.kind {
	case sqlite.Integer:
		return v.number
	case sqlite.Float:
		return v.float
	case sqlite.Text:
		if len(v.bytes) > maxValue {
			return strings.ToValidUTF8(string(v.bytes[:maxValue]), "") + "…"
		}
		return string(v.bytes)
	case sqlite.Blob:
		return hex.EncodeToString(v.bytes[:min(len(v.bytes), maxValue)])
	case sqlite.Null:
	}
	return nil
}
