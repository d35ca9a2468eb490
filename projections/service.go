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
	// Write has one connection to the file of the read models and begins its
	// transactions immediately; Read is a pool on the same file. The caller
	// closes both after the service.
	Write, Read *sql.DB
	Store       events.Store
	Log         *slog.Logger          // nil is none
	Registerer  prometheus.Registerer // nil is none
	WaitTimeout time.Duration         // how long a query waits for its user's writes; 0 is 2 s
	BatchSize   int                   // most events of one transaction; 0, or more than events.MaxBatch, is events.MaxBatch
	MaxWatchers int                   // over all users; 0 is 10,000
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
	write, read *sql.DB
	store       events.Store
	log         *slog.Logger
	now         func() time.Time
	timeout     time.Duration
	batchSize   int
	metrics     *metrics

	models  []*model
	tasks   *model
	threads *model
	items   *model
	writes  *writes
	hub     *hub

	waiting  atomic.Int64  // queries that wait for the runner
	hurry    chan struct{} // tells it that one began to
	live     atomic.Int64  // batches of the runner that want the write connection or have it
	lastLive atomic.Int64  // when the last one began, in nanoseconds since 1970
	headless atomic.Bool   // where the log ended at the start is not known yet
	seen     seen
	runner   sync.Mutex    // held by Run and RebuildOffline
	retry    time.Duration // before an event is tried again, the first time

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

// Open makes the tables that are missing or of another layout, and returns the
// service. It fails when the database does. Of the log it reads only where it
// ends: queries wait until they have seen that, and when it cannot be read are
// refused until [Service.Run] has.
func Open(ctx context.Context, o Options) (*Service, error) { return open(ctx, o, all()) }

func open(ctx context.Context, o Options, ps []projection) (*Service, error) {
	o = o.withDefaults()
	s := &Service{
		write: o.Write, read: o.Read, store: o.Store, log: o.Log, now: o.Now,
		timeout: o.WaitTimeout, batchSize: o.BatchSize,
		writes: newWrites(), hub: newHub(o.MaxWatchers), hurry: make(chan struct{}, 1), retry: firstDelay,
	}
	catalog, err := openCatalog(ctx, o.Write, ps)
	if err != nil {
		return nil, fmt.Errorf("open read models: %w", err)
	}
	for _, name := range catalog.garbage {
		s.trash = append(s.trash, trash{table: name})
	}
	for _, p := range ps {
		e := catalog.entries[p.Name()]
		m := &model{
			projection: p, phase: Running, top: max(catalog.next(p)-1, e.G), retired: map[generation]*view{},
			skipped: e.skipped, previous: e.previous, rebuild: e.rebuild,
		}
		if e.paused {
			m.phase = Paused
		}
		if err := s.mount(ctx, m, e); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.models = append(s.models, m)
		switch p.Name() {
		case tasks{}.Name():
			s.tasks = m
		case threads{}.Name():
			s.threads = m
		case threadItems{}.Name():
			s.items = m
		}
	}
	s.headless.Store(true)
	if err := s.learnHead(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), s.Close())
		}
		s.log.WarnContext(ctx, "the event log cannot be read yet; queries are refused until it can", "error", err)
	}
	s.hub.start(s.tasks.at())
	if s.metrics, err = newMetrics(o.Registerer, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
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

// mount makes a model use the tables of an entry.
func (s *Service) mount(ctx context.Context, m *model, e entry) error {
	stmts, err := prepare(ctx, s.write, m.projection, e.G)
	if err != nil {
		return fmt.Errorf("projection %s: %w", m.Name(), err)
	}
	return m.reset(newView(s.read, e.G), stmts, e.tables)
}

func prepare(ctx context.Context, db *sql.DB, p projection, g generation) ([]*sql.Stmt, error) {
	texts := append([]string{}, p.Statements()...)
	texts = append(texts, saveCheckpoint)
	stmts := make([]*sql.Stmt, 0, len(texts))
	for _, text := range texts {
		stmt, err := db.PrepareContext(ctx, g.sql(text))
		if err != nil {
			errs := []error{fmt.Errorf("prepare %q: %w", text, err)}
			for _, done := range stmts {
				errs = append(errs, done.Close())
			}
			return nil, errors.Join(errs...)
		}
		stmts = append(stmts, stmt)
	}
	return stmts, nil
}

// Close closes the watches and the prepared statements, once the queries that use
// them have ended. Run must have returned.
func (s *Service) Close() error {
	s.hub.close()
	var errs []error
	for _, m := range s.models {
		for _, stmt := range m.write {
			errs = append(errs, stmt.Close())
		}
		m.write = nil
		errs = append(errs, m.view.close())
		for _, v := range m.retired {
			errs = append(errs, v.close())
		}
		clear(m.retired)
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
	s.metrics.waits.Observe(s.now().Sub(start).Seconds())
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
		rows, err := v.query(ctx, "SELECT id FROM threads_{g} WHERE turn <> '' ORDER BY num")
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
