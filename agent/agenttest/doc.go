// Package agenttest is what tests and benchmarks of a turn need: a provider of
// the Responses API that plays scripts ([Server]) and a sink that records and
// checks the order of what it is given ([Sink]).
package agenttest
