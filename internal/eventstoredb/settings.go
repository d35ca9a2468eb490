package eventstoredb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultPort is where EventStoreDB listens.
const defaultPort = "2113"

// preference says which nodes of a cluster a subscription is asked of.
type preference string

const (
	preferLeader   preference = "leader"
	preferFollower preference = "follower"
	preferRandom   preference = "random"
	preferReplica  preference = "readonlyreplica"
)

// settings are what a connection string says.
type settings struct {
	seeds    []string // host:port
	discover bool     // ask the seeds for the cluster, by Gossip
	user     string
	password string

	tls      bool
	verify   bool // the server's certificate
	caFile   string
	certFile string
	keyFile  string

	discoveryInterval   time.Duration
	gossipTimeout       time.Duration
	maxDiscoverAttempts int
	preference          preference
	keepAliveInterval   time.Duration // below 0 is off
	keepAliveTimeout    time.Duration
	defaultDeadline     time.Duration
}

// parse reads a connection string. Its errors say what is wrong without the
// password.
func parse(text string) (settings, error) {
	s := settings{
		tls: true, verify: true,
		discoveryInterval: 100 * time.Millisecond, gossipTimeout: 5 * time.Second, maxDiscoverAttempts: 10,
		preference: preferLeader, keepAliveInterval: 10 * time.Second, keepAliveTimeout: 10 * time.Second,
		defaultDeadline: 8 * time.Second, // less than the 10 s that a command has: its caller is told why
	}
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case ok && strings.EqualFold(scheme, "esdb"):
	case ok && strings.EqualFold(scheme, "esdb+discover"):
		s.discover = true
	default:
		return s, errors.New("the connection string of EventStoreDB begins with esdb:// or esdb+discover://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	if strings.Contains(query, "@") {
		return s, fmt.Errorf("the connection string of EventStoreDB: %w", errCredentials) // what was taken for keys is the end of a password
	}
	if err := s.parseQuery(query); err != nil {
		return s, fmt.Errorf("the connection string of EventStoreDB: %w", err)
	}
	if err := s.parseAuthority(strings.TrimSuffix(rest, "/")); err != nil {
		return s, fmt.Errorf("the connection string of EventStoreDB: %w", err)
	}
	s.discover = s.discover || len(s.seeds) > 1
	return s, nil
}

func (s *settings) parseAuthority(authority string) error {
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, password, _ := strings.Cut(authority[:i], ":")
		var errUser, errPassword error
		s.user, errUser = url.PathUnescape(user)
		s.password, errPassword = url.PathUnescape(password)
		if s.user == "" || errUser != nil || errPassword != nil {
			return errCredentials
		}
		authority = authority[i+1:]
	}
	for host := range strings.SplitSeq(authority, ",") {
		addr, err := address(host)
		if err != nil {
			return err
		}
		s.seeds = append(s.seeds, addr)
	}
	return nil
}

var errCredentials = errors.New("the part before @ is user:password, with other characters than letters and digits percent-encoded")

// address adds the default port. Its errors do not repeat what was given: where a
// host should be, a password may be that lacks its @.
func address(host string) (string, error) {
	if !strings.Contains(host, ":") || strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host += ":" + defaultPort
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil || name == "" || strings.ContainsAny(name, "/@ ") {
		return "", errors.New("behind the scheme, or behind @, come hosts as host or host:port, with a comma between them")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("the port of a host is not a number from 1 to 65535")
	}
	return net.JoinHostPort(name, port), nil
}

func (s *settings) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil || query != "" && !strings.Contains(query, "=") {
		return errors.New("the part after ? is not key=value&key=value")
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(values)) {
		set, ok := keys[strings.ToLower(key)]
		switch v := values[key]; {
		case !ok:
			errs = append(errs, fmt.Errorf("the key %q is unknown; docs/eventstoredb.md lists those that there are", key))
		case len(v) != 1:
			errs = append(errs, fmt.Errorf("the key %q is there %d times", key, len(v)))
		default:
			if err := set(s, v[0]); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", key, err))
			}
		}
	}
	if (s.certFile == "") != (s.keyFile == "") {
		errs = append(errs, errors.New("userCertFile and userKeyFile are given together"))
	}
	return errors.Join(errs...)
}

// keys are those of the official clients, in lower case.
var keys = map[string]func(*settings, string) error{
	"tls":           func(s *settings, v string) error { return parseBool(&s.tls, v) },
	"tlsverifycert": func(s *settings, v string) error { return parseBool(&s.verify, v) },
	"tlscafile":     func(s *settings, v string) error { s.caFile = v; return nil },
	"usercertfile":  func(s *settings, v string) error { s.certFile = v; return nil },
	"userkeyfile":   func(s *settings, v string) error { s.keyFile = v; return nil },

	"discoveryinterval": func(s *settings, v string) error { return parseDuration(&s.discoveryInterval, v, time.Millisecond) },
	"gossiptimeout":     func(s *settings, v string) error { return parseDuration(&s.gossipTimeout, v, time.Second) },
	"keepalivetimeout":  func(s *settings, v string) error { return parseDuration(&s.keepAliveTimeout, v, time.Millisecond) },
	"defaultdeadline":   func(s *settings, v string) error { return parseDuration(&s.defaultDeadline, v, time.Millisecond) },
	"keepaliveinterval": func(s *settings, v string) error {
		if v == "-1" {
			s.keepAliveInterval = -1
			return nil
		}
		return parseDuration(&s.keepAliveInterval, v, time.Millisecond)
	},
	"maxdiscoverattempts": func(s *settings, v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number above 0", v)
		}
		s.maxDiscoverAttempts = int(n)
		return nil
	},
	"nodepreference": func(s *settings, v string) error {
		all := []preference{preferLeader, preferFollower, preferRandom, preferReplica}
		s.preference = preference(strings.ToLower(v))
		if !slices.Contains(all, s.preference) {
			return fmt.Errorf("%q is not one of %v", v, all)
		}
		return nil
	},
}

func parseBool(b *bool, v string) error {
	switch strings.ToLower(v) {
	case "true":
		*b = true
	case "false":
		*b = false
	default:
		return fmt.Errorf("%q is neither true nor false", v)
	}
	return nil
}

func parseDuration(d *time.Duration, v string, unit time.Duration) error {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number above 0 (of units of %s)", v, unit)
	}
	*d = time.Duration(n) * unit
	return nil
}

// tlsConfig returns the configuration of a secure connection, nil for plain text.
func (s *settings) tlsConfig() (*tls.Config, error) {
	if !s.tls {
		return nil, nil //nolint:nilnil // no TLS is not a failure
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: !s.verify, // as the connection string says
	}
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, fmt.Errorf("tlsCaFile: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tlsCaFile: there is no certificate in %s", s.caFile)
		}
	}
	if s.certFile != "" {
		cert, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
		if err != nil {
			return nil, fmt.Errorf("userCertFile, userKeyFile: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
