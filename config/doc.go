// Package config holds the settings of the service in one struct: flags,
// environment, defaults and help are its tags, and README's table is tested
// against it. Whatever is wrong with the settings is said at once.
//
// A program embeds [Config] in its command line:
//
//	var cli struct {
//		config.Config
//		Serve serveCmd `cmd:""`
//	}
//	parser, err := kong.New(&cli, cli.Options()...)
//
// kong then calls [Config.Validate] by itself, for every command.
package config
