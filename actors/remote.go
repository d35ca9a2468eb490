package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// epochLog numbers the frames of a turn that is read from the log. They are a
// function of the thread's stream alone, so that every process numbers them alike.
const epochLog = "log"

// remote reads a turn of another process from the log for the readers here. It
// has one goroutine, which the system waits for.
type remote struct {
	sys    *System
	id     chatkitd.ThreadID
	thread chatkit.Thread
	next   uint64 // the revision to read from
	stream *turnStream
	wake   chan struct{}   // cap 1: the thread's stream has grown
	over   <-chan struct{} // closed when the turn has ended: wake may go to the reader of the next one
}

// watchTurn returns the stream of a turn that another process runs, nil if it has
// ended by now.
func (s *System) watchTurn(d *distant) (chatkitd.TurnStream, error) {
	if err := s.Ready(); err != nil {
		return nil, chatkitd.Errorf(chatkitd.CodeUnavailable, "another server writes the answer, and this one does not follow it yet; try again in a moment").Because(err)
	}
	p := s.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.open[d.turn]
	switch {
	case !ok:
		return nil, nil
	case a.remote != nil:
		return a.remote.stream, nil
	case p.following >= s.opts.MaxWatched:
		return nil, chatkitd.Errorf(chatkitd.CodeUnavailable, "as many answers of other servers are followed as can be at once; try again in a moment")
	}
	r := &remote{
		sys: s, id: a.thread, thread: d.thread, next: d.started + 1, wake: make(chan struct{}, 1), over: a.done,
		stream: &turnStream{turn: d.turn, epoch: epochLog},
	}
	if err := r.stream.publish(true, visible{event: chatkit.StreamOptions{AllowCancel: true}}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, publicError(ErrClosed)
	}
	s.wg.Add(1)
	a.remote, p.remote[a.thread] = r, r
	p.following++
	go r.live()
	return r.stream, nil
}

// wakeRemote tells the reader of a thread's turn, if there is one, that there is
// more.
func (p *peers) wakeRemote(id chatkitd.ThreadID) {
	p.mu.Lock()
	r := p.remote[id]
	p.mu.Unlock()
	if r == nil {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (p *peers) release(r *remote) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.following--; p.remote[r.id] == r {
		delete(p.remote, r.id)
	}
}

// anyRemote reports whether any turn is read here.
func (p *peers) anyRemote() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.remote) > 0
}

// live is the remote's goroutine. When the system is closed the stream stays open:
// what was read is not the last of the turn, and a frame that says so would have a
// number that another process gives to something else.
func (r *remote) live() {
	defer r.sys.wg.Done()
	defer r.sys.peers.release(r)
	wait := 20 * time.Millisecond
	for {
		ended, err := r.read(r.sys.base)
		var retry <-chan time.Time
		switch {
		case ended:
			r.stream.end()
			return
		case r.sys.base.Err() != nil:
			return
		case errors.Is(err, errNotShown):
			r.sys.opts.Log.Error("turn of another process cannot be shown", logTurn(r.stream.turn, r.id), slog.Any("error", err))
			r.say(failure("The rest of this answer cannot be shown here."))
			r.stream.end()
			return
		case err != nil:
			wait = min(2*wait, time.Second)
			retry = time.After(wait/2 + rand.N(wait)) //nolint:gosec // nothing secret
		default:
			wait = 20 * time.Millisecond
		}
		select {
		case <-r.wake:
		case <-r.over:
			r.over = nil
		case <-retry:
		case <-r.sys.base.Done():
		}
	}
}

// errNotShown is returned for events that will not be shown however often they
// are read.
var errNotShown = errors.New("actors: the event cannot be shown")

// read shows what is new in the thread's stream. It reports whether the turn has
// ended.
func (r *remote) read(ctx context.Context) (ended bool, err error) {
	for rec, err := range r.sys.opts.Store.ReadStream(ctx, events.ThreadStream(r.id), events.StreamRead{From: r.next}) {
		if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
			return true, nil // deleted beneath the turn
		}
		if err != nil {
			return false, err
		}
		f, err := decodeFact[events.Thread](rec)
		if err != nil {
			return false, fmt.Errorf("%w: revision %d: %w", errNotShown, rec.Revision, err)
		}
		r.next = rec.Revision + 1
		r.stream.reached(rec.Position)
		evs, ended, err := r.show(f.Event)
		if err == nil {
			err = r.stream.publish(ended, evs...)
		}
		if err != nil {
			return false, fmt.Errorf("%w: revision %d: %w", errNotShown, rec.Revision, err)
		}
		if ended {
			return true, nil
		}
	}
	return false, nil
}

func (r *remote) say(evs []visible) {
	if err := r.stream.publish(true, evs...); err != nil {
		r.sys.opts.Log.Error("turn has an event that cannot be encoded", logTurn(r.stream.turn, r.id), slog.Any("error", err))
	}
}

// show returns what the readers see of an event of the turn, and whether the turn
// ends with it. At the end they are told what those of the other process are.
func (r *remote) show(ev events.Thread) (evs []visible, ended bool, err error) {
	switch ev := ev.(type) {
	case events.ItemAdded:
		if !chatkit.Hidden(itemEntry(ev.Item).kind) {
			evs = []visible{{item: ev.Item}}
		}
	case events.ItemReplaced:
		if chatkit.Hidden(itemEntry(ev.Item).kind) {
			return nil, false, nil
		}
		item, err := chatkit.DecodeItem(ev.Item)
		if err != nil {
			return nil, false, err
		}
		evs = []visible{{event: chatkit.ItemReplaced{Item: item}}}
	case events.ItemRemoved:
		evs = []visible{{event: chatkit.ItemRemoved{ItemID: string(ev.ItemID)}}}
	case events.ThreadRenamed:
		r.thread.Title = ev.Title
		evs = []visible{{event: chatkit.ThreadUpdated{Thread: r.thread}}}
	case events.ThreadStatusChanged:
		r.thread.Status = chatkit.Status{Type: ev.Status, Reason: ev.Reason}
		evs = []visible{{event: chatkit.ThreadUpdated{Thread: r.thread}}}
	case events.TurnFailed:
		return failure(ev.Reason), true, nil
	case events.TurnInterrupted:
		return failure(interrupted), true, nil
	case events.TurnCompleted, events.TurnCancelled, events.ThreadDeleted:
		return nil, true, nil
	case events.ThreadCreated, events.FeedbackGiven, events.TurnStarted, events.ModelCalled, events.ToolCalled, events.ToolReturned,
		events.TurnCancelRequested: // nobody sees them
	}
	return evs, false, nil
}
