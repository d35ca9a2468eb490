// Package projections follows the log and keeps the read models: the tables that
// queries are answered from. A read model is a fold of the log and disposable;
// DESIGN.md says what holds at each instant.
package projections
