package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// Options are what a [System] needs. Store, Agent and Log are required; the
// zero value of the rest means the default.
type Options struct {
	Store events.Store
	// Agent makes the agent that answers; its tools act through tasks. It is
	// called once.
	Agent    func(tasks chatkitd.Tasks) chatkitd.Agent
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Instance string // names this process in turn.started; default a new id
	// Shared says that other processes append to the same log. Then Run must run,
	// and Instance must stay the same over restarts, or turns that a crash cut off
	// are closed only after Lease.
	Shared bool
	// Snapshots keeps states of long streams, so that loading them is quick; nil
	// keeps none.
	Snapshots events.Snapshots
	// OnAppend is told of every append on behalf of a user, so that the user's
	// next query can wait for it. It must not block.
	OnAppend func(chatkitd.UserID, chatkitd.Position)
	Now      func() time.Time // default time.Now, in UTC

	MaxTurns       int           // turns at once in the whole server; default 256
	TurnTimeout    time.Duration // the longest turn; default 5 m
	CommandTimeout time.Duration // the longest wait for an actor's answer; default 10 s
	HistoryItems   int           // items that a model is given; default 30
	MaxActors      int           // live actors of each kind; default 100,000
	MailboxDepth   int           // messages that wait for one actor; default 64
	IdleFor        time.Duration // passivate after; default 2 m
	RenewEvery     time.Duration // shared: how often a process with long turns says that it is there; default 5 s
	Lease          time.Duration // shared: the silence after which another process is taken for dead; default 20 s
	MaxWatched     int           // shared: turns of other processes that are followed at once; default 256
}

