package chatkitd

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// The ids of the domain. A UserID comes from a token and may be any printable
// text of at most [MaxUserID] bytes; all others are made by [NewID] and begin
// with their prefix.
type (
	// UserID says who a person is. Only a verified token yields one.
	UserID string
	// TaskID identifies a task of one user ("tsk_…").
	TaskID string
	// ThreadID identifies a conversation ("thr_…").
	ThreadID string
	// ItemID identifies an item of a conversation ("msg_…", "wf_…", …).
	ItemID string
	// TurnID identifies one turn of a conversation ("trn_…").
	TurnID string
)

// The prefixes of ids.
const (
	PrefixTask    = "tsk_"
	PrefixThread  = "thr_"
	PrefixMessage = "msg_"
	PrefixToolUse = "tc_"
	PrefixFlow    = "wf_"
	PrefixHidden  = "shcx_"
	PrefixCutOff  = "cut_" // an item behind a message that was cut off
	PrefixTurn    = "trn_"
	PrefixRequest = "req_"
)

// The longest ids that are read, in bytes. Longer ones are unknown.
const (
	MaxUserID = 256
	MaxID     = 64
)

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID returns prefix and 29 characters: 48 bits of time in milliseconds, so
// that ids sort by age and lie together in an index, then 96 random bits.
func NewID(prefix string) string {
	var b [18]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli())) //nolint:gosec // the clock is after 1970
	copy(b[:6], ms[2:])
	_, _ = rand.Read(b[6:]) // crypto/rand.Read never fails
	out := make([]byte, 0, len(prefix)+29)
	out = append(out, prefix...)
	return string(idEncoding.AppendEncode(out, b[:]))
}

// ValidID reports whether s can be an id made by [NewID] or by a peer of it:
// 1 to [MaxID] characters out of a-z, A-Z, 0-9, "_" and "-". Anything else is
// unknown without a look-up.
func ValidID(s string) bool {
	if s == "" || len(s) > MaxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
