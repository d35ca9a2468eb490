package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/logbind"
	"github.com/chatkitd/chatkitd/internal/snapshots"
)

// streamPrefixes are those of all streams of this program: in a database that is
// shared with others it sees nothing else.
var streamPrefixes = []string{events.UserPrefix, events.ThreadPrefix, events.AuditPrefix, events.NodePrefix}

// answerWithin is how long a command waits for an EventStoreDB before it says that
// there is none. Tests are in more of a hurry.
var answerWithin = 5 * time.Second

// opened is an open log, and which one it is.
type opened struct {
	logbind.Log
	kind, where string    // see [logbind.Identity]
	lock        io.Closer // of the data folder; nil when the log has its own, or for reading
}

// dense reports whether positions count events.
func (o *opened) dense() bool { return o.kind == logbind.Embedded }

func (o *opened) close() error {
	err := o.Close()
	if o.lock != nil {
		err = errors.Join(err, o.lock.Close())
	}
	return err
}

// isOf returns an error when the read models of a data folder were made from
// another log.
func (o *opened) isOf(ctx context.Context, dir string) error {
	return folderOf(dir).Verify(ctx, o, o.kind, o.where)
}

// folderOf returns what a data folder may hold that was made from its log.
func folderOf(dir string) logbind.Folder {
	return logbind.Folder{Dir: dir, Derived: []string{readModelsFile, snapshots.FileName}}
}

// openForWriting opens the log that the settings name, and takes the data folder:
// of several processes only one can. An EventStoreDB need not be there yet.
func openForWriting(ctx context.Context, cfg *config.Config, log *slog.Logger, reg prometheus.Registerer) (*opened, error) {
	address := cfg.EventStore.Reveal()
	if !config.IsEventStoreDB(address) {
		if err := folderOf(cfg.Data).CheckKind(logbind.Identity{Kind: logbind.Embedded}); err != nil {
			return nil, err
		}
		if err := checkLogIsThere(cfg.Data); err != nil {
			return nil, err
		}
		store, err := embedded.Open(ctx, embedded.Options{Dir: cfg.Data, Log: log, Registerer: reg})
		if err != nil {
			return nil, err
		}
		return &opened{Log: store, kind: logbind.Embedded}, nil
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := embedded.Lock(cfg.Data)
	if err != nil {
		return nil, err
	}
	store, err := newEventStoreDB(eventStoreSetting, address, log, reg)
	if err == nil {
		err = folderOf(cfg.Data).Claim(logbind.Identity{Kind: logbind.EventStoreDB, Where: store.Servers()})
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if weakness := store.Weakness(); weakness != "" && !cfg.IsDevelopment() {
		log.WarnContext(ctx, "the connection to EventStoreDB is not safe", "why", weakness)
	}
	if info, err := os.Stat(filepath.Join(cfg.Data, embedded.FileName)); err == nil && info.Size() > 0 {
		log.WarnContext(ctx, "the data folder has an embedded log, which is not used: the events are in EventStoreDB", "file", embedded.FileName)
	}
	return &opened{store, logbind.EventStoreDB, store.Servers(), lock}, nil
}

// eventStoreSetting is what errors call the setting by.
const eventStoreSetting = "CHATKITD_EVENTSTORE"

// newEventStoreDB is a store that connects when it is first used. setting is where
// the address was given.
func newEventStoreDB(setting, address string, log *slog.Logger, reg prometheus.Registerer) (*eventstoredb.Store, error) {
	store, err := eventstoredb.New(eventstoredb.Options{URL: address, Prefixes: streamPrefixes, Log: log, Registerer: reg})
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", setting, err)}
	}
	return store, nil
}

// openForReading opens the log that the settings name, beside a server or without
// one. It returns an error soon when there is none.
func openForReading(ctx context.Context, cfg *config.Config) (*opened, error) {
	address := cfg.EventStore.Reveal()
	if !config.IsEventStoreDB(address) {
		store, err := embedded.OpenReadOnly(ctx, embedded.Options{Dir: cfg.Data, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		return &opened{Log: store, kind: logbind.Embedded}, nil
	}
	return openEventStoreDB(ctx, eventStoreSetting, address)
}

// openEventStoreDB opens an EventStoreDB that is there.
func openEventStoreDB(ctx context.Context, setting, address string) (*opened, error) {
	store, err := newEventStoreDB(setting, address, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, err
	}
	if err := answers(ctx, setting, store); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &opened{Log: store, kind: logbind.EventStoreDB, where: store.Servers()}, nil
}

// answers returns an error unless an EventStoreDB does.
func answers(ctx context.Context, setting string, store *eventstoredb.Store) error {
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err := store.Ready(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("%s: EventStoreDB at %s does not answer within %s; does it run, and is the address right? %w", setting, store.Servers(), answerWithin, err)
	}
	return fmt.Errorf("%s: EventStoreDB at %s: %w", setting, store.Servers(), err)
}
