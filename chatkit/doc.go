// Package chatkit is the ChatKit wire protocol as Go types: requests, items,
// stream events and pages, as openai/chatkit-python 1.6.5 reads and writes them.
// It uses the standard library only and is useful on its own.
//
// A union is a sealed interface ([Item], [Event], [Update], [Task], [Source],
// [Params]); each variant is a struct whose JSON carries the discriminating
// "type" first. Optional fields are left out when empty, and null is read as
// absent. Lists are always written, as [] when empty.
package chatkit
