// Package agenttest is what tests and benchmarks of a turn need: a provider of
// the Responses API that plays scripts ([Server]), a sink that records and
// checks the order of what it is given ([Sink]), and tasks in memory ([Tasks]).
package agenttest
