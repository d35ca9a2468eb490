package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
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
	if d.store, err = embedded.Open(ctx, embedded.Options{Dir: cfg.Data, Log: log, Registerer: reg}); err != nil {
		return nil, err
	}
	if d.snapshots, err = snapshots.Open(ctx, cfg.Data, log, reg); err != nil {
		return nil, err
	}
	file := filepath.Join(cfg.Data, readModelsFile)
	if d.write, err = sqlite.Open(ctx, file, sqlite.Options{MaxConns: 1, CacheKiB: 64 << 10}); err != nil {
		return nil, err
	}
	if d.read, err = openReadModels(ctx, cfg); err != nil {
		return nil, err
	}
	d.views, err = projections.Open(ctx, projections.Options{
		Write: d.write, Read: d.read, Store: d.store, Log: log, Registerer: reg,
	})
	return d, err
}

// openReadModels opens the read models for reading, beside a server.
func openReadModels(ctx context.Context, cfg *config.Config) (*sql.DB, error) {
	return sqlite.Open(ctx, filepath.Join(cfg.Data, readModelsFile), sqlite.Options{ReadOnly: true, MaxConns: 8, MMap: 1 << 30})
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
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	if d.write != nil {
		errs = append(errs, d.write.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}
