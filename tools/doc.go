// Package tools holds the tools with which an agent works on a person's tasks:
// one definition each, used by every model and every other door alike.
//
// A tool is bound to its user before a model can call it ([Set.Bind]); a user id
// is not among the parameters of any tool, and one that a model sends is refused.
// Arguments are checked in full before anything happens. The outcome is always
// JSON: {"success":true,"message",…} or {"success":false,"error_code","message"}.
package tools
