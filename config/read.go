package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// misread is a value that could not be read.
type misread struct {
	name    string // of the setting
	problem string
}

// Options returns what kong needs to fill c, which must be the Config that is
// embedded in the struct given to kong.
func (c *Config) Options() []kong.Option {
	return []kong.Option{kong.NamedMapper("setting", kong.MapperFunc(c.read))}
}

// read keeps what is wrong with a value for [Config.Validate] and goes on: kong
// would stop at the first one, and would print it, secret or not. What was once
// found wrong stays wrong, also where a flag overrides it, because kong reads
// flags before it reads the environment.
//
// An empty value counts as not set: that is what compose files make of a
// variable that is not there.
func (c *Config) read(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("value", &text); err != nil {
		return err
	}
	if text == "" {
		text = ctx.Value.Default
	}
	if problem := parse(text, target); problem != "" {
		m := misread{name: ctx.Value.Tag.Envs[0], problem: problem}
		for _, known := range c.misread {
			if known == m {
				return nil
			}
		}
		c.misread = append(c.misread, m)
	}
	return nil
}

// parse sets target to what text says, or returns what is wrong with text.
func parse(text string, target reflect.Value) (problem string) {
	switch v := target.Addr().Interface().(type) {
	case encoding.TextUnmarshaler: // slog.Level
		if err := v.UnmarshalText([]byte(text)); err != nil {
			return fmt.Sprintf("is %q; set it to debug, info, warn or error", text)
		}
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Sprintf("is %q; set it to a duration such as 15s, 500ms or 5m", text)
		}
		*v = d
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Sprintf("is %q; set it to a whole number", text)
		}
		*v = n
	case *[]string:
		*v = nil
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*v = append(*v, part)
			}
		}
	default:
		target.SetString(text)
	}
	return ""
}
