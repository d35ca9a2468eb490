package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/logbind"
	"github.com/chatkitd/chatkitd/internal/snapshots"
	"github.com/chatkitd/chatkitd/projections"
)

// readModelsFile is the catalog of the read models in the data folder, whose tables
// lie in files beside it. It may be deleted while nothing runs: they are built anew
// from the log.
const readModelsFile = projections.CatalogFile

// dataFolder is the open log and the read models of it.
type dataFolder struct {
	log       *opened
	store     *logbind.Store // the log, once it is the one that the rest was made from
	node      string         // the name of this server among those that share the log
	views     *projections.Service
	snapshots *snapshots.Store
}

// openData opens the data folder for writing. Of several processes only one can.
func openData(ctx context.Context, cfg *config.Config, log *slog.Logger, reg prometheus.Registerer) (_ *dataFolder, err error) {
	d := &dataFolder{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	ownerOnly()
	if d.log, err = openForWriting(ctx, cfg, log, reg); err != nil {
		return nil, err
	}
	d.store = logbind.New(d.log, folderOf(cfg.Data), d.log.kind, d.log.where)
	if d.node, err = nodeID(cfg.Data); err != nil {
		return nil, err
	}
	if err := d.look(ctx); err != nil {
		return nil, err
	}
	if err := checkWritable(cfg.Data); err != nil {
		return nil, err
	}
	if d.snapshots, err = snapshots.Open(ctx, cfg.Data, log, reg); err != nil {
		return nil, err
	}
	d.views, err = projections.Open(ctx, projections.Options{
		Dir: cfg.Data, Store: d.store, Dense: d.log.dense(), Log: log, Registerer: reg,
	})
	return d, err
}

// lookWithin is how long a start waits for an EventStoreDB before it goes on
// without.
const lookWithin = 2 * time.Second

// look finds out whether the log is the folder's. An EventStoreDB may be away, and
// is then to be awaited.
func (d *dataFolder) look(ctx context.Context) error {
	if d.log.dense() {
		return d.store.Look(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	err := d.store.Look(limited)
	if errors.Is(err, logbind.ErrOtherLog) || ctx.Err() != nil {
		return err
	}
	return nil
}

// checkLogIsThere refuses a folder with read models and without the log that they
// were made from: to begin anew would hide that it was lost, and delete what is
// left of it.
func checkLogIsThere(dir string) error {
	file, views := filepath.Join(dir, embedded.FileName), filepath.Join(dir, readModelsFile)
	if info, err := os.Stat(file); err == nil && info.Size() > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with a file that is there, opening it says
	}
	if info, err := os.Stat(views); err != nil || info.Size() == 0 {
		return nil
	}
	return fmt.Errorf("the event store %s is missing or empty, but %s was made from it: restore it from a backup, or move the folder away to begin anew", file, views)
}

// checkWritable refuses files of read models and snapshots that may only be read:
// SQLite opens them, and nothing that is written to them would be kept. It is for
// the time before they are opened: to close any descriptor of a file drops SQLite's
// locks on it.
func checkWritable(dir string) error {
	for _, pattern := range []string{"readmodels*", snapshots.FileName + "*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("the server cannot write to a file of its own: %w", err)
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// close closes in the reverse order of opening.
func (d *dataFolder) close() error {
	var errs []error
	if d.views != nil {
		errs = append(errs, d.views.Close())
	}
	if d.snapshots != nil {
		errs = append(errs, d.snapshots.Close())
	}
	if d.log != nil {
		errs = append(errs, d.log.close())
	}
	return errors.Join(errs...)
}
