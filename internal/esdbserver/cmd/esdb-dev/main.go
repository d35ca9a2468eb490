// Command esdb-dev is a stand-in for an EventStoreDB on this machine, to try
// chatkitd on one without installing a server. It speaks the protocol, keeps its
// events in one file, and is neither made nor meant for anything else.
//
//	go run ./internal/esdbserver/cmd/esdb-dev --data ./esdb
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "esdb-dev:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// run serves until ctx ends. Its first line of output is the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("esdb-dev", flag.ContinueOnError)
	flags.SetOutput(stderr)
	data := flags.String("data", "", "folder of the events; not set keeps them in memory")
	listen := flags.String("listen", "127.0.0.1:2113", "address to listen on; port 0 takes a free one")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	engine := events.Store(memstore.New())
	if *data != "" {
		if engine, err = embedded.Open(ctx, embedded.Options{Dir: *data, Log: log}); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	server, err := esdbserver.New(ctx, engine, esdbserver.Options{Addr: *listen, Log: log})
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	defer server.Stop()
	if _, err := fmt.Fprintln(stdout, server.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
