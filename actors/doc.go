// Package actors holds the single writers: one actor for each live user and
// thread, found by its id. An actor loads its stream, decides, appends with the
// expected revision, folds, and answers; nothing leaves it before its append has
// succeeded. It also owns the turns: a turn runs beside its thread's mailbox and
// reports back through it.
//
// See DESIGN.md for how activation, passivation and turns work.
package actors
