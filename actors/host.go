package actors

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anthdm/hollywood/actor"
)

// The errors of a [Host].
var (
	// ErrBusy is returned when an actor's mailbox is full, or as many actors are
	// live as may be and none of them is idle.
	ErrBusy = errors.New("actors: too many messages wait")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("actors: closed")
)

// Entity is what lives behind an id. The host calls it from one goroutine at a
// time; a panic drops the entity, and the next message gets a new one.
type Entity interface {
	// Handle carries out one message. It should load lazily: an entity is made
	// without I/O.
	Handle(ctx context.Context, msg any) (any, error)
	// Idle reports whether the entity may as well be forgotten at once, such as
	// one for an id that does not exist.
	Idle() bool
}

// HostOptions are the bounds of a [Host]. Zero values mean the defaults.
type HostOptions struct {
	Log     *slog.Logger
	MaxLive int           // live actors; over it idle ones make room. Default 100,000.
	Depth   int           // messages that wait in one mailbox. Default 64.
	IdleFor time.Duration // passivate after this long without a message. Default 2 m.
	Sweep   time.Duration // how often to look. Default IdleFor / 4.
}

func (o *HostOptions) defaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxLive == 0 {
		o.MaxLive = 100_000
	}
	if o.Depth == 0 {
		o.Depth = 64
	}
	if o.IdleFor == 0 {
		o.IdleFor = 2 * time.Minute
	}
	if o.Sweep == 0 {
		o.Sweep = max(o.IdleFor/4, time.Millisecond)
	}
}

const shardCount = 64

// Host keeps the live actors of one kind: it activates on demand, passivates
// what is idle, bounds every mailbox, and drains on Close. It is the only holder
// of actor PIDs; why, DESIGN.md says.
type Host struct {
	kind   string
	engine *actor.Engine
	spawn  func(id string) Entity
	opts   HostOptions

	seed       maphash.Seed
	shards     [shardCount]shard
	closed     atomic.Bool
	generation atomic.Uint64

	live        atomic.Int64
	waiting     atomic.Int64 // messages taken and not answered
	activations atomic.Int64
	panics      atomic.Int64

	stop    chan struct{}
	stopped chan struct{}
}

type shard struct {
	mu    sync.Mutex
	slots map[string]*slot
}

// slot is one incarnation of an actor. sent is guarded by the shard's mutex;
// sent == done means that nothing is queued, runs, or can be about to be queued.
type slot struct {
	pid  *actor.PID
	sent int64
	last time.Time
	done atomic.Int64
}

// NewHost returns a running host of the actors that spawn makes. The caller must
// Close it.
func NewHost(kind string, spawn func(id string) Entity, o HostOptions) (*Host, error) {
	o.defaults()
	engine, err := actor.NewEngine(actor.NewEngineConfig())
	if err != nil {
		return nil, fmt.Errorf("actors: start the %s engine: %w", kind, err)
	}
	h := &Host{
		kind: kind, engine: engine, spawn: spawn, opts: o,
		seed: maphash.MakeSeed(), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	for i := range h.shards {
		h.shards[i].slots = make(map[string]*slot)
	}
	go h.janitor()
	return h, nil
}

func (h *Host) shard(id string) *shard {
	return &h.shards[maphash.String(h.seed, id)%shardCount]
}

// command is a message on its way, with the cap-1 channel its answer goes to.
type command struct {
	ctx   context.Context
	msg   any
	reply chan answer // nil when nobody waits
}

type answer struct {
	val any
	err error
}

// Tell puts a message into the mailbox of id and returns. It returns [ErrBusy]
// or [ErrClosed]; the message was not taken then.
func (h *Host) Tell(ctx context.Context, id string, msg any) error {
	return h.send(id, &command{ctx: context.WithoutCancel(ctx), msg: msg})
}

// Ask puts a message into the mailbox of id and waits for the answer. When ctx
// ends first it returns ctx's error: whether the message had its effect is then
// unknown.
func (h *Host) Ask(ctx context.Context, id string, msg any) (any, error) {
	reply := make(chan answer, 1)
	if err := h.send(id, &command{ctx: ctx, msg: msg, reply: reply}); err != nil {
		return nil, err
	}
	select {
	case a := <-reply:
		return a.val, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send looks up or activates, and enqueues, under one lock: no passivation can
// come in between. Hollywood's Send never blocks.
func (h *Host) send(id string, cmd *command) error {
	sh := h.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if h.closed.Load() {
		return ErrClosed
	}
	s := sh.slots[id]
	if s == nil {
		if !h.takeRoom(sh) {
			return ErrBusy
		}
		s = h.activate(sh, id)
	}
	if s.sent-s.done.Load() >= int64(h.opts.Depth) {
		return ErrBusy
	}
	s.sent++
	s.last = time.Now()
	h.waiting.Add(1)
	h.engine.Send(s.pid, cmd)
	return nil
}

// takeRoom takes a place among the live actors, which passivate gives back. The
// caller holds the shard's lock.
func (h *Host) takeRoom(held *shard) bool {
	for {
		live := h.live.Load()
		switch {
		case live < int64(h.opts.MaxLive):
			if h.live.CompareAndSwap(live, live+1) {
				return true
			}
		case !h.makeRoom(held):
			return false
		}
	}
}

// activate spawns a new incarnation in a place that was taken. Its id is fresh, so that it never meets one
// that is still dying in the library's registry.
func (h *Host) activate(sh *shard, id string) *slot {
	s := &slot{}
	a := &incarnation{host: h, shard: sh, slot: s, id: id}
	gen := strconv.FormatUint(h.generation.Add(1), 36)
	s.pid = h.engine.Spawn(func() actor.Receiver { return a }, h.kind,
		actor.WithInboxSize(4), actor.WithID(gen))
	sh.slots[id] = s
	h.activations.Add(1)
	return s
}

// passivate forgets an actor that has nothing to do. The caller holds sh.mu.
// Deleting the entry before the poison, under the lock, is what makes it safe:
// nobody can have put a message behind the pill.
func (h *Host) passivate(sh *shard, id string, s *slot) {
	delete(sh.slots, id)
	h.live.Add(-1)
	h.engine.Poison(s.pid) // never waited for: see DESIGN.md
}

// makeRoom passivates an idle actor, if it can one of the shard whose lock is
// held, and reports whether it found one. Of other shards it only takes locks
// that are free: to wait for one while holding another could be for ever.
func (h *Host) makeRoom(held *shard) bool {
	if h.passivateOldest(held) {
		return true
	}
	for i := range h.shards {
		sh := &h.shards[i]
		if sh == held || !sh.mu.TryLock() {
			continue
		}
		found := h.passivateOldest(sh)
		sh.mu.Unlock()
		if found {
			return true
		}
	}
	return false
}

// passivateOldest passivates the oldest of a few idle actors of a shard whose
// lock is held, and reports whether it found one.
func (h *Host) passivateOldest(sh *shard) bool {
	const enough = 16
	var oldest *slot
	var oldestID string
	idle := 0
	for id, s := range sh.slots {
		if s.sent != s.done.Load() {
			continue
		}
		if oldest == nil || s.last.Before(oldest.last) {
			oldest, oldestID = s, id
		}
		if idle++; idle == enough {
			break
		}
	}
	if oldest == nil {
		return false
	}
	h.passivate(sh, oldestID, oldest)
	return true
}

func (h *Host) janitor() {
	defer close(h.stopped)
	tick := time.NewTicker(h.opts.Sweep)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case now := <-tick.C:
			h.sweep(now.Add(-h.opts.IdleFor))
		}
	}
}

// sweep passivates what has had no message since before.
func (h *Host) sweep(before time.Time) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for id, s := range sh.slots {
			if !s.last.After(before) && s.sent == s.done.Load() {
				h.passivate(sh, id, s)
			}
		}
		sh.mu.Unlock()
	}
}

