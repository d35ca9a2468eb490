package events

// Node is an event of a process's own stream: how several processes on one log
// know of each other.
//
//sumtype:decl
type Node interface {
	Event
	node()
}

// NodeStarted says that a process began to work under this instance. Boot is
// this start of it, and no other's.
type NodeStarted struct {
	Instance string `json:"instance"`
	Boot     string `json:"boot"`
}

// NodeAlive says that the process of this instance is there. It is written while
// that matters to others, and to answer a second one under the same instance.
type NodeAlive struct {
	Instance string `json:"instance"`
	Boot     string `json:"boot"`
}

func (NodeStarted) event() {}
func (NodeAlive) event()   {}

func (NodeStarted) node() {}
func (NodeAlive) node()   {}
