package events

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/chatkitd/chatkitd"
)

// The categories of streams.
const (
	UserPrefix   = "user-"
	ThreadPrefix = "thread-"
	AuditPrefix  = "audit-"
	NodePrefix   = "node-"
)

// UserStream returns the name of a user's stream. The id is percent-encoded
// except for letters, digits and "._@-", so that the name is safe and unique.
func UserStream(id chatkitd.UserID) string { return UserPrefix + escape(string(id)) }

// ThreadStream returns the name of a thread's stream.
func ThreadStream(id chatkitd.ThreadID) string { return ThreadPrefix + escape(string(id)) }

// AuditStream returns the name of the stream of what an operator did.
func AuditStream(admin chatkitd.UserID) string { return AuditPrefix + escape(string(admin)) }

// NodeStream returns the name of the stream of a process, by its instance.
func NodeStream(instance string) string { return NodePrefix + escape(instance) }

// UserOf returns the user whose stream has this name, and whether it is one.
func UserOf(stream string) (chatkitd.UserID, bool) {
	id, ok := strings.CutPrefix(stream, UserPrefix)
	if !ok {
		return "", false
	}
	id, ok = unescape(id)
	return chatkitd.UserID(id), ok
}

// ThreadOf returns the thread whose stream has this name, and whether it is one.
func ThreadOf(stream string) (chatkitd.ThreadID, bool) {
	id, ok := strings.CutPrefix(stream, ThreadPrefix)
	if !ok {
		return "", false
	}
	id, ok = unescape(id)
	return chatkitd.ThreadID(id), ok
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._@-", c) >= 0
}

func escape(s string) string {
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 2*n)
	for i := range len(s) {
		if plain(s[i]) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

// unescape undoes escape and refuses what escape does not write, so that one id
// has one name.
func unescape(s string) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if plain(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		if s[i] != '%' || i+2 >= len(s) {
			return "", false
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	id := b.String()
	return id, escape(id) == s
}