func (o *Options) defaults() {
	if o.Instance == "" {
		o.Instance = chatkitd.NewID("srv_")
	}
	if o.OnAppend == nil {
		o.OnAppend = func(chatkitd.UserID, chatkitd.Position) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxTurns == 0 {
		o.MaxTurns = 256
	}
	if o.TurnTimeout == 0 {
		o.TurnTimeout = 5 * time.Minute
	}
	if o.CommandTimeout == 0 {
		o.CommandTimeout = 10 * time.Second
	}
	if o.HistoryItems == 0 {
		o.HistoryItems = 30
	}
	if o.RenewEvery == 0 {
		o.RenewEvery = 5 * time.Second
	}
	if o.Lease == 0 {
		o.Lease = 20 * time.Second
	}
	if o.MaxWatched == 0 {
		o.MaxWatched = 256
	}
}

// System is the running actors and turns. It implements [chatkitd.Tasks] and
// [chatkitd.Threads].
type System struct {
	opts    Options
	agent   chatkitd.Agent
	users   *Host
	threads *Host
	metrics *metrics
	places  chan struct{} // one for each turn that may run

	base     context.Context //nolint:containedctx // the life of all turns
	stopAll  context.CancelCauseFunc
	hard     context.Context //nolint:containedctx // ends when the shutdown's deadline is over
	stopHard context.CancelFunc
	wg       sync.WaitGroup // places that are taken

	mu     sync.Mutex
	turns  map[chatkitd.TurnID]*turn
	closed bool

	node  *node // nil unless other processes append to the same log
	peers *peers
}

var (
	_ chatkitd.Tasks   = (*System)(nil)
	_ chatkitd.Threads = (*System)(nil)
)

// New returns a running system. The caller must Close it.
func New(o Options) (*System, error) {
	o.defaults()
	if o.Shared && o.Lease < 3*o.RenewEvery {
		return nil, fmt.Errorf("actors: a lease of %s is too short for a sign of life every %s: it must be three times as long", o.Lease, o.RenewEvery)
	}
	s := &System{opts: o, places: make(chan struct{}, o.MaxTurns), turns: make(map[chatkitd.TurnID]*turn)}
	s.base, s.stopAll = context.WithCancelCause(context.Background())
	s.hard, s.stopHard = context.WithCancel(context.Background())
	s.peers = newPeers()
	if o.Shared {
		s.node = newNode(s)
	}
	bounds := HostOptions{Log: o.Log, MaxLive: o.MaxActors, Depth: o.MailboxDepth, IdleFor: o.IdleFor}
	var err error
	if s.users, err = NewHost("user", s.newUser, bounds); err != nil {
		return nil, err
	}
	if s.threads, err = NewHost("thread", s.newThread, bounds); err != nil {
		return nil, errors.Join(err, s.users.Close(context.Background()))
	}
	if s.metrics, err = newMetrics(s, o.Metrics); err != nil {
		return nil, errors.Join(err, s.threads.Close(context.Background()), s.users.Close(context.Background()))
	}
	s.agent = o.Agent(s)
	return s, nil
}

func (s *System) newUser(id string) Entity {
	user := &user{now: s.now}
	user.journal = journal[events.User]{
		shared: s.opts.Shared, metrics: s.metrics,
		store: s.opts.Store, stream: events.UserStream(chatkitd.UserID(id)), onAppend: s.opts.OnAppend,
		saver: s.newSaver(userSchema, user.state.snapshot, user.state.restore),
	}
	return user
}

func (s *System) newThread(id string) Entity {
	thread := &thread{id: chatkitd.ThreadID(id), sys: s}
	thread.state.window = s.opts.HistoryItems
	thread.journal = journal[events.Thread]{
		shared: s.opts.Shared, metrics: s.metrics,
		store: s.opts.Store, stream: events.ThreadStream(thread.id), onAppend: s.opts.OnAppend,
		saver: s.newSaver(fmt.Sprintf("%s-%d", threadSchema, s.opts.HistoryItems), thread.state.snapshot, thread.state.restore),
	}
	return thread
}

func (s *System) newSaver(schema string, encode func() ([]byte, error), restore func([]byte) error) *saver {
	if s.opts.Snapshots == nil {
		return nil
	}
	return &saver{store: s.opts.Snapshots, schema: schema, encode: encode, restore: restore, broken: func(err error) {
		s.opts.Log.Warn("a snapshot is not used", "error", err)
	}}
}

func (s *System) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// ask sends msg to an actor and returns its answer as a T.
func ask[T any](ctx context.Context, h *Host, id string, msg any) (T, error) {
	var zero T
	val, err := h.Ask(ctx, id, msg)
	if err != nil {
		return zero, err
	}
	t, ok := val.(T)
	if !ok {
		return zero, fmt.Errorf("actors: %T answered with a %T", msg, val)
	}
	return t, nil
}

// DoTask implements [chatkitd.Tasks].
func (s *System) DoTask(ctx context.Context, m chatkitd.Meta, cmd chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
	if err := checkMeta(m); err != nil {
		return chatkitd.TaskResult{}, err
	}
	o := taskOrder{meta: m, cmd: cmd, newID: chatkitd.TaskID(chatkitd.NewID(chatkitd.PrefixTask)), now: s.now()}
	if m.Key != "" {
		var err error
		if o.fingerprint, err = fingerprint(cmd); err != nil {
			return chatkitd.TaskResult{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.CommandTimeout)
	defer cancel()
	res, err := ask[chatkitd.TaskResult](ctx, s.users, string(m.User), o)
	s.metrics.command(taskCommandName(cmd), err)
	return res, publicError(err)
}

// TaskEffect implements [chatkitd.Tasks].
func (s *System) TaskEffect(ctx context.Context, user chatkitd.UserID, key string) (chatkitd.TaskResult, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.CommandTimeout)
	defer cancel()
	e, err := ask[effect](ctx, s.users, string(user), effectQuery{key})
	return e.result, e.known, err
}

// checkMeta refuses what the HTTP layer should have refused.
func checkMeta(m chatkitd.Meta) error {
	if m.User == "" || len(m.User) > chatkitd.MaxUserID {
		return chatkitd.Errorf(chatkitd.CodeUnauthorized, "there is no user")
	}
	if len(m.Key) > chatkitd.MaxKey {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "the idempotency key is too long, at most %d bytes are allowed", chatkitd.MaxKey)
	}
	return nil
}

// DoThread implements [chatkitd.Threads].
func (s *System) DoThread(ctx context.Context, m chatkitd.Meta, cmd chatkitd.ThreadCommand) (chatkitd.Receipt, error) {
	if err := checkMeta(m); err != nil {
		return chatkitd.Receipt{}, err
	}
	if !chatkitd.ValidID(string(cmd.Target())) {
		return chatkitd.Receipt{}, errNoThread
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.CommandTimeout)
	defer cancel()
	rec, err := s.doThread(ctx, m, cmd)
	s.metrics.command(threadCommandName(cmd), err)
	return rec, publicError(err)
}

func (s *System) doThread(ctx context.Context, m chatkitd.Meta, cmd chatkitd.ThreadCommand) (chatkitd.Receipt, error) {
	switch cmd.(type) {
	case chatkitd.CancelTurn, chatkitd.DeleteThread:
		if err := s.cancelTurn(ctx, m, cmd.Target()); err != nil {
			return chatkitd.Receipt{}, err
		}
	case chatkitd.RenameThread, chatkitd.GiveFeedback:
	}
	o := threadOrder{meta: m, cmd: cmd, id: chatkitd.NewID(chatkitd.PrefixRequest), now: s.now()}
	return ask[chatkitd.Receipt](ctx, s.threads, string(cmd.Target()), o)
}

// cancelTurn cancels what runs in a thread and waits for its end.
func (s *System) cancelTurn(ctx context.Context, m chatkitd.Meta, id chatkitd.ThreadID) error {
	r, err := ask[runs](ctx, s.threads, string(id), cancelOrder{meta: m, now: s.now()})
	switch {
	case err != nil:
		return err
	case r.elsewhere != nil:
		return s.awaitCancel(ctx, id, r.elsewhere.turn)
	case r.here == nil:
		return nil
	}
	r.here.cancel(errCancelled)
	select {
	case <-r.here.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AttachTurn implements [chatkitd.Threads].
func (s *System) AttachTurn(ctx context.Context, user chatkitd.UserID, id chatkitd.ThreadID) (chatkitd.TurnStream, error) {
	if !chatkitd.ValidID(string(id)) {
		return nil, errNoThread
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.CommandTimeout)
	defer cancel()
	r, err := ask[runs](ctx, s.threads, string(id), attach{user})
	switch {
	case err != nil:
		return nil, publicError(err)
	case r.here != nil:
		return r.here.stream, nil
	case r.elsewhere != nil:
		return s.watchTurn(r.elsewhere)
	}
	return nil, nil
}

// StartTurn implements [chatkitd.Threads].
func (s *System) StartTurn(ctx context.Context, m chatkitd.Meta, cmd chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
	if err := checkMeta(m); err != nil {
		return nil, err
	}
	o, err := s.turnOrder(m, cmd)
	if err == nil {
		var t *turn
		if t, err = s.startTurn(ctx, o); err == nil {
			s.metrics.command(turnCommandName(cmd), nil)
			return t.stream, nil
		}
	}
	s.metrics.command(turnCommandName(cmd), err)
	return nil, publicError(err)
}

func (s *System) startTurn(ctx context.Context, o turnOrder) (*turn, error) {
	p, err := s.takePlace()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.CommandTimeout)
	defer cancel()
	val, err := s.threads.Ask(ctx, string(o.thread), startOrder{turnOrder: o, now: s.now(), place: p})
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrClosed) {
		p.giveBack() // the message was not taken; otherwise its handler sees to it
	}
	if err != nil {
		return nil, err
	}
	return val.(*turn), nil
}

// turnOrder checks the command and adds ids.
func (s *System) turnOrder(m chatkitd.Meta, cmd chatkitd.TurnCommand) (turnOrder, error) {
	o := turnOrder{
		meta: m, cmd: cmd, turn: chatkitd.TurnID(chatkitd.NewID(chatkitd.PrefixTurn)),
		model: s.agent.Model(), instance: s.opts.Instance,
	}
	var input *chatkit.UserMessageInput
	switch cmd := cmd.(type) {
	case chatkitd.CreateThread:
		o.thread, o.timezone, input = chatkitd.ThreadID(chatkitd.NewID(chatkitd.PrefixThread)), cmd.Timezone, &cmd.Input
	case chatkitd.AddUserMessage:
		o.thread, o.timezone, input = cmd.Thread, cmd.Timezone, &cmd.Input
	case chatkitd.RetryAfterItem:
		o.thread, o.timezone = cmd.Thread, cmd.Timezone
	}
	if !chatkitd.ValidID(string(o.thread)) {
		return o, errNoThread
	}
	if input == nil {
		return o, nil
	}
	if err := checkInput(*input); err != nil {
		return o, err
	}
	o.message = chatkit.UserMessage{
		ItemBase: chatkit.ItemBase{ID: chatkitd.NewID(chatkitd.PrefixMessage), ThreadID: string(o.thread), CreatedAt: s.now()},
		Content:  input.Content, QuotedText: input.QuotedText, InferenceOptions: input.InferenceOptions,
	}
	return o, nil
}

// Recover closes the turns that a crash cut off in these threads. It returns how
// many threads could not be reached; their turns are closed when they are next
// loaded. Turns of other processes that are heard of go on, and are watched: on a
// shared log the ids are to be of a time after Ready, so that no turn is missed.
func (s *System) Recover(ctx context.Context, ids []chatkitd.ThreadID) (failed int) {
	for _, id := range ids {
		ctx, cancel := context.WithTimeout(ctx, s.opts.CommandTimeout)
		if _, err := s.threads.Ask(ctx, string(id), recoverTurn{}); err != nil {
			s.opts.Log.Warn("turn could not be closed yet", "thread", string(id), "error", err)
			failed++
		}
		cancel()
	}
	return failed
}

// Close ends the running turns as interrupted, refuses new commands, and waits
// for what was taken, until ctx ends. Streams of turns that run elsewhere are left
// as they are: they have no end here.
func (s *System) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.stopHard)
	defer stop()
	defer s.stopHard()
	s.stopAll(errStopping)
	ended := make(chan struct{})
	go func() { s.wg.Wait(); close(ended) }()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = fmt.Errorf("actors: close: turns still run: %w", context.Cause(ctx))
	}
	return errors.Join(err, s.threads.Close(ctx), s.users.Close(ctx))
}