// Close refuses new messages, waits until those that were taken are done, and
// stops every actor. It returns ctx's error when that takes longer; the actors
// that are still busy then end by themselves.
func (h *Host) Close(ctx context.Context) error {
	if !h.closed.CompareAndSwap(false, true) {
		return nil
	}
	close(h.stop)
	<-h.stopped
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		// closed is checked under the shard's lock: after one sweep nobody can
		// be in the middle of a send.
		h.sweep(time.Now().Add(time.Hour))
		if h.live.Load() == 0 {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("actors: close %s: %d still busy: %w", h.kind, h.live.Load(), context.Cause(ctx))
		}
	}
}

// Live returns the number of live actors, and how many messages wait or are
// being handled.
func (h *Host) Live() (actors, messages int) { return int(h.live.Load()), int(h.waiting.Load()) }

// incarnation is one life of an actor: the library's receiver around an entity.
type incarnation struct {
	host   *Host
	shard  *shard
	slot   *slot
	id     string
	entity Entity
}

// Receive implements [actor.Receiver]. No panic may leave it: the library would
// end the process at the fourth.
func (a *incarnation) Receive(c *actor.Context) {
	cmd, ok := c.Message().(*command)
	if !ok {
		return // the library's own messages
	}
	val, err := a.handle(cmd)
	forget := a.entity == nil || a.entity.Idle()
	a.slot.done.Add(1)
	a.host.waiting.Add(-1)
	if cmd.reply != nil {
		cmd.reply <- answer{val, err}
	}
	*cmd = command{} // the library's ring buffer keeps the last message of an idle actor
	if forget {
		a.forget()
	}
}

// forget passivates at once, unless more messages wait.
func (a *incarnation) forget() {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	if a.shard.slots[a.id] == a.slot && a.slot.sent == a.slot.done.Load() {
		a.host.passivate(a.shard, a.id, a.slot)
	}
}

func (a *incarnation) handle(cmd *command) (val any, err error) {
	defer func() {
		if v := recover(); v != nil {
			a.entity = nil // its state may be half changed: the next message reloads
			a.host.panics.Add(1)
			a.host.opts.Log.Error("actor panicked", "kind", a.host.kind, "id", a.id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			val, err = nil, fmt.Errorf("actors: %s %s panicked: %v", a.host.kind, a.id, v)
		}
	}()
	if a.entity == nil {
		a.entity = a.host.spawn(a.id)
	}
	return a.entity.Handle(cmd.ctx, cmd.msg)
}

// Activations returns how often an actor was activated.
func (h *Host) Activations() int64 { return h.activations.Load() }
