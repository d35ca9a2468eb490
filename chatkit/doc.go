// Package chatkit is the ChatKit wire protocol as Go types: requests, items,
// stream events and pages, as openai/chatkit-python 1.6.5 reads and writes them.
// It uses the standard library only and is useful on its own.
//
// A union is a sealed interface ([Item], [Event], [Update], [Params]) or, where
// its variants share most fields, one struct with a Type ([Task], [Source],
// [UserContent]). The JSON of a variant carries its "type" first.
//
// Reading is lenient and writing is strict. What comes in may lack lists and
// have null for anything optional, and unknown fields are ignored. What goes out
// is accepted by the reference's own types, or encoding it is an error: lists are
// written as [] when empty, optional fields are left out when empty, statuses,
// levels and icons are known ones, and times are RFC 3339 in UTC with the zone
// (the reference writes none, which browsers take as local time).
package chatkit
