// Package events holds the facts that the service stores, their wire names and
// codec, and the contract of the [Store] they live in. An event struct is a
// contract with the past: see docs/adr/0003-event-versioning.md.
package events
