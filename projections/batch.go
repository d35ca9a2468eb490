package projections

import (
	"context"
	"fmt"

	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// batch is where a fold reads and writes: within one transaction, of a live batch
// or of a whole bulk load.
type batch struct {
	t     *tables
	watch bool // somebody may want the changes

	// Of a bulk load only:
	known *keys
	stint *stint
}

// exec runs a statement that writes. It does not keep args.
func (b *batch) exec(ctx context.Context, n int, args ...any) error {
	if b.stint != nil {
		if err := b.stint.step(ctx); err != nil {
			return stored(err)
		}
	}
	stmt := b.t.stmts[n]
	if err := bind(stmt, args); err != nil {
		return err
	}
	return stored(stmt.Exec())
}

// row looks a row up, has scan read it, and reports whether there is one.
func (b *batch) row(n int, scan func(r *sqlite.Stmt) error, args ...any) (bool, error) {
	stmt := b.t.stmts[n]
	if err := bind(stmt, args); err != nil {
		return false, err
	}
	defer stmt.Reset()
	found, err := stmt.Step()
	if err != nil || !found {
		return false, stored(err)
	}
	return true, stored(scan(stmt))
}

// bind binds all parameters of a statement; nil is NULL.
func bind(stmt *sqlite.Stmt, args []any) error {
	for i, arg := range args {
		switch v := arg.(type) {
		case nil:
		case int64:
			stmt.BindInt(i+1, v)
		case string:
			stmt.BindString(i+1, v)
		case []byte:
			stmt.BindText(i+1, v)
		default:
			return fmt.Errorf("a value of type %T cannot be stored", arg)
		}
	}
	return nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// mayHold reports whether looking a row up can find one. In a bulk load there is
// nothing but what it has written itself.
func (b *batch) mayHold(n int, owner int64, key string) bool {
	return b.known == nil || b.known.has(n, owner, key)
}

// holds says that a row is written.
func (b *batch) holds(n int, owner int64, key string) {
	if b.known != nil {
		b.known.add(n, owner, key)
	}
}
