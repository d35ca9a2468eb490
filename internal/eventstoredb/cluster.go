package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd/events"
)

// role is what a node is asked for.
type role uint8

const (
	roleLead   role = iota // appends, and reads that have to be current
	roleFollow             // subscriptions: the node of the connection string's preference
)

// cluster knows which node has which role, and finds out when it does not. With
// one seed and no discovery that is the seed, until it names another leader.
type cluster struct {
	set    settings
	dialer dialer
	log    *slog.Logger
	found  func(ok bool) // counts

	ctx    context.Context // of the searches
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	nodes  map[string]*node
	roles  [2]*node // nil when not known
	search *search  // nil when none is under way
}

// search is one discovery, for all who wait for it.
type search struct {
	done chan struct{}
	err  error
}

func newCluster(set settings, d dialer, log *slog.Logger, found func(ok bool)) *cluster {
	c := &cluster{set: set, dialer: d, log: log, found: found, nodes: map[string]*node{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// node returns the node of a role, and waits for a search when it is not known.
func (c *cluster) node(ctx context.Context, r role) (*node, error) {
	for {
		n, s, err := c.look(r) //nolint:contextcheck // a search is for all who wait, not for who was first
		if n != nil || err != nil {
			return n, err
		}
		select {
		case <-s.done:
			if s.err != nil {
				return nil, s.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look returns a node, or the search to wait for.
func (c *cluster) look(r role) (*node, *search, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, events.ErrClosed
	case c.roles[r] != nil:
		return c.roles[r], nil, nil
	case !c.set.discover:
		c.assign(c.at(c.set.seeds[0]), c.at(c.set.seeds[0]))
		return c.roles[r], nil, nil
	case c.search == nil:
		s := &search{done: make(chan struct{})}
		c.search = s
		c.wg.Go(func() { c.run(s) })
	}
	return nil, c.search, nil
}

// at returns the node at an address. c.mu is held.
func (c *cluster) at(addr string) *node {
	n := c.nodes[addr]
	if n == nil {
		n = &node{addr: addr, dialer: c.dialer}
		c.nodes[addr] = n
	}
	return n
}

func (c *cluster) assign(lead, follow *node) { c.roles = [2]*node{roleLead: lead, roleFollow: follow} }

// suspect makes the next call search again, since a call to n failed.
func (c *cluster) suspect(n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.roles {
		if c.roles[r] == n {
			c.roles[r] = nil
		}
	}
}

// redirect makes another node the leader, since n said that it is.
func (c *cluster) redirect(n *node, addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.roles[roleLead] != nil && c.roles[roleLead] != n {
		return // somebody has learned it already
	}
	lead := c.at(addr)
	c.roles[roleLead] = lead
	if c.set.preference == preferLeader {
		c.roles[roleFollow] = lead
	}
	c.log.Info("another node of EventStoreDB leads", "address", addr)
}

// run is a search: rounds of gossip until one knows a leader.
func (c *cluster) run(s *search) {
	var members []member
	err := errors.New("no node of EventStoreDB was asked")
	for attempt := 0; attempt < c.set.maxDiscoverAttempts && c.ctx.Err() == nil; attempt++ {
		if attempt > 0 {
			pause(c.ctx, c.set.discoveryInterval)
		}
		if members, err = c.round(); err == nil {
			break
		}
	}
	c.found(err == nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && !c.closed {
		lead, _ := pick(members, preferLeader)
		follow, _ := pick(members, c.set.preference)
		c.assign(c.at(lead.addr), c.at(follow.addr))
		c.prune(members)
		c.log.Info("the cluster of EventStoreDB is known", "leader", lead.addr, "followed", follow.addr, "members", len(members))
	}
	if s.err = err; err != nil {
		s.err = fmt.Errorf("%w: discovery: %w", events.ErrUnavailable, err)
	}
	c.search = nil
	close(s.done)
}

// prune forgets nodes that have left the cluster. c.mu is held.
func (c *cluster) prune(members []member) {
	for addr, n := range c.nodes {
		isSeed := slices.Contains(c.set.seeds, addr)
		isMember := slices.ContainsFunc(members, func(m member) bool { return m.addr == addr })
		if !isSeed && !isMember && n.idle() {
			delete(c.nodes, addr)
			_ = n.close() // its calls fail, as they would have
		}
	}
}

// member is a node as gossip tells of it.
type member struct {
	addr  string
	state gossip.MemberInfo_VNodeState
}

// round asks all seeds at once and returns the first answer that knows a leader:
// one that cannot be reached does not keep the others waiting.
func (c *cluster) round() ([]member, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.set.gossipTimeout)
	defer cancel()
	type answer struct {
		members []member
		err     error
	}
	answers := make(chan answer, len(c.set.seeds))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // before the wait
	for _, seed := range c.set.seeds {
		wg.Go(func() {
			members, err := c.ask(ctx, seed)
			answers <- answer{members, err}
		})
	}
	var errs []error
	for range c.set.seeds {
		a := <-answers
		if a.err == nil {
			return a.members, nil
		}
		errs = append(errs, a.err)
	}
	return nil, errors.Join(errs...)
}

// ask reads the gossip of one seed.
func (c *cluster) ask(ctx context.Context, seed string) ([]member, error) {
	c.mu.Lock()
	n := c.at(seed)
	c.mu.Unlock()
	conn, err := n.forReads()
	if err != nil {
		return nil, err
	}
	info, err := gossip.NewGossipClient(conn).Read(ctx, &shared.Empty{})
	if status.Code(err) == codes.Unimplemented {
		return []member{{seed, gossip.MemberInfo_Leader}}, nil // a single node that does not gossip
	}
	if err != nil {
		return nil, fmt.Errorf("gossip of %s: %w", seed, err)
	}
	var members []member
	for _, m := range info.GetMembers() {
		at := m.GetHttpEndPoint()
		if m.GetIsAlive() && at.GetAddress() != "" {
			port := strconv.FormatUint(uint64(at.GetPort()), 10)
			members = append(members, member{net.JoinHostPort(at.GetAddress(), port), m.GetState()})
		}
	}
	if _, ok := pick(members, preferLeader); !ok {
		return nil, fmt.Errorf("%s knows %d members that are alive, none of them the leader", seed, len(members))
	}
	return members, nil
}

// pick returns the member to use by a preference, the leader when there is none
// of that kind, and false without a leader.
func pick(members []member, p preference) (member, bool) {
	kinds := map[preference][]gossip.MemberInfo_VNodeState{
		preferLeader:   {gossip.MemberInfo_Leader},
		preferFollower: {gossip.MemberInfo_Follower},
		preferReplica:  {gossip.MemberInfo_ReadOnlyReplica},
		preferRandom:   {gossip.MemberInfo_Leader, gossip.MemberInfo_Follower, gossip.MemberInfo_ReadOnlyReplica},
	}
	var fit []member
	for _, m := range members {
		if slices.Contains(kinds[p], m.state) {
			fit = append(fit, m)
		}
	}
	switch {
	case len(fit) > 0:
		return fit[rand.IntN(len(fit))], true
	case p != preferLeader:
		return pick(members, preferLeader)
	}
	return member{}, false
}

func (c *cluster) close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.close())
	}
	return errors.Join(errs...)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
