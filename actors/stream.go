package actors

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// maxTurnBytes bounds what one turn may send: all of it is kept until the turn
// has ended, for readers that come late or again.
const maxTurnBytes = 4 << 20

var errTurnTooLong = errors.New("actors: the turn has sent more than 4 MiB")

// turnStream numbers the events of one turn, keeps them, and wakes its readers.
// It encodes each event once, for all of them.
type turnStream struct {
	turn  chatkitd.TurnID
	epoch string

	mu     sync.Mutex
	pos    chatkitd.Position // of the last durable event
	frames []chatkitd.Frame
	block  []byte // where the next frames are encoded
	bytes  int
	ended  bool
	more   chan struct{} // made when a reader waits, closed when there is more
}

var _ chatkitd.TurnStream = (*turnStream)(nil)

// blockSize is how much memory a stream takes at once for its frames.
const blockSize = 4 << 10

// Turn implements [chatkitd.TurnStream].
func (s *turnStream) Turn() chatkitd.TurnID { return s.turn }

// Epoch implements [chatkitd.TurnStream].
func (s *turnStream) Epoch() string { return s.epoch }

// Position implements [chatkitd.TurnStream].
func (s *turnStream) Position() chatkitd.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pos
}

// reached notes that the turn's events are durable up to a position. It comes
// before they are published.
func (s *turnStream) reached(pos chatkitd.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pos.Compare(pos) < 0 {
		s.pos = pos
	}
}

// After implements [chatkitd.TurnStream].
func (s *turnStream) After(n uint64) ([]chatkitd.Frame, bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil {
		s.more = make(chan struct{})
		if s.ended {
			close(s.more)
		}
	}
	// The frames are only ever appended to, and never changed: the slice may be
	// read while more are added.
	return s.frames[min(n, uint64(len(s.frames))):len(s.frames):len(s.frames)], s.ended, s.more
}

// visible is an event on its way to the readers. Of an item that is done, item is
// its JSON: it was encoded for the log already.
type visible struct {
	event chatkit.Event
	item  json.RawMessage
}

func (v visible) append(dst []byte) ([]byte, error) {
	if v.item != nil {
		return chatkit.AppendItemDone(dst, v.item), nil
	}
	return chatkit.AppendEvent(dst, v.event)
}

// publish appends events and wakes the readers. After errTurnTooLong nothing
// more is taken but what force says must be.
func (s *turnStream) publish(force bool, evs ...visible) error {
	if len(evs) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range evs {
		if s.bytes > maxTurnBytes && !force {
			return errTurnTooLong
		}
		start := len(s.block)
		block, err := ev.append(s.block)
		if err != nil {
			return err
		}
		data := block[start:len(block):len(block)]
		if s.block = block; cap(block)-len(block) < 256 {
			s.block = make([]byte, 0, blockSize)
		}
		s.bytes += len(data)
		s.frames = append(s.frames, chatkitd.Frame{N: uint64(len(s.frames)) + 1, Data: data})
	}
	s.wake()
	return nil
}

// end marks the last frame as the last.
func (s *turnStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.block = true, nil
	s.wake()
}

func (s *turnStream) wake() {
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}
