package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/chatkitd/chatkitd/config"
)

// The exit statuses of the program.
const (
	exitOK    = 0
	exitFault = 1 // it could not be done
	exitUsage = 2 // it was asked for wrongly
)

// cli is the command line: the settings, and one field for each command.
type cli struct {
	config.Config `embed:""`

	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Token       tokenCmd       `cmd:"" help:"Print a token that says who a user is."`
	Projections projectionsCmd `cmd:"" help:"Look at the read models and rebuild them."`
	Events      eventsCmd      `cmd:"" help:"List the events of the log, or follow them."`
	Replay      replayCmd      `cmd:"" help:"Show a user's tasks or a thread as they were at a moment."`
	Trace       traceCmd       `cmd:"" help:"Show what led to an event, and what came of it."`
	Verify      verifyCmd      `cmd:"" help:"Check the log, and the read models against it."`
	Export      exportCmd      `cmd:"" help:"Write all that is stored of a user as JSON lines."`
	Import      importCmd      `cmd:"" help:"Put an export into an empty log."`
	Copy        copyCmd        `cmd:"" help:"Move a whole log from one store to another, and compare every event."`
	Health      healthCmd      `cmd:"" help:"Ask a server whether it is ready; exit status 0 when it is."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// program is what a command is given besides its own flags.
type program struct {
	ctx    context.Context //nolint:containedctx // the life of the process, handed to one command
	cfg    *config.Config
	stdout io.Writer
	stderr io.Writer
	ready  chan<- string // told the address once it listens; nil for nobody
}

// usageError is a mistake in what was asked for.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exit is what kong's own exits become.
type exit int

// run is the program without its globals. It returns the exit status when the
// command is done or ctx ends and everything has stopped. It sends the address
// that a server listens on to ready, if any.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, ready chan<- string) (status int) {
	var c cli
	options := append(
		c.Options(),
		kong.Name("chatkitd"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Help(help),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(code int) { panic(exit(code)) }),
	)
	parser, err := kong.New(&c, options...)
	if err != nil {
		panic(err) // the struct tags above are wrong
	}
	defer func() {
		switch v := recover().(type) {
		case nil:
		case exit:
			status = int(v)
		default:
			panic(v)
		}
	}()
	// Parse also calls Config.Validate, for every command.
	command, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "chatkitd: %s\nRun %s, \"chatkitd serve --help\" for the settings.\n",
			strings.ReplaceAll(err.Error(), "\n", "\n  "), helpOn(err))
		return exitUsage
	}
	err = command.Run(&program{ctx: ctx, cfg: &c.Config, stdout: stdout, stderr: stderr, ready: ready})
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(usageError)):
		_, _ = fmt.Fprintf(stderr, "chatkitd: %v\n", err)
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "chatkitd: %v\n", err)
	return exitFault
}

// helpOn says what to run to see how a command line that does not parse is
// written.
func helpOn(err error) string {
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		if node := e.Context.Selected(); node != nil && node.Name != "serve" {
			return fmt.Sprintf("%q for examples", node.FullPath()+" --help")
		}
	}
	return `"chatkitd --help" for the commands`
}

// help prints a command's help. The settings, all but where the data are, are told by
// serve alone: with the other commands they would hide what was asked for.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if node := ctx.Selected(); node == nil || node.Name != "serve" {
		for _, f := range ctx.Model.Flags {
			f.Hidden = f.Hidden || f.Group != nil && f.Name != "data" && f.Name != "eventstore"
		}
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

const description = `The backend behind a ChatKit chat in which people manage their tasks.

Examples:
  chatkitd serve                              start on http://127.0.0.1:8000/ with data in ./data
  OPENAI_API_KEY=… chatkitd serve             answer with a real model
  chatkitd token --user alice --ttl 1h        print a token for the API
  chatkitd events --follow                    what happens, as it happens
  chatkitd replay --user alice --at "monday 10:00" --steps
                                              a list as it was, and what changed it
  chatkitd projections list                   how far the read models are
  chatkitd projections rebuild all            build the read models anew from the log`

// version is set when a release is built.
var version = "development"

type versionCmd struct{}

// BeforeApply prints the version. It comes before the settings are looked at:
// whoever asks for help must be able to say what runs, whatever is wrong.
func (versionCmd) BeforeApply(app *kong.Kong) error {
	_, err := fmt.Fprintln(app.Stdout, "chatkitd", version)
	app.Exit(exitOK)
	return err
}
