// Command chatkitd is the backend behind a ChatKit chat in which people manage
// their tasks. `chatkitd serve` runs it; `chatkitd --help` lists the rest.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // "tomorrow" in a user's time zone, also where the system has no zones
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, nil))
}
