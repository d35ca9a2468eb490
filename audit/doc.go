// Package audit answers questions about the log: what happened, what a state was
// at a moment, what led to what, and whether the log and what was made of it
// still agree. It implements [chatkitd.Auditor] on any [events.Store], and folds
// with the actors' own folds. Between two questions it keeps nothing but, for a
// minute, how far it folded.
package audit
