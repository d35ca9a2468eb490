// Package offline is a model without a network: it understands plain English
// about tasks and answers through the same tools and the same loop as any other
// model. It is no language model; DESIGN.md says how it reads a sentence.
package offline
