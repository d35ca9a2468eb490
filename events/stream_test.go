package events_test

import (
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func TestStreamNames(t *testing.T) {
	tests := []struct {
		id   chatkitd.UserID
		want string
	}{
		{"alice", "user-alice"},
		{"alice@example.com", "user-alice@example.com"},
		{"auth0|5f", "user-auth0%7C5f"},
		{"a/b%2Fc d", "user-a%2Fb%252Fc%20d"},
		{"ü\U0001F600", "user-%C3%BC%F0%9F%98%80"},
		{"$all", "user-%24all"},
		{"", "user-"},
	}
	for _, tt := range tests {
		if got := events.UserStream(tt.id); got != tt.want {
			t.Errorf("UserStream(%q) = %q, want %q", tt.id, got, tt.want)
		}
		if got, ok := events.UserOf(tt.want); !ok || got != tt.id {
			t.Errorf("UserOf(%q) = %q, %v; want %q", tt.want, got, ok, tt.id)
		}
	}
	if got, ok := events.ThreadOf(events.ThreadStream("thr_1")); !ok || got != "thr_1" {
		t.Errorf("ThreadOf = %q, %v", got, ok)
	}
	for _, stream := range []string{"", "user", "thread-1", "users-1", "User-1"} {
		if id, ok := events.UserOf(stream); ok {
			t.Errorf("UserOf(%q) = %q, which is no user's stream", stream, id)
		}
	}
	for _, stream := range []string{"user-%", "user-%4", "user-%zz", "user-a%4", "user-%7c", "user-%61", "user-a b", "user-% 4"} {
		if id, ok := events.UserOf(stream); ok {
			t.Errorf("UserOf(%q) = %q, which is badly escaped", stream, id)
		}
	}
}

func FuzzStreamName(f *testing.F) {
	for _, s := range []string{"", "alice", "a|b", "%41", "ü\U0001F600\x00\xff", "user-", strings.Repeat("/", 300)} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		stream := events.UserStream(chatkitd.UserID(a))
		if got, ok := events.UserOf(stream); !ok || string(got) != a {
			t.Errorf("UserOf(UserStream(%q)) = %q, %v", a, got, ok)
		}
		for i := range len(stream) {
			c := stream[i]
			if c <= ' ' || c >= 0x7f || c == '/' || c == '$' {
				t.Errorf("UserStream(%q) = %q holds %q", a, stream, c)
			}
		}
		if a != b && stream == events.UserStream(chatkitd.UserID(b)) {
			t.Errorf("%q and %q have one stream, %s", a, b, stream)
		}
		if id, ok := events.UserOf(b); ok && events.UserStream(id) != b {
			t.Errorf("UserOf(%q) = %q, whose stream is %q", b, id, events.UserStream(id))
		}
	})
}
