// Package agent answers one turn of a conversation: it asks a model, carries out
// the tool calls that the model makes, and tells the turn's sink everything as
// ChatKit stream events.
//
// [Agent] is the loop and knows no provider; a [Model] is one side of the port.
// Package agent/openai speaks the Responses API, package agent/offline answers
// without a network, package agent/agenttest plays a provider in tests.
//
// The order that the loop keeps: calls are durable (ToolsCalled) before any of
// them has an effect, outputs are durable (ToolsReturned) before the model sees
// them, and a turn succeeds only when the model said that it was done. Each call of
// the model is told when it is over (ModelCalled), before what came of it.
package agent
