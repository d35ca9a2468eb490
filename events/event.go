package events

// Event is one of the event structs of this package.
type Event interface{ event() }

// User is an event of a user's stream.
//
//sumtype:decl
type User interface {
	Event
	user()
}

// Thread is an event of a thread's stream.
//
//sumtype:decl
type Thread interface {
	Event
	thread()
}
