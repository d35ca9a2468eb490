package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Options are what a [Service] needs.
type Options struct {
	// Dir is the folder of the files of the read models, [CatalogFile] and one for
	// each generation of tables. It must be there. One Service writes it.
	Dir   string
	Store events.Store
	// Dense says that the positions of the store count its events from 1: then lags
	// are exact, and the end of a rebuild is known.
	Dense       bool
	Log         *slog.Logger          // nil is none
	Registerer  prometheus.Registerer // nil is none
	WaitTimeout time.Duration         // how long a query waits for its user's writes; 0 is 2 s
	BatchSize   int                   // most events of one transaction; 0, or more than events.MaxBatch, is events.MaxBatch
	MaxWatchers int                   // over all users; 0 is 10,000
	BusyTimeout time.Duration         // how long another process may lock a file of the read models; 0 is 5 s
	Now         func() time.Time      // nil is time.Now
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.WaitTimeout <= 0 {
		o.WaitTimeout = 2 * time.Second
	}
	if o.BatchSize <= 0 || o.BatchSize > events.MaxBatch {
		o.BatchSize = events.MaxBatch
	}
	if o.MaxWatchers <= 0 {
		o.MaxWatchers = 10_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Service keeps the read models and answers from them. It is safe for concurrent
// use. Without [Service.Run] queries learn nothing new, and those that have to
// wait for something time out.
type Service struct {
	dir       string
	catalog   *sql.DB
	store     events.Store
	dense     bool
	log       *slog.Logger
	now       func() time.Time
	timeout   time.Duration
	busy      time.Duration
	batchSize int
	metrics   *metrics
	interest  *interest

	models  []*model
	tasks   *model
	threads *model
	items   *model
	writes  *writes
	hub     *hub

	waiting   atomic.Int64  // queries that wait for the runner
	hurry     chan struct{} // tells it that one began to
	lastLive  atomic.Int64  // when the last batch of the runner began, in nanoseconds since 1970
	restUntil atomic.Int64  // until when builds stand back, likewise
	headless  atomic.Bool   // where the log ended at the start is not known yet
	seen      seen
	runner    sync.Mutex    // held by Run and RebuildOffline
	retry     time.Duration // before an event is tried again, the first time

	mu       sync.Mutex
	base     context.Context    //nolint:containedctx // of Run, the life of a job; nil while it is not at work
	jobs     sync.WaitGroup     // what Run waits for
	job      *job               // under way
	again    context.CancelFunc // makes the runner look at the models again
	trash    []trash
	sweeping bool
	hook     func(phase string) // of tests: a rebuild begins a phase
}

var (
	_ chatkitd.Projections  = (*Service)(nil)
	_ chatkitd.TaskReader   = (*Service)(nil)
	_ chatkitd.ThreadReader = (*Service)(nil)
)

// all returns every projection, in the order in which a batch is applied.
func all() []projection { return []projection{tasks{}, threads{}, threadItems{}} }

// Names returns the names of the projections.
func Names() []string {
	var names []string
	for _, p := range all() {
		names = append(names, p.Name())
	}
	return names
}

// Open makes the tables that are missing, damaged or of another layout, and returns
// the service. It fails when the files cannot be written. Of the log it reads only
// where it ends: queries wait until they have seen that, and when it cannot be read
// are refused until [Service.Run] has.
func Open(ctx context.Context, o Options) (*Service, error) { return open(ctx, o, all()) }

func open(ctx context.Context, o Options, ps []projection) (_ *Service, err error) {
	o = o.withDefaults()
	s := &Service{
		dir: o.Dir, store: o.Store, dense: o.Dense, log: o.Log, now: o.Now, timeout: o.WaitTimeout, busy: o.BusyTimeout,
		batchSize: o.BatchSize, interest: interestOf(ps),
		writes: newWrites(), hub: newHub(o.MaxWatchers), hurry: make(chan struct{}, 1), retry: firstDelay,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.mountAll(ctx, ps); err != nil {
		return nil, fmt.Errorf("open read models: %w", err)
	}
	s.headless.Store(true)
	if err := s.learnHead(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.log.WarnContext(ctx, "the event log cannot be read yet; queries are refused until it can", "error", err)
	}
	s.hub.start(s.tasks.at())
	s.metrics, err = newMetrics(o.Registerer, s)
	return s, err
}

// learnHead reads once where the log ends: what was acknowledged before this
// process began is to be seen as well.
func (s *Service) learnHead(ctx context.Context) error {
	if !s.headless.Load() {
		return nil
	}
	head, err := s.store.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	s.writes.holdAll(head)
	s.writes.passed(s.behind())
	s.seen.at(head)
	s.headless.Store(false)
	if head.IsZero() {
		return nil
	}
	for _, m := range s.models {
		m.mu.Lock()
		if m.position.IsZero() && m.phase == Running && !m.built {
			m.phase = Rebuilding // until Run has built it
		}
		m.mu.Unlock()
	}
	return nil
}

// Close closes the watches and the files, once the queries that use them have
// ended. Run must have returned.
func (s *Service) Close() error {
	s.hub.close()
	var errs []error
	for _, m := range s.models {
		if m.tables != nil {
			errs = append(errs, m.tables.close())
		}
	}
	// What is left to be deleted is found again at the next start.
	for _, t := range s.trash {
		if t.tables != nil {
			errs = append(errs, t.tables.close())
		}
	}
	s.trash = nil
	if s.catalog != nil {
		errs = append(errs, s.catalog.Close())
	}
	return errors.Join(errs...)
}

// NoteWrite says that a user's command was written up to pos. The queries of
// this user wait until the read models have come that far.
func (s *Service) NoteWrite(user chatkitd.UserID, pos chatkitd.Position) {
	s.writes.note(user, pos, s.behind())
}

// behind returns the position that all models have reached.
func (s *Service) behind() chatkitd.Position { return lowest(s.models) }

// await waits until models have seen the user's writes, and the position that ctx
// names (see [chatkitd.WithPosition]).
func (s *Service) await(ctx context.Context, user chatkitd.UserID, models ...*model) error {
	if s.headless.Load() {
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read: how far the data must be is not known")
	}
	pos := s.writes.of(user)
	if asked := chatkitd.PositionOf(ctx); asked.Compare(pos) > 0 {
		return s.awaitAsked(ctx, asked, models...)
	}
	for _, m := range models {
		if m.at().Compare(pos) >= 0 {
			continue
		}
		if err := s.awaitModel(ctx, m, pos); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) awaitModel(ctx context.Context, m *model, pos chatkitd.Position) error {
	start := s.now()
	defer s.hasten()()
	wait, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := m.waitFor(wait, pos)
	took := s.now().Sub(start)
	s.metrics.waits.Observe(took.Seconds())
	s.waited(took)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && m.is(Rebuilding):
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the data is being built; try again later").
			Because(fmt.Errorf("projection %s is built for the first time", m.Name()))
	case errors.Is(err, context.DeadlineExceeded):
		return chatkitd.Errorf(chatkitd.CodeTimeout, "the data has not caught up with your last change in time").
			Because(fmt.Errorf("projection %s has not reached %s", m.Name(), pos))
	case errors.Is(err, context.Canceled):
		return chatkitd.Errorf(chatkitd.CodeCanceled, "the query was given up").Because(err)
	}
	return err
}

// CaughtUp waits until every read model has seen what is in the log now. It
// returns CodeUnavailable when the log cannot be read or a projection has
// stopped, and ctx's error.
func (s *Service) CaughtUp(ctx context.Context) error { return s.caughtUp(ctx, s.models...) }

func (s *Service) caughtUp(ctx context.Context, models ...*model) error {
	head, err := s.store.Head(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(err)
	}
	defer s.hasten()()
	for _, m := range models {
		if err := m.waitFor(ctx, head); err != nil {
			return err
		}
	}
	return nil
}

// Ready returns nil when every projection runs and had nothing more to read at
// its last batch, else what is the matter.
func (s *Service) Ready() error {
	for _, m := range s.models {
		m.mu.Lock()
		phase, caughtUp, failure := m.phase, m.caughtUp, m.failure
		m.mu.Unlock()
		switch {
		case phase == Failed && failure != nil:
			return fmt.Errorf("projection %s: %w", m.Name(), failure)
		case phase != Running:
			return fmt.Errorf("projection %s is %s", m.Name(), phase)
		case !caughtUp:
			return fmt.Errorf("projection %s is catching up", m.Name())
		}
	}
	return nil
}

// OpenTurns returns the threads whose turn has started and not ended, as of the
// log at the time of the call: it waits until the read model has come so far.
// It returns what CaughtUp does.
func (s *Service) OpenTurns(ctx context.Context) ([]chatkitd.ThreadID, error) {
	if err := s.caughtUp(ctx, s.threads); err != nil {
		return nil, err
	}
	var ids []chatkitd.ThreadID
	err := s.threads.read(ctx, func(v *view) error {
		rows, err := v.query(ctx, "SELECT id FROM threads WHERE turn <> '' ORDER BY num")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // its error is that of rows.Err
		for rows.Next() {
			var id chatkitd.ThreadID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}
