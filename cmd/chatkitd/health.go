package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

type healthCmd struct {
	URL     string        `name:"url" placeholder:"URL" help:"The server, such as http://127.0.0.1:8000. Not set means the one that listens on CHATKITD_LISTEN on this machine."`
	Timeout time.Duration `default:"4s" help:"How long to wait for the answer."`
}

// Help has examples.
func (healthCmd) Help() string {
	return `Asks /health/ready, which needs no token, and prints what is not well. The exit
status is 0 only when the server answers 200: it serves, even if a projection that
has something to show is behind.

Examples:
  chatkitd health
  chatkitd health --url http://10.0.0.7:8000 --timeout 1s`
}

// Run asks a server whether it is ready, for the health checks of containers,
// whose image has neither a shell nor curl. Only a 200 is ready.
func (c healthCmd) Run(p *program) error {
	base, err := c.base(p)
	if err != nil {
		return err
	}
	if c.Timeout <= 0 {
		return usageError{errors.New("--timeout: must be more than 0s")}
	}
	client := &http.Client{
		Timeout:       c.Timeout,
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true}, // a proxy would answer for the server
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, base+"/health/ready", nil)
	if err != nil {
		return usageError{err}
	}
	resp, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the address is said already
		}
		return fmt.Errorf("not ready: no answer from %s: %w; does the server run, and is this where it listens? --url names another address", base, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	var body readyBody
	// What answers may be something else: its status counts, its words need not be ours.
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s answers %s%s", base, resp.Status, body.why())
	}
	_, err = fmt.Fprintf(p.stdout, "ready%s\n", body.why())
	return err
}

// base returns the server's address without a slash at its end.
func (c healthCmd) base(p *program) (string, error) {
	if c.URL == "" {
		base := localURL(p.cfg.Listen)
		if u, err := url.Parse(base); err == nil && u.Port() == "0" {
			return "", usageError{errors.New("CHATKITD_LISTEN names port 0, which says nothing about where the server is; give its address with --url")}
		}
		return base, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", usageError{errors.New("--url: must be the address of a server, such as http://127.0.0.1:8000")}
	}
	if host, _, err := net.SplitHostPort(u.Host); err == nil && host == "" {
		return "", usageError{errors.New("--url: names no host; write http://127.0.0.1:8000, for example")}
	}
	return u.Scheme + "://" + u.Host, nil
}

// readyBody is what is of use here of the answer to /health/ready.
type readyBody struct {
	Draining bool `json:"draining"`
	Checks   map[string]struct {
		Status string `json:"status"`
	} `json:"checks"`
}

// why lists what is not well, in parentheses, or returns "".
func (b readyBody) why() string {
	var parts []string
	if b.Draining {
		parts = append(parts, "it is stopping")
	}
	for _, name := range slices.Sorted(maps.Keys(b.Checks)) {
		if status := b.Checks[name].Status; status != "ok" {
			parts = append(parts, name+": "+status)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
