package eventstoredb

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	all, err := parse("ESDB+discover://admin:p%40ss%3Aword@one,two:2114,[::1]:2115,[::2]/?tls=false&tlsVerifyCert=false&tlsCaFile=/ca&userCertFile=/c&userKeyFile=/k" +
		"&keepAliveInterval=-1&keepAliveTimeout=3000&discoveryInterval=50&gossipTimeout=2&maxDiscoverAttempts=4&nodePreference=Follower&DEFAULTDEADLINE=1500")
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		discover: true, user: "admin", password: "p@ss:word",
		caFile: "/ca", certFile: "/c", keyFile: "/k",
		keepAliveInterval: -1, keepAliveTimeout: 3 * time.Second, discoveryInterval: 50 * time.Millisecond, gossipTimeout: 2 * time.Second,
		maxDiscoverAttempts: 4, preference: preferFollower, defaultDeadline: 1500 * time.Millisecond,
	}
	seeds := []string{"one:2113", "two:2114", "[::1]:2115", "[::2]:2113"}
	if !slices.Equal(all.seeds, seeds) {
		t.Errorf("seeds %v, want %v", all.seeds, seeds)
	}
	if all.seeds, want.seeds = nil, nil; !equal(all, want) {
		t.Errorf("got %+v\nwant %+v", all, want)
	}

	plain, err := parse("esdb://localhost")
	if err != nil {
		t.Fatal(err)
	}
	if plain.discover || !plain.tls || !plain.verify || plain.defaultDeadline != 8*time.Second || plain.keepAliveInterval != 10*time.Second || plain.maxDiscoverAttempts != 10 {
		t.Errorf("the defaults are %+v", plain)
	}
	two, err := parse("esdb://one,two")
	if err != nil || !two.discover {
		t.Errorf("two hosts without discovery: %+v, %v", two, err)
	}
}

func equal(a, b settings) bool {
	return slices.Equal(a.seeds, b.seeds) && a.discover == b.discover && a.user == b.user && a.password == b.password &&
		a.tls == b.tls && a.verify == b.verify && a.caFile == b.caFile && a.certFile == b.certFile && a.keyFile == b.keyFile &&
		a.discoveryInterval == b.discoveryInterval && a.gossipTimeout == b.gossipTimeout && a.maxDiscoverAttempts == b.maxDiscoverAttempts &&
		a.preference == b.preference && a.keepAliveInterval == b.keepAliveInterval && a.keepAliveTimeout == b.keepAliveTimeout &&
		a.defaultDeadline == b.defaultDeadline
}

func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"http://localhost":          "esdb://",
		"localhost:2113":            "esdb://",
		"esdb://":                   "host",
		"esdb://a,,b":               "host",
		"esdb://a:b":                "port",
		"esdb://a:0":                "port",
		"esdb://a:70000":            "port",
		"esdb://a/path":             "host",
		"esdb://:secret@a":          "user:password",
		"esdb://u:%zz@a":            "user:password",
		"esdb://a?tls=maybe":        "tls",
		"esdb://a?connectionName=x": `"connectionName" is unknown`,
		"esdb://a?gossipTimeout=0&keepAliveTimeout=x&tls=1":    "keepAliveTimeout",
		"esdb://a?nodePreference=nearest":                      "nodePreference",
		"esdb://a?defaultDeadline=1s":                          "defaultDeadline",
		"esdb://a?maxDiscoverAttempts=-1":                      "maxDiscoverAttempts",
		"esdb://a?userCertFile=/c":                             "userKeyFile",
		"esdb://a?tls=true&tls=false":                          "2 times",
		"esdb://admin:secret@a?tls=x&keepAliveInterval=secret": "keepAliveInterval",
	} {
		_, err := parse(text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", text, err, says)
		}
	}
}

func TestPasswordStaysSecret(t *testing.T) {
	for _, text := range []string{
		"esdb://admin:hunter2@localhost?tls=false", "esdb://admin:hunter2@local host", "esdb://admin:hunter2@a?x=y", "admin:hunter2@a",
		"esdb://admin:hunter2", "esdb://admin:hunter2:2113", "esdb://admin:a?hunter2@a:2113", "esdb://admin:a?hunter2=1@a", "esdb://admin:a?hunter2",
		"esdb://admin:a/hunter2@a?b", "esdb://admin:%hunter2@a", "esdb://hunter2/a",
	} {
		if _, err := New(Options{URL: text}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSoundCheckpoints(t *testing.T) {
	for version, want := range map[string]bool{
		"24.10.6": true, "24.10.5": true, "24.10.4": false, "24.10.0": false, "24.6.0": true, "23.10.8": true, "25.0.0": false,
		"25.0.1": true, "25.1.0": true, "26.1.0": true, "25.0.0-rc.1": false, "26.0.0-rc.1+5": true, "nightly": false, "": false,
	} {
		if got := soundCheckpoints(version); got != want {
			t.Errorf("%q: %v, want %v", version, got, want)
		}
	}
}
