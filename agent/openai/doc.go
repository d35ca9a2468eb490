// Package openai is a model that speaks OpenAI's Responses API, at OpenAI or at
// any of the servers that offer the same.
//
// The official SDK makes the request: client, authentication, retries before the
// first event, errors. The stream is read here: the SDK decodes every event into
// a union of fifty types, which costs more than all the rest of a turn (see
// BenchmarkDecode), and of each event only a few fields are needed.
package openai
