package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/snapshots"
	"github.com/chatkitd/chatkitd/internal/sqlite"
	"github.com/chatkitd/chatkitd/projections"
)

// readModelsFile is the file of the read models in the data folder. It may be
// deleted while nothing runs: it is built anew from the log.
const readModelsFile = "readmodels.db"

// dataFolder is the open log and the read models of it.
type dataFolder struct {
	store       *embedded.Store
	write, read *sql.DB
	views       *projections.Service
	snapshots   *snapshots.Store
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
	if err := checkLogIsThere(cfg.Data); err != nil {
		return nil, err
	}
	if d.store, err = embedded.Open(ctx, embedded.Options{Dir: cfg.Data, Log: log, Registerer: reg}); err != nil {
		return nil, err
	}
	if d.snapshots, err = snapshots.Open(ctx, cfg.Data, log, reg); err != nil {
		return nil, err
	}
	err = d.openViews(ctx, cfg, log, reg)
	if sqlite.IsCorrupt(err) {
		log.Warn("the read models are damaged and are built anew", "err", err)
		if err := errors.Join(d.closeViews(), removeReadModels(cfg.Data)); err != nil {
			return nil, err
		}
		err = d.openViews(ctx, cfg, log, reg)
	}
	return d, err
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

// openViews opens the read models.
func (d *dataFolder) openViews(ctx context.Context, cfg *config.Config, log *slog.Logger, reg prometheus.Registerer) (err error) {
	file := filepath.Join(cfg.Data, readModelsFile)
	if d.write, err = sqlite.Open(ctx, file, sqlite.Options{MaxConns: 1, CacheKiB: 64 << 10}); err != nil {
		return err
	}
	if d.read, err = openReadModels(ctx, cfg); err != nil {
		return err
	}
	d.views, err = projections.Open(ctx, projections.Options{
		Write: d.write, Read: d.read, Store: d.store, Log: log, Registerer: reg,
	})
	return err
}

// removeReadModels deletes the read models of a folder.
func removeReadModels(dir string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(dir, readModelsFile+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete the damaged read models: %w", err)
		}
	}
	return nil
}

// openReadModels opens the read models for reading, beside a server.
func openReadModels(ctx context.Context, cfg *config.Config) (*sql.DB, error) {
	return sqlite.Open(ctx, filepath.Join(cfg.Data, readModelsFile), sqlite.Options{ReadOnly: true, MaxConns: 8, MMap: 1 << 30})
}

// close closes in the reverse order of opening.
func (d *dataFolder) close() error {
	errs := []error{d.closeViews()}
	if d.snapshots != nil {
		errs = append(errs, d.snapshots.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

func (d *dataFolder) closeViews() error {
	var errs []error
	if d.views != nil {
		errs = append(errs, d.views.Close())
	}
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	if d.write != nil {
		errs = append(errs, d.write.Close())
	}
	d.views, d.read, d.write = nil, nil, nil
	return errors.Join(errs...)
}
