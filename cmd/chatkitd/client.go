package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
)

const (
	answerTimeout = 30 * time.Second
	silentTimeout = 60 * time.Second // of a stream, whose heartbeat comes every 15 s
	maxAnswer     = 64 << 20
)

// errNoServer says that no server runs on the data folder, or none that can be
// talked to.
var errNoServer = errors.New("no server runs on this data folder")

// client talks to the server that runs on a data folder, as its operator.
type client struct {
	dir  string
	http *http.Client
}

func newClient(p *program) *client {
	return &client{dir: p.cfg.Data, http: &http.Client{Transport: &http.Transport{
		Proxy:                 nil, // it is this machine
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ResponseHeaderTimeout: answerTimeout,
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// send sends a request; the caller closes the body. What is not a 2xx is an error
// with the server's words.
func (c *client) send(ctx context.Context, method, path, accept string, body any) (*http.Response, error) {
	ctl, ok, err := readControl(c.dir)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoServer
	}
	var rd io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		rd = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, ctl.URL+path, rd)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+ctl.Token)
	req.Header.Set("Accept", accept)
	if rd != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
			// It was killed: an ordered stop removes the file.
			return nil, fmt.Errorf("%w: nothing answers at %s, where process %d listened", errNoServer, ctl.URL, ctl.PID)
		}
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	return nil, refusal(resp, ctl)
}

// refusal turns an answer that is an error into one.
func refusal(resp *http.Response, ctl control) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	var b struct {
		Error struct {
			Code    chatkitd.Code `json:"code"`
			Message string        `json:"message"`
		} `json:"error"`
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: what answers at %s is another program", errNoServer, ctl.URL)
	case json.Unmarshal(raw, &b) != nil || b.Error.Message == "":
		return fmt.Errorf("the server at %s answers %s", ctl.URL, resp.Status)
	}
	said := errors.New(b.Error.Message)
	if resp.StatusCode == http.StatusServiceUnavailable {
		return &lostError{said}
	}
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusForbidden {
		return usageError{said}
	}
	return said
}

// ask sends a request and decodes the answer into answer, unless that is nil.
func (c *client) ask(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	resp, err := c.send(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil && answer != nil {
		err = json.Unmarshal(raw, answer)
	}
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// statesBody is a list of projections as the server sends it.
type statesBody struct {
	Data []chatkitd.ProjectionState `json:"data"`
}

const projectionsPath = "/api/v1/admin/projections"

func (c *client) states(ctx context.Context) ([]chatkitd.ProjectionState, error) {
	var b statesBody
	err := c.ask(ctx, http.MethodGet, projectionsPath, nil, &b)
	return b.Data, err
}

// act asks for an action on a projection.
func (c *client) act(ctx context.Context, name, action string, body any) error {
	return c.ask(ctx, http.MethodPost, projectionsPath+"/"+url.PathEscape(name)+"/"+action, body, nil)
}

// follow calls see with the states of the projections again and again, until it
// returns an error, which follow returns, or ctx ends. A server that goes away is
// waited for as long as a restart takes.
func (c *client) follow(ctx context.Context, see func([]chatkitd.ProjectionState) error) error {
	const patience = 15
	for tries := patience; ; tries++ { // one that was never there is not waited for
		err := c.followOnce(ctx, func(all []chatkitd.ProjectionState) error {
			tries = 0
			return see(all)
		})
		lost, isLost := errors.AsType[*lostError](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !isLost && !errors.Is(err, errNoServer):
			return err
		case tries >= patience:
			if isLost {
				err = lost.error
			}
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// lostError is what may pass by itself: a stream broke off, or the server is
// stopping.
type lostError struct{ error }

func (c *client) followOnce(ctx context.Context, see func([]chatkitd.ProjectionState) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.send(ctx, http.MethodGet, projectionsPath, "text/event-stream", nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	silence := time.AfterFunc(silentTimeout, cancel)
	defer silence.Stop()
	name := ""
	for rd := bufio.NewReader(resp.Body); ; {
		line, err := rd.ReadString('\n')
		if err != nil {
			return &lostError{fmt.Errorf("the stream of states broke off: %w", err)}
		}
		silence.Reset(silentTimeout)
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case field == "event":
			name = value
		case field == "data" && name == "states":
			var b statesBody
			if err := json.Unmarshal([]byte(value), &b); err != nil {
				return fmt.Errorf("read the server's answer: %w", err)
			}
			if err := see(b.Data); err != nil {
				return err
			}
		}
	}
}
