// Package chatkitd is the vocabulary of the service: ids, commands, queries,
// ports and errors. Every other package speaks in these terms; this one imports
// the standard library and package chatkit only.
//
// A message travels http → [Threads] (actors) → events → projections → http,
// and its turn runs beside it: actors → [Agent] → tools → [Tasks] (actors).
package chatkitd
