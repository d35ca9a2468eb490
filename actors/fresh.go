package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// maxDecides bounds how often a command is decided anew because another process
// was faster. Each time somebody made progress, but not always the same: a
// process that writes without a pause wins more often than one that has to read
// first.
const maxDecides = 40

// maxPause bounds the wait before a command is decided anew.
const maxPause = 32 * time.Millisecond

// pause waits before a command is decided for the try+1-th time: not at all at
// first, then a random time, so that two processes do not stay in step.
func pause(ctx context.Context, try int) error {
	if try == 1 {
		return ctx.Err()
	}
	wait := time.NewTimer(rand.N(min(time.Millisecond<<min(try, 10), maxPause))) //nolint:gosec // nothing secret
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// again reports whether a command that failed with err is to be decided anew,
// after a pause.
func again(ctx context.Context, err error, try int) bool {
	return errors.Is(err, events.ErrWrongRevision) && try < maxDecides && pause(ctx, try) == nil
}

// catchUp folds what other processes have appended since, and reports whether
// there was anything. After an error the state is still true to its revision.
func (j *journal[E]) catchUp(ctx context.Context, fold func(fact[E])) (grew bool, err error) {
	var last uuid.UUID
	for rec, err := range j.store.ReadStream(ctx, j.stream, events.StreamRead{From: j.next()}) {
		if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
			if j.exists { // it was deleted: what the state says is over
				j.loaded = false
				return true, nil
			}
			break
		}
		if err != nil {
			return grew, fmt.Errorf("catch up %s: %w", j.stream, err)
		}
		if j.exists && rec.Revision != j.next() {
			j.loaded = false
			return true, nil
		}
		if err := j.advance(rec, fold); err != nil {
			return grew, fmt.Errorf("catch up %s: %w", j.stream, err)
		}
		grew, last = true, rec.ID
	}
	j.behind, j.fresh = false, true
	j.metrics.caughtUp(grew)
	if grew {
		j.saver.consider(j.stream, j.revision, j.position, last)
	}
	return grew, nil
}

// confirm is called before an answer that no append confirms. Where other
// processes append it makes sure that the state is not older than the message; it
// reports whether it was, so that the message must be decided again. An append that
// failed is an answer: nothing is done twice.
func (j *journal[E]) confirm(ctx context.Context, fold func(fact[E])) (grew bool, err error) {
	if !j.shared || j.fresh || !j.loaded || j.behind {
		return false, nil
	}
	return j.catchUp(ctx, fold)
}

// certain reports whether an error holds whatever has happened since: it is about
// the command alone.
func certain(err error) bool { return chatkitd.CodeOf(err) == chatkitd.CodeInvalid }
