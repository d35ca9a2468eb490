package projections

import (
	"context"
	"database/sql"
	"errors"
)

// batch is where a fold reads and writes. A live one is one transaction. One of a
// build is as many as its pace wants: nobody reads the tables yet, and live
// batches must not wait for it.
type batch struct {
	tx    *sql.Tx
	stmts []*sql.Stmt
	bound []*sql.Stmt
	watch bool // somebody may want the changes

	// Of a build only:
	write *sql.DB
	look  []*sql.Stmt // on the pool of readers: a look-up locks nobody out
	known *keys
	pace  *pace
}

func newBatch(tx *sql.Tx, stmts []*sql.Stmt, watch bool) *batch {
	return &batch{tx: tx, stmts: stmts, bound: make([]*sql.Stmt, len(stmts)), watch: watch}
}

// exec runs a statement that writes.
func (b *batch) exec(ctx context.Context, n int, args ...any) error {
	if b.pace != nil {
		if err := b.turn(ctx); err != nil {
			return stored(err)
		}
	}
	_, err := b.stmt(ctx, n).ExecContext(whole(ctx), args...)
	return stored(err)
}

// whole is the context of one statement on one row. It cannot end: the driver
// watch it from a goroutine, which costs more than the statement. Whether the
// caller has gone is looked at between transactions.
func whole(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func (b *batch) stmt(ctx context.Context, n int) *sql.Stmt {
	if b.bound[n] == nil {
		b.bound[n] = b.tx.StmtContext(ctx, b.stmts[n])
	}
	return b.bound[n]
}

// turn ends a transaction that has lasted long enough, and begins the next one.
func (b *batch) turn(ctx context.Context) error {
	if b.tx != nil {
		if !b.pace.over() {
			return nil
		}
		if err := b.commit(); err != nil {
			return err
		}
		if err := b.pace.rest(ctx); err != nil {
			return err
		}
	}
	tx, err := b.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	b.tx = tx
	b.pace.begin()
	return nil
}

// commit ends the transaction of a build, if there is one.
func (b *batch) commit() error {
	if b.tx == nil {
		return nil
	}
	err := b.tx.Commit()
	b.tx = nil
	clear(b.bound)
	return err
}

// rollback undoes the transaction of a build, if there is one.
func (b *batch) rollback() error {
	if b.tx == nil {
		return nil
	}
	err := b.tx.Rollback()
	b.tx = nil
	if errors.Is(err, sql.ErrTxDone) { // its context ended
		return nil
	}
	return err
}

// lookup reads one row.
func (b *batch) lookup(ctx context.Context, n int, args ...any) *sql.Row {
	if b.look != nil {
		return b.look[n].QueryRowContext(whole(ctx), args...)
	}
	return b.stmt(ctx, n).QueryRowContext(whole(ctx), args...)
}

// row looks the row of a key up, and reports whether there is one.
func (b *batch) row(ctx context.Context, n int, key string, dest ...any) (bool, error) {
	if !b.mayHold(n, 0, key) {
		return false, nil
	}
	switch err := b.lookup(ctx, n, key).Scan(dest...); err {
	case nil:
		return true, nil
	case sql.ErrNoRows:
		return false, nil
	default:
		return false, stored(err)
	}
}

// mayHold reports whether looking a row up can find one. In a build from the
// beginning there is nothing but what the build has written.
func (b *batch) mayHold(n int, owner int64, key string) bool {
	return b.known == nil || b.known.has(n, owner, key)
}

// holds says that a row is written.
func (b *batch) holds(n int, owner int64, key string) {
	if b.known != nil {
		b.known.add(n, owner, key)
	}
}
