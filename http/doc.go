// Package http serves the API and the page. It holds every call of Fiber and
// fasthttp, so that no other package of ours knows of either; what it needs of
// the rest are the ports of the root package.
//
// A request runs through one function, [Server.serve], which gives it its id,
// the headers of CORS, its metrics and its line in the log, and through one
// place that writes errors, [Server.fail]. Streams are the hard part: DESIGN.md
// says how they end, whoever goes first.
package http
