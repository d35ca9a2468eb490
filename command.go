package chatkitd

// Meta says on whose behalf a command is given, and why. It becomes the
// metadata of the events that the command leads to.
type Meta struct {
	User UserID // from the token, never from a body, header or path
	// Key is the idempotency key: the same key and command again within 24 h
	// answers from the first result, the same key with another command is
	// CodeKeyReused. At most [MaxKey] bytes; empty means that a repeat is a
	// second command.
	Key         string
	Request     string // the correlation id
	Cause       string // id of the event, command or tool call behind it; Request when empty
	TraceParent string // W3C trace context, may be empty
}

// MaxKey is the longest idempotency key, in bytes.
const MaxKey = 255

// Receipt says how far the log has come once a command is done. A query that
// waits for Position reads the command's effect.
type Receipt struct {
	Revision uint64
	Position Position
}
